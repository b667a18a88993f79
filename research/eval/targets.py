"""The scores that the project wants to reach."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["LOSS", "LOSS_FALL", "TARGETS", "VERSION_1", "WITH_LOSS"]

TARGETS: Mapping[str, Mapping[str, float]] = {
    "q2d2_1.5": {"pesq": 2.3, "stoi": 0.90, "visqol": 2.8, "distillmos": 3.5},
    "q2d2_3": {"pesq": 2.8, "stoi": 0.925, "visqol": 3.2, "distillmos": 3.7, "speaker": 0.94},
    "q2d2_6": {"pesq": 3.2, "stoi": 0.945, "visqol": 3.5, "distillmos": 3.9},
}
"""In the long term, by the codec's name and the metric's; of all of these more is better."""

VERSION_1: Mapping[str, Mapping[str, float]] = {
    "q2d2_1.5": {"pesq": 2.17, "stoi": 0.880, "visqol": 2.6, "distillmos": 3.40, "nll": 0.452},
    "q2d2_2": {"pesq": 2.30, "stoi": 0.890, "visqol": 2.9, "distillmos": 3.45, "nll": 0.367},
    "q2d2_3": {
        "pesq": 2.6, "stoi": 0.912, "visqol": 3.5, "distillmos": 3.65, "speaker": 0.948,
        "nll": 0.303,
    },
    "q2d2_6": {
        "pesq": 3.0, "stoi": 0.937, "visqol": 4.05, "distillmos": 3.72, "speaker": 0.968,
        "nll": 0.271,
    },
}  # fmt: skip
"""For bitstream version 1. Where it says PESQ and STOI of the two lowest rates, and NLL anywhere,
it is what q2d2-24k-434260b5 had: no score shall be worse."""

LOSS = 0.05
WITH_LOSS: Mapping[str, Mapping[str, float]] = {"q2d2_6": {"pesq": 2.45}}
"""With so large a share of packets lost."""
LOSS_FALL: Mapping[str, Mapping[str, float]] = {"q2d2_6": {"distillmos": 0.15}}
"""By how much a score may fall then."""
