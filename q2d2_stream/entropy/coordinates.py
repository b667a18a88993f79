"""The points of a lattice as pairs of integers: what is predicted and coded instead of indices.

A lattice of K cosets (:class:`q2d2_stream.lattice.Cosets`) has them offset by half a pitch on both
axes, so K times the step number plus the number of the coset counts the points along an axis:

    rhombic (K = 2), x and y in half steps     hexagonal (K = 2): x in half steps, y in rows

    y 2  o   o   o                             y 2  o   o   o
      1    o   o                                 1    o   o   o
      0  o   o   o                               0  o   o   o
      x  0 1 2 3 4                               x  0 1 2 3 4 5

The x of a point tells its coset, x mod K, and with it which y are left.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.lattice import Lattice

__all__ = ["Coordinates"]


class Coordinates:
    """Integer coordinates of the points of all pairs that ``config`` can send.

    Coordinates 2i and 2i + 1 are x and y of pair i. With K cosets, P pairs and D = 2 * P
    coordinates:

    Attributes:
        cosets: K, 1 or 2.
        pairs: P.
        highest: the highest value of every coordinate, from 0, D of them.
        symbols: sizes of the alphabets that a point is told in, ``(P, 1 + K)``: the values of x,
            then the steps of y in every coset.
        index: ``index[pair][x][step of y]``, the point's index.
    """

    def __init__(self, config: CodecConfig) -> None:
        """Raises InputError where the configuration's levels make no lattice."""
        lattice = Lattice(config.lattice, config.levels[: 2 * config.rates[-1]])
        origin, _, last, stride, base = lattice.cosets
        self.cosets = len(origin)
        self.pairs = lattice.pairs
        counts = last.astype(int) + 1  # (K, D)
        xs = counts[:, 0::2].sum(axis=0)
        self.symbols = [
            (int(xs[pair]), *map(int, counts[:, 2 * pair + 1])) for pair in range(self.pairs)
        ]
        lasts = (self.cosets * last + np.arange(self.cosets)[:, None]).max(axis=0)
        self.highest = tuple(map(int, lasts))
        self.index: list[list[list[int]]] = []
        self._table = np.zeros((self.pairs, 256, 2), np.int64)
        for pair in range(self.pairs):
            rows = []
            for x in range(int(xs[pair])):
                coset, step = x % self.cosets, x // self.cosets
                first = base[coset, pair] + step * stride[coset, 2 * pair]
                steps = range(int(counts[coset, 2 * pair + 1]))
                rows.append([int(first + y * stride[coset, 2 * pair + 1]) for y in steps])
                for y, index in enumerate(rows[-1]):
                    self._table[pair, index] = x, self.cosets * y + coset
            self.index.append(rows)

    def of(self, indices: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The coordinates ``(frames, 2 * pairs)`` of valid indices ``(frames, pairs)``."""
        frames, pairs = indices.shape
        return self._table[np.arange(pairs), indices].reshape(frames, 2 * pairs)
