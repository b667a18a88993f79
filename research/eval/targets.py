"""The scores that the project wants to reach."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["TARGETS"]

TARGETS: Mapping[str, Mapping[str, float]] = {
    "q2d2_1.5": {"pesq": 2.3, "stoi": 0.90, "visqol": 2.8, "distillmos": 3.5},
    "q2d2_3": {"pesq": 2.8, "stoi": 0.925, "visqol": 3.2, "distillmos": 3.7, "speaker": 0.94},
    "q2d2_6": {"pesq": 3.2, "stoi": 0.945, "visqol": 3.5, "distillmos": 3.9},
}
"""By the codec's name and the metric's; of all of these more is better."""
