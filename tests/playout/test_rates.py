"""Rates that change within a stream, with the shipped codec: the top rate is a frame later."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from q2d2_stream.frames import AudioFrames
from q2d2_stream.playout import Playout, PlayoutOptions, PlayoutStats
from tests.labs.call import codec

HOP, FRAMES, PER_MESSAGE = 320, 150, 3
FRAME_S = HOP / 24_000
RATES = {0: "3", 30: "6", 75: "1.5", 105: "6"}  # from which frame on
SEAM = 30 * HOP  # where the delay changes, in the middle of a vowel

Pcm = NDArray[np.float32]
Messages = list[NDArray[np.uint8]]


def encoded(speech: Pcm, rates: dict[int, str]) -> Messages:
    encoder, messages = codec().encoder("3"), []
    for frame in range(0, FRAMES, PER_MESSAGE):
        encoder.rate = rates.get(frame, encoder.rate)
        pcm = speech[(80 + frame) * HOP : (80 + frame + PER_MESSAGE) * HOP]
        messages.append(encoder.push(pcm))
    return messages


@pytest.fixture(scope="module")
def sent(speech: Pcm) -> Messages:
    return encoded(speech, RATES)


def decoded(messages: Messages, *, late: bool = False, lost: frozenset[int] = frozenset()) -> Pcm:
    """What the decoder makes of them without a playout; of messages in ``lost`` nothing came."""
    decoder, pieces = codec().decoder(late=late), []
    for number, message in enumerate(messages):
        for offset, frame in enumerate(message):
            if number not in lost:
                decoder.seek(number * PER_MESSAGE + offset)
            pieces.append(decoder.push(None if number in lost else frame))
    return np.concatenate(pieces)


def heard(
    messages: Messages, *, jitter_ms: float = 0.0, lost: frozenset[int] = frozenset()
) -> tuple[Pcm, list[PlayoutStats]]:
    """What is played of them, from the first frame on, and the counts after every frame."""
    delays_s = 1e-3 * (50 + jitter_ms * np.random.default_rng(1).random(len(messages)))
    complete_s = FRAME_S * PER_MESSAGE * np.arange(1, len(messages) + 1)
    arrivals = sorted(zip(complete_s + delays_s, range(len(messages)), strict=True))
    playout = Playout(codec().decoder(), PlayoutOptions())
    pieces, counts = [], []
    for pull in range(FRAMES + 20):
        now = pull * FRAME_S
        while arrivals and arrivals[0][0] <= now:
            arrival_s, number = arrivals.pop(0)
            if number not in lost:
                first = number * PER_MESSAGE
                frames = AudioFrames(first, first, messages[number], start=not number)
                playout.put(frames, arrival_s)
        pieces.append(playout.pull(now, HOP))
        counts.append(playout.stats(network_ms=50))
    start = counts[-1].lead_in_samples
    assert start is not None
    return np.concatenate(pieces)[start : start + FRAMES * HOP], counts


def test_playout_adds_nothing_and_leaves_nothing_out(sent: Messages, speech: Pcm) -> None:
    pcm, counts = heard(sent)
    np.testing.assert_array_equal(pcm, decoded(sent))
    end = counts[FRAMES]
    assert end.lost == end.late == end.skipped == end.underruns == end.concealed == 0
    assert end.accelerated_ms == end.expanded_ms == 0  # the change is not jitter
    assert counts[-1].played == counts[-1].received == FRAMES
    _, unchanged = heard(encoded(speech, {}))
    for one, other in zip(counts, unchanged, strict=True):
        assert one.target_delay_ms == other.target_delay_ms
        assert one.actual_delay_ms == other.actual_delay_ms


def test_the_change_is_one_fade_into_what_is_a_frame_later(sent: Messages) -> None:
    pcm, _ = heard(sent)
    late = decoded(sent, late=True)
    after = SEAM + HOP
    # the window before the seam is refined already where all is late
    np.testing.assert_allclose(pcm[HOP : SEAM - HOP], late[2 * HOP : SEAM], atol=1e-5)
    np.testing.assert_allclose(pcm[after:], late[after:], atol=1e-4)


@pytest.mark.parametrize("frame", [27, 30, 33])
def test_there_is_neither_a_click_nor_a_hole(speech: Pcm, frame: int) -> None:
    """All of them in one vowel; without the fade the wave bends 4 to 21 times as much."""
    pcm, _ = heard(encoded(speech, {frame: "6"}))
    around = pcm[(frame - 2) * HOP : (frame + 3) * HOP]
    bends = np.abs(np.diff(around, 2))
    for edge in (2 * HOP, 3 * HOP):
        assert bends[edge - 2 : edge].max() < 2.5 * np.sqrt(np.square(bends).mean())
    loudness = np.sqrt(np.square(around.reshape(-1, HOP)).mean(1))
    assert loudness[2] > 0.75 * min(loudness[1], loudness[3])


def test_the_delay_that_is_told_grows_once(sent: Messages) -> None:
    _, counts = heard(sent)
    told = [each.delay_p50.codec_ms for each in counts if each.played]
    switch = next(n for n, each in enumerate(counts) if each.played > 30)
    first = next(n for n, each in enumerate(counts) if each.played)
    assert told == pytest.approx([80 / 3] * (switch - first) + [40.0] * (len(counts) - switch))
    parts = counts[-1].delay_p50
    assert parts.total_ms == pytest.approx(
        40 + parts.packetisation_ms + 50 + parts.jitter_buffer_ms
    )


@pytest.mark.parametrize("jitter_ms", [20, 60])
def test_jitter_across_the_change_costs_no_frame(sent: Messages, jitter_ms: float) -> None:
    pcm, counts = heard(sent, jitter_ms=jitter_ms)
    assert counts[-1].played == counts[-1].received == FRAMES
    assert counts[-1].lost == counts[-1].skipped == 0
    assert np.isfinite(pcm).all()


def test_a_change_whose_first_message_is_lost(sent: Messages) -> None:
    lost = frozenset({30 // PER_MESSAGE})
    pcm, counts = heard(sent, lost=lost)
    np.testing.assert_array_equal(pcm, decoded(sent, lost=lost))
    end = counts[FRAMES]
    assert (end.lost, end.concealed) == (PER_MESSAGE, PER_MESSAGE)
    assert counts[-1].delay_p50.codec_ms == pytest.approx(40.0)


class Trailing:
    """Says 0.5 for every frame that came, so many samples later, and is silent without."""

    def __init__(self, delay_samples: int) -> None:
        self.delay_samples = delay_samples
        self._to_say = [0.0] * (delay_samples // HOP)

    def push(self, indices: NDArray[np.uint8] | None) -> Pcm:
        self._to_say.append(0.0 if indices is None else 0.5)
        return np.full(HOP, self._to_say.pop(0), np.float32)

    def seek(self, number: int) -> None:
        """All frames sound alike."""

    def reset(self) -> None:
        """It is not used again here."""


@pytest.mark.parametrize("delay_frames", [1, 2])
def test_the_end_of_a_spurt_is_heard_however_late_it_is(delay_frames: int) -> None:
    playout = Playout(Trailing(delay_frames * HOP), PlayoutOptions(start_delay_ms=0))
    playout.put(AudioFrames(0, 0, np.zeros((30, 3), np.uint8), start=True, end=True), 0.0)
    out = np.concatenate([playout.pull(n * FRAME_S, HOP) for n in range(80)])
    assert playout.is_empty
    spoken = np.flatnonzero(np.abs(out) > 0.01)
    assert spoken[-1] - spoken[0] + 1 == pytest.approx(30 * HOP, abs=20)
    ending = out[spoken[-1] - delay_frames * HOP + 20 : spoken[-1]]
    assert np.all(np.diff(ending) < 0)  # and it fades evenly
