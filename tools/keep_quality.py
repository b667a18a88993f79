"""Measure PESQ and STOI of the bundled clips, and keep them: `python -m tools.keep_quality`.

What is kept, in tests/data/quality.json, is the floor that a test holds the shipped model to. Run
this when new weights are shipped, and read the difference before you commit it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from q2d2_stream.engine import load_codec
from research.eval.clips import load_clips
from research.eval.codecs import StreamCodec
from research.eval.signal_metrics import pesq_wb, stoi

__all__ = ["KEPT", "Scores", "measure"]

_ROOT = Path(__file__).parents[1]
KEPT = _ROOT / "tests" / "data" / "quality.json"

# By clip, then by rate: PESQ-WB (1 to 4.64) and STOI (0 to 1).
Scores = dict[str, dict[str, tuple[float, float]]]


def measure() -> tuple[str, Scores]:
    """The shipped model's id, and its scores in ONNX, float32."""
    codec = load_codec(engine="onnx", precision="fp32")
    scores: Scores = {}
    for clip in load_clips(_ROOT / "apps" / "speech"):
        scores[clip.name] = {}
        for rate in codec.rates:
            heard = StreamCodec(rate.name, engine="onnx").roundtrip(clip.pcm).pcm
            found = pesq_wb(clip.pcm, heard), stoi(clip.pcm, heard)
            scores[clip.name][rate.name] = (round(found[0], 3), round(found[1], 4))
    return codec.model_id, scores


def main() -> int:
    """No arguments."""
    model_id, scores = measure()
    KEPT.write_text(json.dumps({"model": model_id, "scores": scores}, indent=2) + "\n")
    for clip, rates in scores.items():
        print(clip, *(f"{name}: PESQ {p:.2f} STOI {s:.3f}" for name, (p, s) in rates.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
