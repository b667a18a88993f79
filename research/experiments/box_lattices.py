"""Finite lattices in any dimension: a box of one lattice, and the closed-form nearest point.

Every lattice here is a union of shifted copies (cosets) of a cubic lattice, so the nearest point of
a finite box of it is found as for rhombic pairs: round onto every coset, clamp, keep the nearest.
That is exact, also at the edges, and costs one rounding per coset and dimension.

    Z2 square          1 coset        D2 rhombic (quincunx)      2
    Z3 cubic           1              BCC (A3*), D3* cubic with centres  2
    FCC (A3 = D3)      4              D4, 8                      E8, 16 of (2Z)^8 by Hamming(8, 4)

Conway and Sloane, "Fast quantizing and decoding algorithms for lattice quantizers and codes", IEEE
Trans. Inf. Theory 28, 1982.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["KINDS", "BoxLattice", "second_moment"]

Array = NDArray[np.float64]


def _even(dims: int) -> list[tuple[float, ...]]:
    """Cosets of (2Z)^n in D_n: the binary words of even weight."""
    return [w for w in itertools.product((0.0, 1.0), repeat=dims) if sum(w) % 2 == 0]


def _hamming() -> list[tuple[float, ...]]:
    """The 16 words of the extended Hamming code: construction A makes E8 of it."""
    generator = np.array(
        [[1, 0, 0, 0, 0, 1, 1, 1], [0, 1, 0, 0, 1, 0, 1, 1],
         [0, 0, 1, 0, 1, 1, 0, 1], [0, 0, 0, 1, 1, 1, 1, 0]]
    )  # fmt: skip
    words = [np.array(m) @ generator % 2 for m in itertools.product((0, 1), repeat=4)]
    return [tuple(map(float, word)) for word in words]


@dataclass(frozen=True)
class _Kind:
    """A lattice: ``pitch`` of the cubic lattice that its cosets are shifted copies of."""

    dims: int
    pitch: float
    shifts: tuple[tuple[float, ...], ...]

    @property
    def cell(self) -> float:
        """Volume of a cell."""
        return self.pitch**self.dims / len(self.shifts)


KINDS: dict[str, _Kind] = {
    "rectangular": _Kind(2, 1.0, ((0.0, 0.0),)),
    "rhombic": _Kind(2, 1.0, ((0.0, 0.0), (0.5, 0.5))),
    "cubic": _Kind(3, 1.0, ((0.0,) * 3,)),
    "bcc": _Kind(3, 1.0, ((0.0,) * 3, (0.5,) * 3)),
    "fcc": _Kind(3, 2.0, tuple(_even(3))),
    "d4": _Kind(4, 2.0, tuple(_even(4))),
    "e8": _Kind(8, 2.0, tuple(_hamming())),
}
# Normalised second moments of their cells (Conway and Sloane, "Sphere packings", table 2.3).
SECOND_MOMENTS = {
    "rectangular": 1 / 12, "rhombic": 1 / 12, "cubic": 1 / 12, "bcc": 0.078543, "fcc": 0.078745,
    "d4": 0.076603, "e8": 0.071682,
}  # fmt: skip


@dataclass(frozen=True)
class BoxLattice:
    """Points of a lattice within a cube of side 2 around 0, for latents behind a tanh.

    Args:
        kind: one of :data:`KINDS`.
        steps: points of the first coset along each axis, at least 2; the others fit between.
        stretch: factor on the whole grid: 1 puts the outermost points on the border of the
            cube, less draws them inwards.

    Attributes:
        boxes: of every coset its lowest point and its highest step numbers, ``(dims,)`` each.
    """

    kind: str
    steps: int
    stretch: float = 1.0
    boxes: tuple[tuple[Array, Array], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        found = KINDS[self.kind]
        span = found.pitch * (self.steps - 1)
        boxes = []
        for shift in found.shifts:
            offset = np.array(shift)
            last = np.floor((span - offset) / found.pitch + 1e-9)
            boxes.append((offset - span / 2, last))
        object.__setattr__(self, "boxes", tuple(boxes))

    @property
    def dims(self) -> int:
        """Dimensions of one group."""
        return KINDS[self.kind].dims

    @property
    def points(self) -> int:
        """How many points there are."""
        return sum(int(np.prod(last + 1)) for _, last in self.boxes)

    @property
    def bits_per_dim(self) -> float:
        """log2 of that, for each dimension."""
        return math.log2(self.points) / self.dims

    @property
    def scale(self) -> float:
        """Half the span of the grid in its own units: latents within -1 to 1 are multiplied."""
        return KINDS[self.kind].pitch * (self.steps - 1) / 2 / self.stretch

    def quantize(self, latent: Array) -> Array:
        """The nearest point to each group, ``(n, dims)`` within -1 to 1 or not -> the same."""
        x = latent * self.scale
        pitch = KINDS[self.kind].pitch
        best, least = np.zeros_like(x), np.full(len(x), np.inf)
        for origin, last in self.boxes:
            step = np.clip(np.rint((x - origin) / pitch), 0.0, last)
            point = origin + step * pitch
            miss = np.square(point - x).sum(-1)
            nearer = miss < least
            best[nearer], least[nearer] = point[nearer], miss[nearer]
        return best / self.scale

    def all_points(self) -> Array:
        """Every point, ``(points, dims)``: for tests."""
        pitch = KINDS[self.kind].pitch
        found = []
        for origin, last in self.boxes:
            axes = [
                np.arange(count + 1) * pitch + first
                for first, count in zip(origin, last, strict=True)
            ]
            grid = np.meshgrid(*axes, indexing="ij")
            found.append(np.stack(grid, -1).reshape(-1, self.dims))
        return np.concatenate(found) / self.scale


def second_moment(kind: str, count: int = 200_000, seed: int = 0) -> float:
    """The normalised second moment of a cell, measured far from any edge."""
    lattice = BoxLattice(kind, 41)
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.5, 0.5, (count, lattice.dims))
    error = np.square((lattice.quantize(x) - x) * lattice.scale).mean()
    return float(error / KINDS[kind].cell ** (2 / lattice.dims))
