"""SFrame's ciphers against the vectors of RFC 9605, appendices C.2 and C.3."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import SealError
from q2d2_stream.protocol.sframe import CipherSuite, FrameCipher

SUITES = list(CipherSuite)
BASE_KEY = bytes(range(16))
KEY_ID = 0x123
COUNTER = 0x4567
HEADER = bytes.fromhex("9901234567")
METADATA = b"IETF SFrame WG"
PLAINTEXT = b"draft-ietf-sframe-enc"

# C.3: what follows the header
SEALED = {
    0x0001: "449408b6f490086165b9d6f62b24ae1a59a56486b4ae8ed036b88912e24f11",
    0x0002: "3f31438db4d09434e43afa0f8a2f00867a2be085046a9f5cb4f101d607",
    0x0003: "17fc8af28a5a695afcfc6c8df6358a17e26b2fcb3bae32e443",
}


@pytest.mark.parametrize("suite", SUITES)
def test_the_vectors_of_the_rfc(suite: CipherSuite) -> None:
    cipher = FrameCipher(BASE_KEY, suite, KEY_ID)
    sealed = cipher.seal(COUNTER, HEADER + METADATA, PLAINTEXT)
    assert sealed.hex() == SEALED[suite.number]
    assert cipher.open(COUNTER, HEADER + METADATA, sealed) == PLAINTEXT


@pytest.mark.parametrize("suite", SUITES)
def test_every_changed_bit_is_noticed(suite: CipherSuite) -> None:
    cipher = FrameCipher(BASE_KEY, suite)
    sealed = cipher.seal(7, b"head", PLAINTEXT)
    for bit in range(8 * len(sealed)):
        changed = bytearray(sealed)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealError):
            cipher.open(7, b"head", bytes(changed))
    for counter, header in ((8, b"head"), (7 + (1 << 32), b"head"), (7, b"heae"), (7, b"hea")):
        with pytest.raises(SealError):
            cipher.open(counter, header, sealed)
    for size in range(len(sealed)):
        with pytest.raises(SealError):
            cipher.open(7, b"head", sealed[:size])


def test_keys_differ_between_suites_and_key_ids() -> None:
    sealed = {
        FrameCipher(BASE_KEY, suite, key_id).seal(0, b"", PLAINTEXT)[: len(PLAINTEXT)]
        for suite in SUITES
        for key_id in (0, 1, 1 << 40)
    }
    assert len(sealed) == 9


@given(st.integers(0, 2**64 - 1), st.binary(max_size=40), st.binary(max_size=200))
def test_whatever_is_sealed_opens(counter: int, header: bytes, plaintext: bytes) -> None:
    cipher = FrameCipher(BASE_KEY, CipherSuite.AES_128_CTR_HMAC_SHA256_32)
    sealed = cipher.seal(counter, header, plaintext)
    assert len(sealed) == len(plaintext) + 4
    assert cipher.open(counter, header, sealed) == plaintext
