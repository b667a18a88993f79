"""Points of pairs as symbols of the range coder, and back.

What is sent is known as a whole and looked up in arrays, all frames at once. What comes is found
symbol by symbol, each in a table that the ones before it choose, so in Python numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import mul

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.entropy.coder import Decoder
from q2d2_stream.entropy.coordinates import Coordinates
from q2d2_stream.entropy.tables import HISTORY, SHIFT, Mode, cdf, slots
from q2d2_stream.packing import MAX_FRAMES

__all__ = ["PairCoder"]

_Rows = list[tuple[int, ...]]
_Pair = tuple[list[int], int, _Rows, list[int], int, list[_Rows], list[list[int]]]


def _pair(mode: Mode, coordinates: Coordinates, number: int) -> _Pair:
    """What a mode knows of a pair. Of x, then of y: weights of the coordinates before it in its
    frame, number of the last row of its tables, and these, of y one for every coset. Last, the
    indices, by x and the step of y. No class: each frame takes all of them apart."""
    x, y = 2 * number, 2 * number + 1
    first = number * (1 + coordinates.cosets)
    x_rows, *y_rows = (cdf(sizes) for sizes in mode.sizes[first : first + 1 + coordinates.cosets])
    return (
        mode.within[x, :x].tolist(),
        2 * coordinates.highest[x],
        x_rows,
        mode.within[y, :y].tolist(),
        2 * coordinates.highest[y],
        y_rows,
        coordinates.index[number],
    )


class PairCoder:
    """Coordinates of points, predicted as :mod:`q2d2_stream.entropy.tables` says."""

    def __init__(self, modes: Sequence[Mode], coordinates: Coordinates) -> None:
        self._coordinates = coordinates
        self._dims = dims = 2 * coordinates.pairs
        self._bias = np.stack([mode.bias for mode in modes]).astype(np.int64)
        # Of this frame's coordinates, then of those of the frames before it, the latest first; zero
        # for frames that a mode does not have.
        weights = np.zeros((len(modes), 1 + HISTORY, dims, dims), np.int64)
        for of_mode, mode in zip(weights, modes, strict=True):
            of_mode[0] = mode.within.T
            of_mode[1 : 1 + mode.before.shape[1]] = mode.before.transpose(1, 2, 0)
        self._weights = weights.reshape(len(modes), -1, dims)
        self._last_rows = 2 * np.array(coordinates.highest)
        self._pairs = [[_pair(mode, coordinates, n) for n in range(dims // 2)] for mode in modes]
        self._slots = np.concatenate([slots(mode.sizes) for mode in modes], axis=1)
        self._modes = np.minimum(np.arange(MAX_FRAMES), HISTORY)
        self._begins = np.arange(len(modes))[:, None] * (self._slots.shape[1] // len(modes))
        self._entries = self._find_entries([sizes.shape for sizes in modes[0].sizes])
        self._first_entry = 256 * np.arange(coordinates.pairs)

    def _find_entries(self, shapes: Sequence[tuple[int, ...]]) -> NDArray[np.int64]:
        """Of every point, for x and for y: the coordinate; where its symbol is among the slots of a
        mode, in the first row of its table; and the length of the rows. ``(256 * pairs, 3, 2)``,
        256 points to a pair."""
        cosets = self._coordinates.cosets
        begins = np.cumsum([0, *(rows * length for rows, length in shapes)]).tolist()
        entries = np.zeros((self._coordinates.pairs, 256, 3, 2), np.int64)
        for pair, columns in enumerate(self._coordinates.index):
            of_x = pair * (1 + cosets)
            for x, column in enumerate(columns):
                coset = x % cosets
                of_y = of_x + 1 + coset
                for y, index in enumerate(column):
                    entries[pair, index] = (
                        (x, cosets * y + coset),
                        (begins[of_x] + x, begins[of_y] + y),
                        (shapes[of_x][1], shapes[of_y][1]),
                    )
        return entries.reshape(-1, 3, 2)

    def slots(self, indices: NDArray[np.uint8]) -> NDArray[np.int64]:
        """First slots and numbers of slots of all symbols of valid indices ``(frames, pairs)``, in
        the order of the stream, ``(2, frames, 2 * pairs)``."""
        frames, pairs = indices.shape
        dims = 2 * pairs
        entries = self._entries.take(indices + self._first_entry[:pairs], axis=0)
        points, at, length = entries.transpose(2, 0, 1, 3).reshape(3, frames, dims)
        # All coordinates of a frame and of those before it, the latest first; 0 is not sent.
        known = np.zeros((frames, 1 + HISTORY, self._dims), np.int64)
        known[:, 0, :dims] = points
        for back in range(1, min(1 + HISTORY, frames)):
            known[back:, back, :dims] = points[:-back]
        modes = self._modes[:frames]
        said = np.matmul(known.reshape(frames, 1, -1), self._weights[modes])[:, 0]
        said += self._bias[modes]
        rows = said[:, :dims] >> SHIFT
        np.maximum(rows, 0, out=rows)
        np.minimum(rows, self._last_rows[:dims], out=rows)
        rows *= length
        rows += at
        rows += self._begins[modes]
        found: NDArray[np.int64] = self._slots.take(rows, axis=1)
        return found

    def take(
        self, decoder: Decoder, last: list[list[int]], dims: int
    ) -> tuple[list[int], list[int]]:
        """The next frame's indices and ``dims`` coordinates, after frames of those of ``last``, the
        latest of them first."""
        mode = len(last)
        sums = self._bias[mode]
        if last:
            weights = self._weights[mode].reshape(-1, self._dims, self._dims)[1 : 1 + mode, :dims]
            sums = sums + np.array(last).reshape(-1) @ weights.reshape(-1, self._dims)
        said: list[int] = sums[:dims].tolist()
        cosets, take = self._coordinates.cosets, decoder.take
        indices: list[int] = []
        point: list[int] = []
        for k, (x_weights, x_last, x_rows, y_weights, y_last, y_rows, index) in zip(
            range(0, dims, 2), self._pairs[mode], strict=False
        ):
            row = (said[k] + sum(map(mul, x_weights, point))) >> SHIFT
            x = take(x_rows[0 if row < 0 else x_last if row > x_last else row])
            point.append(x)
            coset = x % cosets
            row = (said[k + 1] + sum(map(mul, y_weights, point))) >> SHIFT
            y = take(y_rows[coset][0 if row < 0 else y_last if row > y_last else row])
            point.append(cosets * y + coset)
            indices.append(index[x][y])
        return indices, point
