"""Two-dimensional grids: quantize a pair of latents to the nearest point, and back from its index.

Grid units are Euclidean and centred on zero; neighbouring points of a row are 1 apart.

    rectangular      rhombic            hexagonal
    o   o   o        o   o   o           o   o   o    row 2, shifted by -1/4
                       x   x               o   o   o  row 1, shifted by +1/4, sqrt(3)/2 above
    o   o   o        o   o   o           o   o   o    row 0, shifted by -1/4
                       x   x
    o   o   o        o   o   o          rows 0, 2, ... and rows 1, 3, ... are one coset each

Every grid is one or two axis-parallel boxes of points (cosets). In a box the nearest point is a
rounding and a clamp per axis, and that is exact outside the box too, so the nearest point of the
grid is the nearer of two candidates: no table is searched.

The published Q2D2 code calls a brick pattern of equal pitches hexagonal; here the rows are
sqrt(3)/2 apart, so that all six neighbours of a point are at distance 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError

__all__ = ["HEXAGONAL_PITCH", "KINDS", "Cosets", "Lattice"]

KINDS = ("rhombic", "hexagonal", "rectangular")
HEXAGONAL_PITCH = math.sqrt(3.0) / 2.0
_MAX_CODES = 256  # an index is a uint8


class Cosets(NamedTuple):
    """The boxes of points that make up the grids of all pairs, float64, read-only.

    With K cosets (1 for rectangular, else 2), D latent dimensions and P = D / 2 pairs:

    Attributes:
        origin: lowest coordinate of a box in grid units, shape ``(K, D)``.
        pitch: distance of its neighbouring points in grid units, shape ``(K, D)``.
        last: its highest step number (number of points on the axis less one), shape ``(K, D)``.
        stride: how far one step along an axis moves the index, shape ``(K, D)``.
        base: the index of the lowest point of the box, shape ``(K, P)``.

    The point at steps ``s`` is ``origin + s * pitch``, its index ``base + sum(s * stride)``.
    """

    origin: NDArray[np.float64]
    pitch: NDArray[np.float64]
    last: NDArray[np.float64]
    stride: NDArray[np.float64]
    base: NDArray[np.float64]


class _Box(NamedTuple):
    """One coset of one pair: (x, y) of every entry, and the index of its lowest point."""

    origin: tuple[float, float]
    pitch: tuple[float, float]
    points: tuple[int, int]
    stride: tuple[int, int]
    base: int


def _boxes(kind: str, lx: int, ly: int) -> list[_Box]:
    x0, y0 = -(lx - 1) / 2, -(ly - 1) / 2
    if kind == "hexagonal":
        row = HEXAGONAL_PITCH
        rows = ((ly + 1) // 2, ly // 2)
        return [
            _Box((x0 - 0.25, y0 * row), (1.0, 2 * row), (lx, rows[0]), (1, 2 * lx), 0),
            _Box((x0 + 0.25, (y0 + 1) * row), (1.0, 2 * row), (lx, rows[1]), (1, 2 * lx), lx),
        ]
    boxes = [_Box((x0, y0), (1.0, 1.0), (lx, ly), (1, lx), 0)]
    if kind == "rhombic":
        centres = (lx - 1, ly - 1)
        boxes.append(_Box((x0 + 0.5, y0 + 0.5), (1.0, 1.0), centres, (1, lx - 1), lx * ly))
    return boxes


def _check(kind: str, levels: Sequence[int]) -> None:
    if kind not in KINDS:
        raise InputError(f"the lattice is {kind!r}, expected one of {', '.join(KINDS)}")
    if not levels or len(levels) % 2:
        raise InputError(
            f"{len(levels)} levels make no grid, expected an even number: two to each pair"
        )
    for level in levels:
        if level < 2:
            raise InputError(f"{level} levels make no grid, expected at least 2 in every dimension")
        if kind == "rhombic" and level % 2 == 0:
            raise InputError(f"{level} levels make no rhombic grid, expected an odd number")
    for lx, ly in zip(levels[::2], levels[1::2], strict=True):
        codes = sum(math.prod(box.points) for box in _boxes(kind, lx, ly))
        if codes > _MAX_CODES:
            raise InputError(
                f"levels {lx} and {ly} make {codes} {kind} points, expected at most {_MAX_CODES}: "
                "an index is one byte"
            )


def _frozen(array: NDArray[np.float64]) -> NDArray[np.float64]:
    array.setflags(write=False)
    return array


class Lattice:
    """The grids of one or several pairs of latent dimensions; dimensions 2i and 2i+1 are pair i.

    Methods take a prefix of the pairs as well: with 12 pairs, arrays of 2 to 24 dimensions.

    Attributes:
        kind: "rhombic", "hexagonal" or "rectangular".
        levels: grid levels of every dimension, D of them; for a hexagonal pair, points in a row
            and number of rows.
        pairs: number of pairs, P = D / 2.
        codes: number of points of every pair's grid, P of them.
        scale: float64 ``(D,)``: ``scale * tanh(x)`` spans the grid exactly, in grid units.
            (L - 1) / 2, except for hexagonal grids, whose rows are shifted by 1/4 and are closer
            than 1: (Lx - 1) / 2 + 1/4 and (Ly - 1) / 2 * sqrt(3) / 2.
        norm: float64 ``(D,)``: grid units divided by this are within -1 to 1. L // 2 (reaching 1
            exactly for odd L), except for hexagonal grids, where it equals ``scale``.
        cosets: the boxes of points that the nearest point is computed from.
    """

    def __init__(self, kind: str, levels: Sequence[int]) -> None:
        """Build the grids; raises InputError where ``kind`` and ``levels`` make none."""
        _check(kind, levels)
        self.kind = kind
        self.levels = tuple(levels)
        self.pairs = len(levels) // 2
        boxes = [_boxes(kind, lx, ly) for lx, ly in zip(levels[::2], levels[1::2], strict=True)]
        self.codes = tuple(sum(math.prod(b.points) for b in pair) for pair in boxes)

        self._boxes = boxes
        by_coset = list(zip(*boxes, strict=True))
        self.cosets = Cosets(
            origin=_frozen(np.array([[v for b in c for v in b.origin] for c in by_coset])),
            pitch=_frozen(np.array([[v for b in c for v in b.pitch] for c in by_coset])),
            last=_frozen(np.array([[v - 1.0 for b in c for v in b.points] for c in by_coset])),
            stride=_frozen(np.array([[float(v) for b in c for v in b.stride] for c in by_coset])),
            base=_frozen(np.array([[float(b.base) for b in c] for c in by_coset])),
        )
        level = np.asarray(levels, dtype=np.float64)
        if kind == "hexagonal":
            scale = (level - 1) / 2
            scale[0::2] += 0.25
            scale[1::2] *= HEXAGONAL_PITCH
            self.scale = _frozen(scale)
            self.norm = self.scale
        else:
            self.scale = _frozen((level - 1) / 2)
            self.norm = _frozen(level // 2)

        # A shape of (K, 1, D) lets the K candidates of a whole (N, D) batch be computed at once.
        self._origin = self.cosets.origin[:, None]
        self._pitch = self.cosets.pitch[:, None]
        self._per_pitch = 1.0 / self._pitch
        self._last = self.cosets.last[:, None]
        self._stride = self.cosets.stride[:, None]
        self._base = self.cosets.base[:, None]
        self._table, self._normalised = self._tables()
        self._row = np.cumsum((0, *self.codes[:-1]))
        self._sizes = np.array(self.codes)

    @classmethod
    def of(cls, config: CodecConfig) -> Lattice:
        """The grids of all pairs of ``config``; raises InputError where its levels make none."""
        return cls(config.lattice, config.levels)

    def nearest(self, latent: ArrayLike) -> NDArray[np.uint8]:
        """Index of the grid point nearest to each pair of latents.

        Computed in float64. Half-way between two points of a box the even step number wins,
        half-way between the boxes the first box (for rhombic grids: the corner).

        Args:
            latent: finite numbers in grid units, inside the grid or not, shape ``(..., 2 * p)``
                with p from 1 to P.

        Returns:
            Indices, shape ``(..., p)``.

        Raises:
            InputError: the last axis is not a number of pairs, or a latent is not finite.
        """
        x = np.asarray(latent, dtype=np.float64)
        dims = x.shape[-1] if x.ndim else 0
        if dims % 2 or not 0 < dims <= 2 * self.pairs:
            raise InputError(
                f"the latent has shape {x.shape}, expected a last axis of 2, 4, ... or "
                f"{2 * self.pairs}"
            )
        flat = x.reshape(-1, dims)
        step = np.rint((flat - self._origin[..., :dims]) * self._per_pitch[..., :dims])
        np.minimum(step, self._last[..., :dims], out=step)
        np.maximum(step, 0.0, out=step)
        miss = step * self._pitch[..., :dims]
        miss += self._origin[..., :dims]
        miss -= flat
        miss *= miss
        distance = miss[..., 0::2] + miss[..., 1::2]
        if not np.isfinite(distance).all():
            raise InputError("the latent holds NaN, infinite or huge numbers, expected finite ones")
        step *= self._stride[..., :dims]
        index = step[..., 0::2] + step[..., 1::2]
        index += self._base[..., : dims // 2]
        best = (
            index[0] if len(index) == 1 else np.where(distance[1] < distance[0], index[1], index[0])
        )
        quantized: NDArray[np.uint8] = best.astype(np.uint8)
        return quantized.reshape(*x.shape[:-1], dims // 2)

    def quantize(
        self, latent: NDArray[np.float32]
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """:meth:`nearest` and :meth:`point` of one frame, number by number: of so few, that takes
        half as long as twenty array operations.

        Args:
            latent: of all pairs, ``(D,)``, grid units, finite; not checked.

        Returns:
            Indices ``(P,)`` and their points ``(D,)``.
        """
        values = latent.tolist()
        found = bytearray()
        for pair, boxes in enumerate(self._boxes):
            x, y = values[2 * pair], values[2 * pair + 1]
            least = math.inf
            for (x0, y0), (pitch_x, pitch_y), (columns, rows), (stride_x, stride_y), base in boxes:
                column = round((x - x0) * (1.0 / pitch_x))
                column = 0 if column < 0 else columns - 1 if column >= columns else column
                row = round((y - y0) * (1.0 / pitch_y))
                row = 0 if row < 0 else rows - 1 if row >= rows else row
                miss_x, miss_y = column * pitch_x + x0 - x, row * pitch_y + y0 - y
                distance = miss_x * miss_x + miss_y * miss_y
                if distance < least:
                    least, index = distance, base + column * stride_x + row * stride_y
            found.append(index)
        indices = np.frombuffer(found, np.uint8)
        points: NDArray[np.float32] = self._table.take(indices + self._row, axis=0)
        return indices, points.reshape(-1)

    def point(self, index: ArrayLike) -> NDArray[np.float32]:
        """Grid points in grid units, float32 ``(..., 2 * p)``, for indices ``(..., p)``.

        Raises:
            InputError: not integers, not 1 to P pairs, or an index beyond its grid.
        """
        return self._look_up(self._table, index)

    def normalised(self, index: ArrayLike) -> NDArray[np.float32]:
        """Grid points divided by ``norm``: as :meth:`point`, within -1 to 1."""
        return self._look_up(self._normalised, index)

    def normalised_of_known(self, indices: NDArray[np.uint8]) -> NDArray[np.float32]:
        """:meth:`normalised` of indices ``(n, p)`` that are known to be valid; not checked."""
        rows = indices + self._row[: indices.shape[1]]
        points: NDArray[np.float32] = self._normalised.take(rows, axis=0)
        return points.reshape(len(indices), 2 * indices.shape[1])

    def _look_up(self, table: NDArray[np.float32], index: ArrayLike) -> NDArray[np.float32]:
        i = np.asarray(index)
        pairs = i.shape[-1] if i.ndim else 0
        if i.dtype.kind not in "ui" or not 0 < pairs <= self.pairs:
            raise InputError(
                f"the indices are {i.dtype} of shape {i.shape}, expected integers with a last axis "
                f"of 1 to {self.pairs} pairs"
            )
        negative = i.dtype.kind == "i" and bool((i < 0).any())
        if negative or np.count_nonzero(i >= self._sizes[:pairs]):
            raise InputError(f"an index is out of range, expected 0 to below {self.codes[:pairs]}")
        points: NDArray[np.float32] = table.take(i + self._row[:pairs], axis=0)
        return points.reshape(*i.shape[:-1], 2 * pairs)

    def _tables(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points of all pairs one after the other, in grid units and normalised.

        Both are of shape ``(sum(codes), 2)``.

        Indices start from 0 with x running fastest, one box after the other or, in a hexagonal
        grid, one row after the other.
        """
        origin, pitch, last, stride, base = self.cosets
        points, normalised = [], []
        for pair, codes in enumerate(self.codes):
            axes = slice(2 * pair, 2 * pair + 2)
            table = np.empty((codes, 2))
            for k in range(len(origin)):
                count = last[k, axes].astype(np.intp) + 1
                steps = np.stack(np.meshgrid(*map(np.arange, count), indexing="ij"), axis=-1)
                index = (steps * stride[k, axes]).sum(axis=-1) + base[k, pair]
                table[index.astype(np.intp)] = origin[k, axes] + steps * pitch[k, axes]
            points.append(table)
            normalised.append(table / self.norm[axes])
        return (
            np.concatenate(points).astype(np.float32),
            np.concatenate(normalised).astype(np.float32),
        )
