"""Messages: round trips, truncation, noise, growth."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import HandshakeError, InputError, WireError
from q2d2_stream.protocol.hello import PROTOCOL_VERSION, Auth, Bye, Hello, ModelOffer, Reject
from q2d2_stream.protocol.key_exchange import Method
from q2d2_stream.protocol.kinds import Capability, Kind, Reason, Role
from q2d2_stream.protocol.messages import (
    Message,
    Mute,
    Ping,
    Pong,
    ReceiverReport,
    Text,
    Unknown,
    decode,
    encode,
)

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
tenths = st.integers(0, 65_535).map(lambda n: n / 10)

offers = st.builds(
    ModelOffer,
    model_id=st.text(min_size=1, max_size=80),
    model_hash=st.binary(min_size=8, max_size=8),
    rates=st.sets(st.integers(0, 6), min_size=1).map(lambda s: tuple(sorted(s))),
    tables=u32,
)


def _hello(method: Method, share: bytes, **fields: object) -> Hello:
    return Hello(method=method, share=share[: method.share_bytes], **fields)  # type: ignore[arg-type]


hellos = st.builds(
    _hello,
    role=st.sampled_from(Role),
    method=st.sampled_from(Method),
    share=st.binary(min_size=33, max_size=33),
    models=st.lists(offers, min_size=1, max_size=8).map(tuple),
    frames_per_message=st.integers(1, 16),
    call_id=st.binary(min_size=16, max_size=16),
    nonce=st.binary(min_size=16, max_size=16),
    sequence=u32,
    capabilities=st.integers(0, 0xFFFF).map(Capability),
)
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
    reports,
    st.builds(Auth, st.binary(min_size=16, max_size=16)),
    st.builds(Reject, st.sampled_from(Reason), st.text(max_size=600)),
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
    cut = data.draw(st.integers(0, len(encoded) - 1))
    with pytest.raises(WireError):
        decode(encoded[:cut])


@given(messages, st.binary(max_size=20))
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
        {"models": ()},
        {"models": (ModelOffer("m", bytes(8), (0,)),) * 9},
        {"frames_per_message": 17},
        {"nonce": b"short"},
        {"share": bytes(33)},
        {"sequence": -1},
    ],
)
def test_a_hello_out_of_range_is_refused(change: dict[str, object]) -> None:
    fields: dict[str, object] = {
        "role": Role.CLIENT,
        "method": Method.X25519,
        "share": bytes(32),
        "models": (ModelOffer("m", bytes(8), (0, 1)),),
        "frames_per_message": 3,
        "call_id": bytes(16),
        "nonce": bytes(16),
    }
    with pytest.raises(InputError):
        Hello(**{**fields, **change})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change",
    [
        {"rates": ()},
        {"rates": (2, 1)},
        {"rates": (7,)},
        {"model_id": ""},
        {"model_hash": bytes(7)},
        {"tables": 2**32},
    ],
)
def test_an_offer_out_of_range_is_refused(change: dict[str, object]) -> None:
    fields: dict[str, object] = {"model_id": "m", "model_hash": bytes(8), "rates": (0, 1)}
    with pytest.raises(InputError):
        ModelOffer(**{**fields, **change})  # type: ignore[arg-type]
