"""Codecs that cannot be run here, with the scores that others of our measurements gave them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PUBLISHED", "PublishedResult"]


@dataclass(frozen=True)
class PublishedResult:
    """Mean scores of a codec on other clips: beside, not against, a measured row.

    Attributes:
        family: the codec.
        setting: its rate, as in a table.
        kbps: bitrate.
        latency_ms: algorithmic latency.
        clips: what it was measured on.
        scores: by the metric's name.
    """

    family: str
    setting: str
    kbps: float
    latency_ms: float
    clips: str
    scores: dict[str, float]

    @property
    def title(self) -> str:
        """As in a table, "Lyra v2 6 kbps"."""
        return f"{self.family} {self.setting}"


def _peers(
    family: str, latency_ms: float, clips: str, *rows: tuple[str, float, float, float, float]
) -> list[PublishedResult]:
    """Of rows of setting ("6 kbps"), PESQ-WB, STOI, ViSQOL and DistillMOS."""
    results = []
    for setting, *values in rows:
        scores = dict(zip(("pesq", "stoi", "visqol", "distillmos"), values, strict=True))
        kbps = float(setting.split()[0])
        results.append(PublishedResult(family, setting, kbps, latency_ms, clips, scores))
    return results


_ENGLISH = "20 English clips"
_LIBRISPEECH = "10 clips of LibriSpeech"

PUBLISHED: tuple[PublishedResult, ...] = (
    *_peers(
        "Lyra v2", 20.0, _ENGLISH,
        ("3.2 kbps", 2.31, 0.899, 2.76, 3.49),
        ("6 kbps", 2.80, 0.926, 3.20, 3.68),
        ("9.2 kbps", 3.03, 0.938, 3.30, 3.68),
    ),
    *_peers(
        "EVS", 32.0, _ENGLISH,
        ("5.9 kbps VBR", 2.67, 0.926, 3.01, 3.46),
        ("7.2 kbps", 2.97, 0.936, 2.98, 3.57),
        ("9.6 kbps", 3.22, 0.947, 3.11, 3.78),
    ),
    *_peers("AMR-WB", 26.0, _ENGLISH, ("6.6 kbps", 2.59, 0.930, 3.14, 3.21)),
    *_peers("HILCodec", 13.3, "4 clips of its own", ("3 kbps", 2.55, 0.934, 3.61, 3.70)),
    *_peers(
        "EnCodec", 13.3, _LIBRISPEECH,
        ("1.5 kbps", 1.56, 0.844, 1.79, 2.29),
        ("6 kbps", 2.79, 0.934, 3.31, 3.52),
    ),
    *_peers("TF-Codec", 20.0, _LIBRISPEECH, ("1.5 kbps", 2.51, 0.913, 2.45, 3.90)),
)  # fmt: skip
