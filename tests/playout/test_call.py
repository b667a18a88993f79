"""Whole calls through the simulated link: what is heard, how late it is, and what is counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from q2d2_stream.errors import InputError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.netsim import LinkSpec, SimulatedCall, parse_link, simulate_call
from q2d2_stream.playout import Playout, PlayoutOptions
from tests.labs.examples import examples
from tests.labs.playout import ClipDecoder, number, speech, voice


class FlatDecoder:
    """The least work: one constant frame, voiced enough to be stretched, now and then quiet."""

    delay_samples = 320

    def __init__(self) -> None:
        wave = 0.2 * np.sin(2 * np.pi * np.arange(320) / 160)
        self._frame = wave.astype(np.float32)
        self._pushed = 0

    def push(self, indices: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        self._pushed += 1
        return self._frame if self._pushed % 50 else self._frame * np.float32(0.3)

    def seek(self, number: int) -> None:
        pass

    def reset(self) -> None:
        pass


def call(link: str, seconds: float = 30, **options: object) -> SimulatedCall:
    return simulate_call(
        np.zeros((int(seconds * 75), 3), np.uint8),
        FlatDecoder(),
        parse_link(link),
        keep_pcm=False,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("per_message", [1, 3, 8])
@pytest.mark.parametrize("block", [320, 240, 1024])
def test_clean_link_is_bit_identical(per_message: int, block: int) -> None:
    pcm = speech()
    frames = len(pcm) // 320
    result = simulate_call(
        number(frames),
        ClipDecoder(pcm),
        LinkSpec(delay_ms=50),
        frames_per_message=per_message,
        block_samples=block,
    )
    start = result.stats.lead_in_samples
    assert start is not None
    assert np.all(result.pcm[:start] == 0)
    assert np.array_equal(result.pcm[start : start + frames * 320], pcm[: frames * 320])
    stats = result.stats
    assert (stats.played, stats.concealed, stats.lost, stats.underruns) == (frames, 0, 0, 0)
    assert stats.accelerated_ms == stats.expanded_ms == 0
    assert stats.jitter_ms < 0.001


def test_fixed_delay_is_bit_identical_on_a_busy_machine() -> None:
    pcm = speech()
    frames = len(pcm) // 320
    result = simulate_call(
        number(frames),
        ClipDecoder(pcm),
        LinkSpec(delay_ms=20, jitter_ms=120),
        options=PlayoutOptions(minimum_delay_ms=200, maximum_delay_ms=200, stretch=False),
    )
    start = result.stats.lead_in_samples
    assert start is not None
    assert np.array_equal(result.pcm[start : start + frames * 320], pcm[: frames * 320])


@pytest.mark.parametrize("jitter_ms", [0, 20, 50, 100])
@pytest.mark.parametrize("seed", [0, 1])
def test_steady_jitter(jitter_ms: int, seed: int) -> None:
    result = call(f"delay=50,jitter={jitter_ms},seed={seed}", 40)
    stats = result.stats
    assert stats.concealed / (stats.played + stats.concealed) < 0.005
    settled = result.actual_ms[result.times_s > 10]
    packetisation_ms = 2 * 1000 / 75
    assert np.median(settled) < packetisation_ms + max(60, jitter_ms + 35)
    assert stats.lost == stats.skipped == 0


@pytest.mark.parametrize("stall", ["2@10", "0.15@10", "0.3@10", "0.6@10", "8@10"])
@pytest.mark.parametrize("per_message", [1, 3, 8])
def test_delay_recovers_within_two_seconds_of_a_stall(stall: str, per_message: int) -> None:
    result = call(f"delay=80,jitter=20,stall={stall}", 30, frames_per_message=per_message)
    end = 10 + float(stall.split("@")[0])
    before = result.actual_ms[(result.times_s > 5) & (result.times_s < 10)].max()
    after = result.actual_ms[result.times_s > end + 2.2]
    assert after.max() <= before + 30
    late = result.concealed[-1] - result.concealed[np.searchsorted(result.times_s, end + 1)]
    assert late <= 3
    assert result.stats.lost == 0


def test_two_stalls_and_the_burst_in_between() -> None:
    result = call("delay=80,jitter=20,stall=2@10+2@12.5", 30)
    assert result.actual_ms[result.times_s > 17].max() < 120
    assert result.stats.stalls == 2


@pytest.mark.parametrize(("loss", "burst"), [(0.02, 1), (0.1, 1), (0.1, 3)])
def test_loss_is_concealed_and_does_not_grow_the_delay(loss: float, burst: float) -> None:
    result = call(f"delay=50,jitter=20,loss={loss},burst={burst},seed=5", 60)
    stats = result.stats
    assert stats.played + stats.lost == 60 * 75
    assert stats.lost == 3 * result.link.lost
    assert stats.concealed <= stats.lost * 1.1 + 5
    assert result.actual_ms[result.times_s > 10].max() < 130


def test_reordering_is_put_right() -> None:
    result = call("delay=50,jitter=80,reorder=0.3", 40, frames_per_message=1)
    assert result.stats.lost + result.stats.late < 0.01 * 3000
    assert result.stats.concealed < 0.01 * 3000


@pytest.mark.slow
@pytest.mark.parametrize(("sender", "speaker"), [(200.0, 0.0), (-100.0, 100.0)])
def test_drift_for_an_hour(sender: float, speaker: float) -> None:
    result = call(
        "delay=50,jitter=30",
        3600,
        drift_ppm=sender,
        speaker_drift_ppm=speaker,
        frames_per_message=8,
        block_samples=960,
    )
    stats = result.stats
    assert stats.drift_ppm == pytest.approx(sender - speaker, abs=20)
    assert stats.underruns <= 2
    assert stats.concealed <= 4
    settled = result.actual_ms[result.times_s > 30]
    assert settled.max() - settled.min() < 100
    # 200 ppm of an hour are 720 ms, all of it stretched.
    corrected = stats.accelerated_ms - stats.expanded_ms
    assert corrected == pytest.approx(3.6 * (sender - speaker), abs=80)


@pytest.mark.parametrize("per_message", [1, 3])
def test_a_sender_slower_than_real_time_is_not_hurried(per_message: int) -> None:
    """Its frames come later and later, and nothing is held that could be played faster."""
    frame_s = 320 / 24_000
    playout = Playout(FlatDecoder())
    sent, played = 0, 0
    for pull in range(75 * 60):
        now = pull * frame_s
        while (sent + per_message) * frame_s / 0.8 < now:  # four fifths of what is due
            indices = np.zeros((per_message, 3), np.uint8)
            playout.put(AudioFrames(sent, sent, indices), now)
            sent += per_message
        playout.pull(now, 320)
        played += 1
    stats = playout.stats()
    assert stats.played > 0.97 * sent
    assert stats.accelerated_ms < 0.01 * 1000 * sent * frame_s
    assert stats.concealed < 1.1 * (played - sent)


def test_pauses_are_no_loss() -> None:
    pcm = voice(12.0)
    spurts = [(0, 100), (160, 300), (300, 420), (700, 899)]
    decoder = ClipDecoder(pcm)
    result = simulate_call(
        number(900), decoder, LinkSpec(delay_ms=50, jitter_ms=20), spurts=spurts, tail_s=0.5
    )
    stats = result.stats
    sent = sum(stop - first for first, stop in spurts)
    assert stats.played == sent
    assert stats.concealed == stats.lost == stats.underruns == 0
    # Two pauses and the end; spurts that touch are played without a seam.
    assert decoder.pushed.count(None) == 3
    assert decoder.resets == 2
    assert decoder.pushed[:100] == list(range(100))
    assert stats.comfort_noise_ms > 1000
    # Pauses keep their length.
    assert result.actual_ms[result.times_s > 1].max() < 110


def test_preroll_burst_is_played_from_its_beginning() -> None:
    decoder = ClipDecoder(voice())
    playout = Playout(decoder)
    indices = number(400)
    seq = 0
    for tick in range(400):
        now = tick / 75
        # A spurt of 60 frames from frame 100 n, found out eight frames late.
        for first in range(0, 400, 100):
            begin, stop = first, first + 60
            if tick == begin + 8:
                batch = range(begin, tick)
            elif begin + 8 < tick <= stop:
                batch = range(tick - 1, tick)
            else:
                continue
            for n in batch:
                playout.put(
                    AudioFrames(seq, n, indices[n : n + 1], start=n == begin, end=n == stop - 1),
                    now,
                )
                seq += 1
        playout.pull(now, 320)
    stats = playout.stats()
    assert stats.played == 240
    assert stats.concealed == stats.lost == stats.skipped == 0
    assert stats.target_delay_ms < 60


def test_keepalives_in_a_pause_are_not_played() -> None:
    decoder = ClipDecoder(voice())
    playout = Playout(decoder)
    indices = number(300)
    for tick in range(300):
        if tick < 90:
            playout.put(
                AudioFrames(tick, tick, indices[tick : tick + 1], end=tick == 89), tick / 75
            )
        elif tick % 30 == 0:
            playout.put(
                AudioFrames(87 + tick // 30, tick, indices[tick : tick + 1], dtx=True), tick / 75
            )
        playout.pull(tick / 75, 320)
    stats = playout.stats()
    assert stats.played == 90
    assert stats.keepalives == 7
    assert stats.lost == stats.concealed == stats.underruns == 0


def test_concealment_fades_to_comfort_noise_after_120_ms() -> None:
    decoder = ClipDecoder(voice(10.0))
    playout = Playout(decoder)
    indices = number(400)
    pieces = []
    for tick in range(700):
        if tick < 400:
            playout.put(AudioFrames(tick, tick, indices[tick : tick + 1]), tick / 75)
        pieces.append(playout.pull(tick / 75, 320))
    stats = playout.stats()
    assert stats.concealed == 12
    assert decoder.pushed[400:] == [None] * 12
    noise = np.concatenate(pieces[-200:])
    assert 5e-4 < noise.std() < 2e-3  # the voice's hiss has 1e-3
    assert stats.underruns == 1


def test_no_clicks_through_stall_loss_and_stretch() -> None:
    pcm = voice(20.0)
    spec = parse_link("delay=80,jitter=60,stall=1@8,loss=0.03,burst=2,seed=2")
    result = simulate_call(number(len(pcm) // 320), ClipDecoder(pcm), spec)
    assert result.stats.skipped > 0
    assert np.all(np.isfinite(result.pcm))
    assert np.abs(result.pcm).max() <= 1.1 * np.abs(pcm).max()


def test_sequence_and_timestamp_wrap_around() -> None:
    decoder = ClipDecoder(voice())
    playout = Playout(decoder)
    indices = number(300)
    for n in range(300):
        at = (2**32 - 150 + n) % 2**32
        playout.put(AudioFrames(at, (at + 77) % 2**32, indices[n : n + 1]), n / 75)
        playout.pull(n / 75, 320)
    stats = playout.stats()
    assert stats.lost == stats.concealed == stats.out_of_range == 0
    assert decoder.pushed == list(range(len(decoder.pushed)))
    assert stats.played > 290


def test_sender_that_starts_anew_is_followed_and_a_stray_message_is_not() -> None:
    playout = Playout(ClipDecoder(voice()))
    indices = number(600)
    for n in range(600):
        at = 5_000_000 + n if n < 300 else n
        playout.put(AudioFrames(at, at, indices[n : n + 1]), n / 75)
        if n == 150:
            playout.put(AudioFrames(9, 9, indices[:1]), n / 75)
        playout.pull(n / 75, 320)
    stats = playout.stats()
    assert stats.restarts == 1
    assert stats.out_of_range == 2
    assert stats.played > 580


def test_speaker_that_stands_still_does_not_fill_memory() -> None:
    playout = Playout(FlatDecoder())
    indices = number(3)
    for n in range(4000):
        playout.put(AudioFrames(3 * n, 3 * n, indices), n / 25)
    assert playout.stats().buffered_frames == 256
    assert playout.stats().overflow == 12_000 - 256
    for n in range(100):
        playout.pull(160 + n / 75, 320)
    assert playout.stats().actual_delay_ms < 200


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2**32 - 1) | st.integers(0, 60),
            st.integers(0, 2**32 - 1) | st.integers(0, 60),
            st.integers(1, 8),
            st.floats(0, 0.5),
            st.integers(1, 2000),
            st.booleans(),
            st.booleans(),
            st.booleans(),
        ),
        max_size=40,
    )
)
@examples(60)
def test_any_messages_leave_it_running(messages: list[tuple]) -> None:  # type: ignore[type-arg]
    playout = Playout(FlatDecoder())
    now = 0.0
    for seq, timestamp, frames, wait, samples, start, end, dtx in messages:
        now += wait
        playout.put(AudioFrames(seq, timestamp, number(frames), start=start, end=end, dtx=dtx), now)
        pcm = playout.pull(now, samples)
        assert pcm.shape == (samples,)
        assert pcm.dtype == np.float32
        assert np.all(np.isfinite(pcm))
        stats = playout.stats()
        assert stats.buffered_frames <= 256
        assert stats.lost >= 0


@pytest.mark.parametrize(
    "indices",
    [np.zeros(3, np.uint8), np.zeros((0, 3), np.uint8), np.zeros((1, 3), np.int64)],
)
def test_wrong_indices_are_refused(indices: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match="expected uint8 of shape"):
        Playout(FlatDecoder()).put(AudioFrames(0, 0, indices), 0.0)


@pytest.mark.parametrize(
    "options",
    [
        {"minimum_delay_ms": 90.0, "maximum_delay_ms": 80.0},
        {"maximum_delay_ms": 3000.0},
        {"capacity_frames": 2},
        {"fade_ms": 0.0},
    ],
)
def test_wrong_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InputError):
        PlayoutOptions(**options)  # type: ignore[arg-type]


def test_delay_is_split_into_its_parts() -> None:
    parts = call("delay=50,jitter=30").stats.delay_p50
    assert parts.packetisation_ms == pytest.approx(2000 / 75)
    assert parts.network_ms == 50
    assert parts.codec_ms == pytest.approx(26.7, abs=0.1)
    assert 20 < parts.jitter_buffer_ms < 80
    assert parts.total_ms == pytest.approx(
        parts.codec_ms + parts.packetisation_ms + parts.network_ms + parts.jitter_buffer_ms
    )
