"""Vectors of the codec for the browser client, which must reproduce them.

python -m tests.labs.codec_vectors     writes tests/web/vectors/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from q2d2_stream.lattice import KINDS, Lattice
from tests.labs.paths import ROOT

__all__ = ["FOLDER", "MAKERS"]

FOLDER = ROOT / "tests" / "web" / "vectors"

_LEVELS = {"rhombic": (9, 9, 7, 7, 5, 3), "hexagonal": (8, 7, 5, 6), "rectangular": (4, 9, 16, 16)}


def lattice() -> list[dict[str, Any]]:
    """Every kind of grid: points near and far, and those half-way between others."""
    rng = np.random.default_rng(1)
    made = []
    for kind in KINDS:
        grids = Lattice(kind, _LEVELS[kind])
        spread = rng.uniform(-1.6, 1.6, (60, len(grids.levels))) * grids.scale
        halves = rng.integers(-12, 12, (60, len(grids.levels))) / 4
        latents = np.concatenate([spread, halves, np.full((1, len(grids.levels)), 1e9)])
        nearest = grids.nearest(latents)
        made.append(
            {
                "kind": kind,
                "levels": grids.levels,
                "codes": grids.codes,
                "scale": grids.scale.tolist(),
                "norm": grids.norm.tolist(),
                "latents": latents.tolist(),
                "nearest": nearest.tolist(),
                "points": grids.point(nearest).tolist(),
                "normalised": grids.normalised(nearest).tolist(),
            }
        )
    return made


MAKERS: dict[str, Callable[[], Any]] = {"lattice": lattice}
"""Every file's name without its ending, and what makes its content."""


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in MAKERS.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(make(), indent=None) + "\n")


if __name__ == "__main__":
    main()
