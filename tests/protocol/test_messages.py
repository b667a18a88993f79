"""Messages: round trips, truncation, noise, growth; docs/reference/protocol.md against the code."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import HandshakeError, InputError, WireError
from q2d2_stream.protocol.auth import Secret
from q2d2_stream.protocol.hello import PROTOCOL_VERSION, Bye, Hello, Proof, Refuse
from q2d2_stream.protocol.kinds import Capability, Kind, Reason, Role
from q2d2_stream.protocol.messages import (
    AUDIO_HEADER_BYTES,
    Audio,
    AudioCoded,
    AudioSize,
    Message,
    Mute,
    Ping,
    Pong,
    ReceiverReport,
    Text,
    Unknown,
    audio_size,
    decode,
    encode,
)
from tests.labs.paths import ROOT

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
tenths = st.integers(0, 65_535).map(lambda n: n / 10)

hellos = st.builds(
    Hello,
    role=st.sampled_from(Role),
    model_id=st.text(min_size=1, max_size=80),
    model_hash=st.binary(min_size=8, max_size=8),
    rates=st.sets(st.integers(0, 7), min_size=1).map(lambda s: tuple(sorted(s))),
    frames_per_message=st.integers(1, 8),
    call_id=st.binary(min_size=16, max_size=16),
    nonce=st.binary(min_size=16, max_size=16),
    sequence=u32,
    capabilities=st.integers(0, 0xFFFF).map(Capability),
    tables=st.just(0) | u32,
)
audio_fields = {
    "sequence": u32,
    "timestamp": u32,
    "rate": st.integers(0, 3),
    "frames": st.integers(1, 8),
    "payload": st.binary(max_size=100),
    "start": st.booleans(),
    "end": st.booleans(),
    "dtx": st.booleans(),
}
audios = st.builds(Audio, **audio_fields) | st.builds(AudioCoded, **audio_fields)
reports = st.builds(
    ReceiverReport,
    sequence=u32,
    received=u32,
    lost=u32,
    loss=st.integers(0, 10_000).map(lambda n: n / 10_000),
    jitter_ms=tenths,
    delay_ms=tenths,
    drift_ppm=st.integers(-32_767, 32_767).map(lambda n: n / 10),
)
messages: st.SearchStrategy[Message] = st.one_of(
    hellos,
    audios,
    reports,
    st.builds(Proof, st.binary(min_size=32, max_size=32)),
    st.builds(Refuse, st.sampled_from(Reason), st.text(max_size=600)),
    st.builds(Bye, st.sampled_from(Reason), st.text(max_size=600)),
    st.builds(Ping, u64),
    st.builds(Pong, u64, u32),
    st.builds(Mute, st.booleans()),
    st.builds(Text, st.text(max_size=1200)),
)


@given(messages)
def test_decode_inverts_encode(message: Message) -> None:
    assert decode(encode(message)) == message


@given(messages, st.data())
def test_truncated_messages_are_refused(message: Message, data: st.DataObject) -> None:
    encoded = encode(message)
    end = AUDIO_HEADER_BYTES if isinstance(message, Audio) else len(encoded)
    cut = data.draw(st.integers(0, end - 1))
    if isinstance(message, Hello) and message.tables and cut >= end - 4:
        assert decode(encoded[:cut]) == replace(message, tables=0)  # as versions before it say it
        return
    with pytest.raises(WireError):
        decode(encoded[:cut])


growing = messages.filter(
    lambda m: not isinstance(m, Audio) and (not isinstance(m, Hello) or m.tables > 0)
)


@given(growing, st.binary(max_size=20))
def test_fields_of_a_later_version_are_ignored(message: Message, more: bytes) -> None:
    assert decode(encode(message) + more) == message


@given(st.one_of(st.binary(max_size=200), st.tuples(st.sampled_from(Kind), st.binary())))
def test_noise_raises_nothing_but_wire_errors(data: bytes | tuple[Kind, bytes]) -> None:
    noise = data if isinstance(data, bytes) else bytes([data[0]]) + data[1]
    try:
        message = decode(noise)
    except WireError:
        return
    if not isinstance(message, Unknown):
        assert decode(encode(message)) == message


@given(messages)
def test_the_size_of_audio_is_read_from_the_wire(message: Message) -> None:
    size = audio_size(encode(message))
    if isinstance(message, Audio):
        assert size == AudioSize(message.rate, message.frames, len(message.payload))
    else:
        assert size is None


def test_unknown_kinds_are_told_apart_from_malformed_messages() -> None:
    assert decode(b"\xc8anything") == Unknown(200)


def test_another_version_is_refused_in_a_sentence_with_both() -> None:
    with pytest.raises(HandshakeError, match=rf"version {PROTOCOL_VERSION}, the other 9"):
        decode(b"\x01Q2D2\x09")


def test_reasons_of_later_versions_read_as_other() -> None:
    assert decode(b"\x04\xee\x00\x00") == Bye(Reason.OTHER, "")


def test_text_of_the_peer_cannot_move_the_cursor() -> None:
    assert "\x1b" not in Text("\x1b[2Jhello\r\n").text
    message = decode(b"\x15\x05\x00\x1b[2Jx")
    assert message == Text("\N{REPLACEMENT CHARACTER}[2Jx")


def test_report_values_are_limited_to_their_fields() -> None:
    wild = ReceiverReport(2**40, 1, 2, 7.0, -3.0, 1e12, float("nan"))
    message = decode(encode(wild))
    assert isinstance(message, ReceiverReport)
    assert (message.loss, message.jitter_ms, message.delay_ms) == (1.0, 0.0, 6553.5)


@pytest.mark.parametrize(
    "change",
    [
        {"rates": ()},
        {"rates": (2, 1)},
        {"rates": (8,)},
        {"frames_per_message": 9},
        {"nonce": b"short"},
        {"model_id": ""},
        {"sequence": -1},
        {"tables": 2**32},
    ],
)
def test_a_hello_out_of_range_is_refused(change: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "role": Role.CLIENT,
        "model_id": "m",
        "model_hash": bytes(8),
        "rates": (0, 1),
        "frames_per_message": 3,
        "call_id": bytes(16),
        "nonce": bytes(16),
    }
    with pytest.raises(InputError):
        Hello(**{**fields, **change})  # type: ignore[arg-type]


NAMESPACE = {
    cls.__name__: cls
    for cls in (
        Hello,
        Proof,
        Refuse,
        Bye,
        Audio,
        AudioCoded,
        Ping,
        Pong,
        ReceiverReport,
        Mute,
        Text,
    )
} | {"Role": Role, "Reason": Reason, "Capability": Capability}

DOCUMENT = ROOT / "docs" / "reference" / "protocol.md"
VECTOR = re.compile(r"^```vector\n(.+?)\n---\n([0-9a-f\s]+?)\n```$", re.MULTILINE | re.DOTALL)


def test_the_document_and_the_code_agree() -> None:
    vectors = VECTOR.findall(DOCUMENT.read_text(encoding="utf-8"))
    seen = set()
    hellos, proofs = [], []
    for expression, hexadecimal in vectors:
        message = eval(expression, {"__builtins__": {}, "bytes": bytes, "range": range}, NAMESPACE)
        data = bytes.fromhex(hexadecimal)
        assert encode(message) == data
        assert decode(data) == message
        seen.add(message.KIND)
        hellos += [data] if isinstance(message, Hello) else []
        proofs += [message.mac] if isinstance(message, Proof) else []
    assert seen == set(Kind)
    secret = Secret("correct horse battery")
    assert proofs == [secret.proof(role, *hellos[:2]) for role in Role]
