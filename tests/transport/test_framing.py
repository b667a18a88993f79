"""Messages on a byte stream: whole, cut, damaged, lost."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.transport.framing import Deframer, message_to_frame

messages = st.binary(min_size=1, max_size=600)


@given(st.lists(messages, max_size=8), st.integers(1, 50))
def test_messages_come_out_as_they_went_in_however_they_are_cut(
    sent: list[bytes], piece: int
) -> None:
    stream = b"".join(map(message_to_frame, sent))
    deframer = Deframer()
    got = []
    for at in range(0, len(stream), piece):
        got += deframer.push(stream[at : at + piece])
    assert got == sent
    assert deframer.damaged == 0


@given(messages)
def test_a_frame_holds_one_zero_and_costs_two_bytes_and_a_crc_where_nothing_is_sealed(
    message: bytes,
) -> None:
    frame = message_to_frame(message)
    assert frame.count(0) == 1
    assert frame.endswith(b"\0")
    crc = 0 if message[0] & 0x80 else 2
    assert len(frame) <= len(message) + crc + 2 + (len(message) + crc) // 254


@given(st.binary(max_size=5000))
def test_any_bytes_are_survived(noise: bytes) -> None:
    deframer = Deframer()
    deframer.push(noise)
    # a zero ends whatever was begun, and the next frame is read
    assert deframer.push(b"\0" + message_to_frame(b"\x01hello"))[-1] == b"\x01hello"


def test_what_never_ends_is_bounded_and_counted_once() -> None:
    deframer = Deframer()
    for _ in range(1000):
        assert deframer.push(b"\x55" * 1000) == []
    assert len(deframer._frame) < 4096
    assert deframer.push(b"\0" + message_to_frame(b"\x02x")) == [b"\x02x"]
    assert deframer.damaged == 1


def test_lost_and_flipped_bytes_cost_the_frames_they_were_in() -> None:
    dice = random.Random(3)
    sent = [bytes([1 + n % 3]) + dice.randbytes(dice.randrange(5, 60)) for n in range(2000)]
    stream = bytearray()
    touched = set()
    for number, message in enumerate(sent):
        for byte in message_to_frame(message):
            draw = dice.random()
            if draw < 0.001:
                touched |= {number, number + 1}  # a lost zero joins two frames
                continue
            if draw < 0.002:
                touched |= {number, number + 1}
                byte ^= 1 << dice.randrange(8)
            stream.append(byte)
    deframer = Deframer()
    got = deframer.push(bytes(stream))
    untouched = [message for number, message in enumerate(sent) if number not in touched]
    assert len(untouched) < len(sent)
    assert set(untouched) <= set(got)
    # a CRC of 16 bits lets one of 65,536 damaged frames pass
    assert len(set(got) - set(sent)) <= 1
