"""What the playout did: one dataclass, for the live display and the report."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

__all__ = ["DelayHistogram", "DelayParts", "PlayoutStats"]


@dataclass(frozen=True, slots=True)
class DelayParts:
    """Mouth-to-ear delay in milliseconds, split.

    Attributes:
        codec_ms: one frame to fill and the look-ahead, as it is now: a frame more once refinement
            has begun.
        packetisation_ms: waiting for the other frames of a message.
        network_ms: one way through the network, fastest case; given from outside.
        jitter_buffer_ms: held back by the playout.
        device_ms: sound devices of both ends; given from outside.
        processing_ms: echo, noise and gain at the speaking end; given from outside.
    """

    codec_ms: float
    packetisation_ms: float
    network_ms: float
    jitter_buffer_ms: float
    device_ms: float
    processing_ms: float

    @property
    def total_ms(self) -> float:
        """Mouth to ear."""
        return (
            self.codec_ms
            + self.packetisation_ms
            + self.network_ms
            + self.jitter_buffer_ms
            + self.device_ms
            + self.processing_ms
        )


@dataclass(frozen=True, slots=True)
class PlayoutStats:
    """Counts since the beginning, and the delays now. Frames are 13.3 ms each.

    Attributes:
        received: frames from the network, with those that were dropped.
        played: frames decoded as they were received.
        concealed: frames made up by the decoder in place of missing ones.
        comfort_noise_ms: background noise played in pauses and after long losses.
        lost: sequence numbers that had not come when their turn was over.
        late: frames that came after their turn; each is in ``lost`` or ``skipped`` too.
        duplicate: frames that were here already.
        overflow: frames dropped because the buffer was full.
        skipped: frames dropped to shorten the delay after a stall.
        repaired: frames played from a copy of a lower rate, as they themselves were lost.
        out_of_range: frames dropped because their numbers fit no stream.
        keepalives: frames of a pause, which are not played.
        underruns: times that the buffer ran empty inside a talk spurt.
        stalls: times that the network held everything up for longer than any target delay.
        restarts: times that the sender began a new stream.
        accelerated_ms: speech left out by time-stretching.
        expanded_ms: speech repeated by time-stretching.
        buffered_frames: frames waiting now.
        target_delay_ms: what the delay is meant to be, packetisation included.
        actual_delay_ms: what it was when the last frame was played.
        jitter_ms: inter-arrival jitter, RFC 3550.
        drift_ppm: sender's sound clock against ours; positive when the sender is faster.
        delay_p50, delay_p95: percentiles over all frames played, split into parts.
        lead_in_samples: samples that were pulled before the first decoded one; None before it.
    """

    received: int
    played: int
    concealed: int
    comfort_noise_ms: float
    lost: int
    late: int
    duplicate: int
    overflow: int
    skipped: int
    repaired: int
    out_of_range: int
    keepalives: int
    underruns: int
    stalls: int
    restarts: int
    accelerated_ms: float
    expanded_ms: float
    buffered_frames: int
    target_delay_ms: float
    actual_delay_ms: float
    jitter_ms: float
    drift_ppm: float
    delay_p50: DelayParts
    delay_p95: DelayParts
    lead_in_samples: int | None


class DelayHistogram:
    """Percentiles of the playout delay over a call of any length, to one millisecond.

    As many counters as there are different delays: a delay has no upper bound.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, delay_s: float) -> None:
        """Counts one frame that was played ``delay_s`` seconds after its base."""
        self._counts[max(int(delay_s * 1e3), 0)] += 1

    def quantile_ms(self, quantile: float) -> float:
        """The delay in milliseconds that the share ``quantile`` of frames did not exceed."""
        rank = quantile * self._counts.total()
        seen = 0
        for delay_ms, count in sorted(self._counts.items()):
            seen += count
            if seen >= rank:
                return float(delay_ms)
        return 0.0
