"""Scores kept from one run to the next, in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from research.eval.clips import Clip
from research.eval.metrics import Score

__all__ = ["Cache", "Entry", "default_folder"]


@dataclass(frozen=True)
class Entry:
    """What is known of one codec on one clip.

    Attributes:
        bits: bits that crossed the line.
        seconds: processor time that coding took.
        delay_ms: residual delay behind the original.
        scores: by the metric's key; None where the metric cannot score this clip.
        counts: of every token of every pair; empty for codecs without tokens.
        coded_bits: the same bits after entropy coding in a file; 0 where there is none.
    """

    bits: float
    seconds: float
    delay_ms: int
    scores: dict[str, Score | None]
    counts: list[list[int]] = field(default_factory=list)
    coded_bits: float = 0.0

    def with_scores(self, more: dict[str, Score | None]) -> Entry:
        """The same with further scores."""
        return replace(self, scores={**more, **self.scores})


@dataclass(frozen=True)
class Cache:
    """A folder with one small JSON file for every codec, condition and clip."""

    folder: Path

    def place(self, codec_key: str, condition: str, clip: Clip) -> Path:
        """The file for a codec's key, loss and noise as a text, and a clip's samples and text."""
        digest = hashlib.sha256(clip.pcm.tobytes())
        # The name decides which packets are lost, the source whether words can be counted.
        for part in (codec_key, condition, clip.name, clip.source, clip.text or ""):
            digest.update(b"\0" + part.encode())
        name = digest.hexdigest()
        return self.folder / name[:2] / f"{name}.json"

    def read(self, place: Path) -> Entry | None:
        """The entry in a file; None when there is none, or it cannot be understood."""
        try:
            kept = json.loads(place.read_text(encoding="utf-8"))
            scores = {
                metric: None if score is None else Score(float(score[0]), float(score[1]))
                for metric, score in kept["scores"].items()
            }
            return Entry(
                float(kept["bits"]),
                float(kept["seconds"]),
                int(kept["delay_ms"]),
                scores,
                [[int(count) for count in pair] for pair in kept["counts"]],
                float(kept["coded_bits"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return None

    def write(self, place: Path, entry: Entry) -> None:
        """Keep an entry; a reader never sees half a file."""
        place.parent.mkdir(parents=True, exist_ok=True)
        kept = {
            "bits": entry.bits,
            "seconds": entry.seconds,
            "delay_ms": entry.delay_ms,
            "scores": {
                metric: None if score is None else [score.value, score.weight]
                for metric, score in entry.scores.items()
            },
            "counts": entry.counts,
            "coded_bits": entry.coded_bits,
        }
        part = place.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(kept), encoding="utf-8")
        part.replace(place)


def default_folder() -> Path:
    """Where this user's programs keep what can be computed again."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "q2d2-stream" / "eval"
