"""The quantizers that are compared, by name: all of about 77 bits a frame."""

from __future__ import annotations

from collections.abc import Callable

from research.experiments.box_lattices import BoxLattice
from research.experiments.harness.codebooks import CodebookOptions, Codebooks
from research.experiments.harness.quantizers import (
    BoxQuantizer,
    GroupQuantizer,
    ResidualQuantizer,
)

__all__ = ["ARMS", "BASELINE"]

BASELINE = "rhombic"


def _box(kind: str, *steps: int, stretch: float = 1.0) -> Callable[[], GroupQuantizer]:
    return lambda: BoxQuantizer([BoxLattice(kind, each, stretch) for each in steps])


def _book(size: int, codes: int, groups: int, **options: bool) -> Callable[[], GroupQuantizer]:
    return lambda: Codebooks(CodebookOptions(size, codes, groups, **options))


ARMS: dict[str, Callable[[], GroupQuantizer]] = {
    BASELINE: _box("rhombic", *[7] * 12),
    # more dimensions; "rectangular" is FSQ, too: scalars rounded behind a tanh
    "rectangular": _box("rectangular", *[9] * 12),
    "bcc": _box("bcc", *[8] * 8),
    "fcc": _box("fcc", *[7] * 2, *[6] * 6),
    "d4": _box("d4", *[6] * 6),
    "e8": _box("e8", *[7] * 3),
    # learned codebooks
    "residual FSQ": lambda: ResidualQuantizer(12, 9),
    "VQ 1-D": _book(1, 9, 24),
    "VQ 2-D, no restarts": _book(2, 85, 12, restarts=False),
    "VQ 2-D": _book(2, 85, 12),
    "VQ 2-D, rotation": _book(2, 85, 12, rotation=True),
    "SimVQ 2-D": _book(2, 85, 12, shared=True),
    "VQ 8-D": _book(8, 85, 12),
    "VQ 8-D, cosine": _book(8, 85, 12, cosine=True),
    # edges: the outermost points drawn inwards from the border of the tanh's range
    "rhombic x .86": _box("rhombic", *[7] * 12, stretch=6 / 7),
    "rhombic x .8": _box("rhombic", *[7] * 12, stretch=0.8),
    # levels
    "l = 5": _box("rhombic", *[5] * 14),
    "l = 9": _box("rhombic", *[9] * 11),
    "l = 11": _box("rhombic", *[11] * 10),
    "9, 9, 7, 7, 7, 7": _box("rhombic", 9, 7, 7),
}
