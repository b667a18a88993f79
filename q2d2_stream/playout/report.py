"""What a playout counted and measured, put together for the display and the report."""

from __future__ import annotations

from dataclasses import dataclass

from q2d2_stream.config import SAMPLE_RATE
from q2d2_stream.playout.buffer import JitterBuffer
from q2d2_stream.playout.delay import DelayEstimator
from q2d2_stream.playout.stats import DelayHistogram, DelayParts, PlayoutStats

__all__ = ["OutsideDelays", "PlayoutCounts", "report"]


@dataclass
class PlayoutCounts:
    """What :class:`~q2d2_stream.playout.playout.Playout` itself counts; see PlayoutStats.

    Attributes:
        accelerated, expanded: samples.
    """

    played: int = 0
    concealed: int = 0
    underruns: int = 0
    keepalives: int = 0
    out_of_range: int = 0
    restarts: int = 0
    accelerated: int = 0
    expanded: int = 0


@dataclass(frozen=True)
class OutsideDelays:
    """Delays in milliseconds that the playout is told of; see DelayParts."""

    network_ms: float
    device_ms: float
    processing_ms: float
    codec_ms: float


def report(
    counts: PlayoutCounts,
    buffer: JitterBuffer,
    delay: DelayEstimator,
    delays: DelayHistogram,
    outside: OutsideDelays,
    *,
    noise_samples: int,
    target_s: float,
    actual_s: float,
    drift_ppm: float,
    lead_in_samples: int | None,
) -> PlayoutStats:
    """All of it in the units of :class:`PlayoutStats`; times in seconds, ``noise_samples`` of
    pauses."""
    held = buffer.counts
    packetisation_ms = 1e3 * delay.packetisation_s

    def parts(quantile: float) -> DelayParts:
        held_ms = delays.quantile_ms(quantile)
        return DelayParts(
            codec_ms=outside.codec_ms,
            packetisation_ms=min(packetisation_ms, held_ms),
            network_ms=outside.network_ms,
            jitter_buffer_ms=max(0.0, held_ms - packetisation_ms),
            device_ms=outside.device_ms,
            processing_ms=outside.processing_ms,
        )

    return PlayoutStats(
        received=held.received,
        played=counts.played,
        concealed=counts.concealed,
        comfort_noise_ms=1e3 * noise_samples / SAMPLE_RATE,
        lost=held.missing,
        late=held.late,
        duplicate=held.duplicate,
        overflow=held.overflow,
        repaired=held.repaired,
        skipped=held.skipped,
        out_of_range=counts.out_of_range,
        keepalives=counts.keepalives,
        underruns=counts.underruns,
        stalls=delay.stalls,
        restarts=counts.restarts,
        accelerated_ms=1e3 * counts.accelerated / SAMPLE_RATE,
        expanded_ms=1e3 * counts.expanded / SAMPLE_RATE,
        buffered_frames=len(buffer),
        target_delay_ms=1e3 * target_s,
        actual_delay_ms=1e3 * actual_s,
        jitter_ms=delay.jitter_ms,
        drift_ppm=drift_ppm,
        delay_p50=parts(0.5),
        delay_p95=parts(0.95),
        lead_in_samples=lead_in_samples,
    )
