"""Packets: one self-describing run of bytes, the same for Python, C and the documents."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.config import BITSTREAM_1, CodecConfig
from q2d2_stream.errors import FormatError, InputError
from q2d2_stream.packet import MAX_PACKET_FRAMES, MAX_RATE, PacketCoder, Toc
from q2d2_stream.packing import pack
from tests.labs.entropy import coder, random_indices, smooth_indices
from tests.labs.paths import ROOT

CONFIG = BITSTREAM_1
VECTORS = json.loads((ROOT / "docs/vectors/packets.json").read_text())

rates = st.integers(0, len(CONFIG.ladder) - 1)
frame_counts = st.integers(1, MAX_PACKET_FRAMES)
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def plain() -> PacketCoder:
    return PacketCoder(CONFIG)


@pytest.fixture(scope="module")
def coded() -> PacketCoder:
    return PacketCoder(CONFIG, coder(CONFIG))


@given(st.integers(0, MAX_RATE), frame_counts, st.booleans())
def test_a_toc_is_one_byte(rate: int, frames: int, is_coded: bool) -> None:
    toc = Toc(rate, frames, is_coded)
    assert Toc.from_packet(bytes([toc.to_byte()])) == toc


def test_every_byte_is_a_toc_or_reserved() -> None:
    for byte in range(256):
        if byte >> 4 & 7 == 7:
            with pytest.raises(FormatError, match="reserved rate 7"):
                Toc.from_packet(bytes([byte]))
        else:
            assert Toc.from_packet(bytes([byte])).to_byte() == byte


@pytest.mark.parametrize(("rate", "frames"), [(-1, 1), (7, 1), (0, 0), (0, 17)])
def test_what_a_toc_cannot_tell_is_refused(rate: int, frames: int) -> None:
    with pytest.raises(InputError, match="expected"):
        Toc(rate, frames)


@given(rates, frame_counts, seeds)
def test_any_indices_come_back(plain: PacketCoder, rate: int, frames: int, seed: int) -> None:
    indices = random_indices(CONFIG, rate, frames, seed)
    packet = plain.encode(indices)
    assert Toc.from_packet(packet) == Toc(rate, frames)
    assert len(packet) == 1 + CONFIG.ladder[rate].packed_bytes(frames)
    np.testing.assert_array_equal(plain.decode(packet), indices)


@given(rates, frame_counts, seeds, st.booleans())
def test_packets_are_coded_where_that_is_shorter(
    plain: PacketCoder, coded: PacketCoder, rate: int, frames: int, seed: int, smooth: bool
) -> None:
    pairs = CONFIG.ladder[rate].pairs
    indices = smooth_indices(CONFIG, frames, seed)[:, :pairs]
    if not smooth:
        indices = random_indices(CONFIG, rate, frames, seed)
    packet = coded.encode(indices)
    np.testing.assert_array_equal(coded.decode(packet), indices)
    if Toc.from_packet(packet).coded:
        assert len(packet) < len(plain.encode(indices))
    else:
        assert packet == plain.encode(indices)


@given(st.binary(max_size=160))
def test_any_bytes_are_refused_or_what_a_sender_makes(
    plain: PacketCoder, coded: PacketCoder, packet: bytes
) -> None:
    try:
        indices = coded.decode(packet)
    except FormatError:
        return
    sender = coded if Toc.from_packet(packet).coded else plain
    assert sender.encode(indices) == packet


def test_the_documented_vectors(plain: PacketCoder, coded: PacketCoder) -> None:
    assert tuple(VECTORS["config"]["levels"]) == CONFIG.levels
    for vector in VECTORS["packets"]:
        indices = np.array(vector["indices"], np.uint8)
        packet = bytes.fromhex(vector["packet"])
        sender = coded if vector["coded"] else plain
        assert sender.encode(indices) == packet
        assert Toc.from_packet(packet) == Toc(vector["rate"], len(indices), vector["coded"])
        np.testing.assert_array_equal(coded.decode(packet), indices)
    for vector in VECTORS["refused"]:
        for receiver in (plain, coded):
            with pytest.raises(FormatError):
                receiver.decode(bytes.fromhex(vector["packet"]))


def test_coded_packets_need_the_tables(plain: PacketCoder) -> None:
    (vector, *_) = [vector for vector in VECTORS["packets"] if vector["coded"]]
    with pytest.raises(FormatError, match="tables are not here"):
        plain.decode(bytes.fromhex(vector["packet"]))


@pytest.mark.parametrize("frames", [0, 17])
def test_numbers_of_frames_are_limited(plain: PacketCoder, frames: int) -> None:
    with pytest.raises(InputError, match="expected 1 to 16"):
        plain.encode(np.zeros((frames, 3), np.uint8))


@pytest.mark.parametrize(
    "indices",
    [
        np.zeros(3, np.uint8),
        np.zeros((1, 1, 3), np.uint8),
        np.zeros((1, 3), np.int64),
        np.zeros((1, 5), np.uint8),
        np.full((1, 3), 200, np.uint8),
    ],
)
def test_what_are_no_indices_is_refused(
    plain: PacketCoder, coded: PacketCoder, indices: np.ndarray
) -> None:
    for sender in (plain, coded):
        with pytest.raises(InputError):
            sender.encode(indices)


@given(rates, st.integers(0, 80), seeds)
def test_a_payload_may_be_longer_than_a_packet(
    coded: PacketCoder, rate: int, frames: int, seed: int
) -> None:
    indices = random_indices(CONFIG, rate, frames, seed)
    payload = coded.encode_payload(indices)
    assert payload.coded or payload.data == pack(indices, CONFIG)
    np.testing.assert_array_equal(coded.decode_payload(payload, rate, frames), indices)


def test_models_of_more_rates_than_a_toc_tells_are_refused() -> None:
    with pytest.raises(InputError, match="8 rates"):
        PacketCoder(CodecConfig(rates=tuple(range(1, 9))))
