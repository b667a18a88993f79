"""Which frames go out in silence and speech, and how they wait."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import InputError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.protocol import Call
from q2d2_stream.sending import Dtx, DtxOptions, SendQueue, SpurtFrame

FRAME = np.zeros(3, np.uint8)
LONG_FRAME = np.zeros(6, np.uint8)


def sent(dtx: Dtx, pattern: str) -> str:
    """``pattern``: V voiced, anything else not. One character per frame captured: sent or not."""
    out = ["."] * len(pattern)
    for character in pattern:
        for frame in dtx.push(FRAME, character == "V"):
            mark = "k" if frame.dtx else "s" if frame.start else "e" if frame.end else "v"
            assert out[frame.timestamp] == "."
            out[frame.timestamp] = mark
    return "".join(out)


def test_a_spurt_has_preroll_hangover_and_flags() -> None:
    dtx = Dtx(DtxOptions(preroll_frames=2, hangover_frames=3, keepalive_frames=5))
    assert sent(dtx, "....VV..V.........VV") == "..svvvvvvvve....svvv"
    assert sent(Dtx(DtxOptions(2, 3, 5)), "V" + "." * 16) == "svve....k....k..."


def test_keep_alives_come_regularly_and_do_not_shorten_the_preroll() -> None:
    for silence in range(1, 40):
        dtx = Dtx(DtxOptions(preroll_frames=4, hangover_frames=1, keepalive_frames=6))
        out = sent(dtx, "." * silence + "V")
        assert out.endswith("s" + "v" * min(4, silence))
        assert out.count("k") == max(0, silence - 4) // 6


def test_without_options_every_frame_is_sent() -> None:
    assert sent(Dtx(None), "...VV...") == "svvvvvvv"


@given(st.text("V.", max_size=200), st.integers(0, 9), st.integers(1, 9), st.integers(2, 20))
def test_order_flags_and_voiced_frames_hold(
    pattern: str, preroll: int, hangover: int, keepalive: int
) -> None:
    dtx = Dtx(DtxOptions(preroll, hangover, keepalive))
    frames: list[SpurtFrame] = []
    for character in pattern:
        frames += dtx.push(FRAME, character == "V")
    timestamps = [frame.timestamp for frame in frames]
    assert timestamps == sorted(set(timestamps))
    assert {i for i, c in enumerate(pattern) if c == "V"} <= set(timestamps)
    speaking = False
    for frame in frames:
        assert frame.start == (not speaking and not frame.dtx)
        assert not (frame.dtx and (speaking or frame.end))
        speaking = not frame.dtx and not frame.end


@pytest.mark.parametrize(
    "change", [{"preroll_frames": -1}, {"hangover_frames": 0}, {"keepalive_frames": 1}]
)
def test_options_out_of_range_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(InputError):
        DtxOptions(**change)


def test_the_queue_groups_numbers_and_drops() -> None:
    call = Call()
    queue = SendQueue(call, max_frames=8)
    queue.push(SpurtFrame(0, FRAME, start=True))
    queue.push(SpurtFrame(1, FRAME))
    assert queue.take(3) is None
    queue.push(SpurtFrame(2, FRAME))
    message = queue.take(3)
    assert isinstance(message, AudioFrames)
    assert (message.sequence, message.timestamp, message.start, message.end) == (0, 0, True, False)
    assert message.indices.shape == (3, 3)

    queue.push(SpurtFrame(3, FRAME, end=True))  # an end does not wait for more
    message = queue.take(3)
    assert message is not None
    assert (message.sequence, message.end, len(message.indices)) == (3, True, 1)

    queue.push(SpurtFrame(10, FRAME, start=True))
    for timestamp in range(11, 30):
        queue.push(SpurtFrame(timestamp, FRAME))
    assert (len(queue), queue.dropped) == (8, 12)
    message = queue.take(8)
    assert message is not None
    assert (message.sequence, message.timestamp, message.start) == (16, 22, True)
    assert call.next_sequence == 24


def test_a_message_holds_one_rate_and_one_stretch_of_time() -> None:
    queue = SendQueue(Call())
    queue.push(SpurtFrame(0, FRAME))
    queue.push(SpurtFrame(1, LONG_FRAME))
    queue.push(SpurtFrame(2, LONG_FRAME))
    queue.push(SpurtFrame(9, LONG_FRAME, start=True))
    queue.push(SpurtFrame(10, LONG_FRAME, end=True))
    queue.push(SpurtFrame(50, FRAME, dtx=True))
    shapes = []
    while (message := queue.take(8)) is not None:
        shapes.append((message.timestamp, *message.indices.shape))
    assert shapes == [(0, 1, 3), (1, 2, 6), (9, 2, 6), (50, 1, 3)]
    assert len(queue) == 0


@given(
    st.text("V.", max_size=150),
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 6)), min_size=1, max_size=30),
)
def test_whatever_is_dropped_the_messages_are_consistent(
    pattern: str, actions: list[tuple[int, int]]
) -> None:
    dtx = Dtx(DtxOptions(3, 2, 5))
    call = Call()
    queue = SendQueue(call, max_frames=10)
    taken = 0
    last = -1
    for i, character in enumerate(pattern):
        for frame in dtx.push(FRAME, character == "V"):
            queue.push(frame)
        frames, drop = actions[i % len(actions)]
        queue.drop_oldest(drop if i % 3 == 0 else 0)
        if (message := queue.take(frames)) is not None:
            assert message.sequence > last
            assert len(message.indices) <= frames
            assert not message.dtx or len(message.indices) == 1
            last = message.sequence + len(message.indices) - 1
            taken += len(message.indices)
    assert taken + len(queue) + queue.dropped == call.next_sequence
