"""The loss model: seeded, of the wanted share, and the same for codecs of any frame length."""

from __future__ import annotations

import numpy as np
import pytest

from q2d2_stream.errors import InputError
from research.eval.loss import PACKET_SAMPLES, PacketLoss, lost_frames


def test_trace_is_seeded_by_clip() -> None:
    model = PacketLoss(0.2)
    first = model.trace(960 * 500, "a")
    np.testing.assert_array_equal(first, model.trace(960 * 500, "a"))
    assert (first != model.trace(960 * 500, "b")).any()
    assert (first != PacketLoss(0.2, seed=1).trace(960 * 500, "a")).any()


def test_share_and_burst() -> None:
    lost = PacketLoss(0.05, burst=2.0).trace(PACKET_SAMPLES * 100_000, "clip")
    starts = np.count_nonzero(lost[1:] & ~lost[:-1])
    assert lost.mean() == pytest.approx(0.05, abs=0.005)
    assert lost.sum() / starts == pytest.approx(2.0, abs=0.1)
    assert not PacketLoss(0.0).trace(96_000, "clip").any()


@pytest.mark.parametrize(("hop", "expected"), [(320, 3), (480, 2), (960, 1)])
def test_every_codec_loses_the_same_speech(hop: int, expected: int) -> None:
    lost = np.array([False, True, False])
    frames = lost_frames(lost, 4 * PACKET_SAMPLES // hop, hop)
    assert np.flatnonzero(frames).tolist() == list(range(expected, 2 * expected))
    assert not lost_frames(None, 5, hop).any()


def test_refuses() -> None:
    with pytest.raises(InputError, match="share"):
        PacketLoss(1.0)
    with pytest.raises(InputError, match="burst"):
        PacketLoss(0.1, burst=0.5)
