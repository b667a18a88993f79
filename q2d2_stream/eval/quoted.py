"""Codecs that cannot be run here, with the scores that others of our measurements gave them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["QUOTED", "QuotedPeer"]


@dataclass(frozen=True)
class QuotedPeer:
    """Mean scores of a peer on 20 other English clips, 24 kHz: beside, not against, a measured row.

    Attributes:
        title: codec and rate.
        kbps: bitrate.
        latency_ms: algorithmic latency.
        scores: by the metric's name.
    """

    title: str
    kbps: float
    latency_ms: float
    scores: dict[str, float]


def _peer(
    title: str, kbps: float, latency_ms: float, pesq: float, stoi: float, visqol: float, mos: float
) -> QuotedPeer:
    scores = {"pesq": pesq, "stoi": stoi, "visqol": visqol, "distillmos": mos}
    return QuotedPeer(title, kbps, latency_ms, scores)


QUOTED: tuple[QuotedPeer, ...] = (
    _peer("Lyra v2 3.2 kbps", 3.2, 20.0, 2.31, 0.899, 2.76, 3.49),
    _peer("Lyra v2 6 kbps", 6.0, 20.0, 2.80, 0.926, 3.20, 3.68),
    _peer("Lyra v2 9.2 kbps", 9.2, 20.0, 3.03, 0.938, 3.30, 3.68),
    _peer("EVS 5.9 kbps VBR", 5.9, 32.0, 2.67, 0.926, 3.01, 3.46),
    _peer("EVS 7.2 kbps", 7.2, 32.0, 2.97, 0.936, 2.98, 3.57),
    _peer("EVS 9.6 kbps", 9.6, 32.0, 3.22, 0.947, 3.11, 3.78),
)
