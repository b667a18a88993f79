"""Indices to fewer bytes than their fixed size, and back."""

from __future__ import annotations

import math
from operator import mul

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy.coder import Decoder, encode
from q2d2_stream.entropy.coordinates import Coordinates
from q2d2_stream.entropy.tables import SHIFT, Mode, Tables
from q2d2_stream.errors import InputError
from q2d2_stream.packing import packed_bytes

__all__ = ["IndexCoder"]


class IndexCoder:
    """Codes runs of frames, each run on its own. Holds no state between calls.

    Args:
        config: whose indices are coded.
        tables: fitted to them.

    Raises InputError when the tables do not fit ``config``.
    """

    def __init__(self, config: CodecConfig, tables: Tables) -> None:
        tables.check(config)
        self._config = config
        self._tables = tables
        self._coordinates = Coordinates(config)
        self._codes = np.array(config.codes)
        self._first = _Predictor(tables.first, self._coordinates)
        self._following = _Predictor(tables.following, self._coordinates)

    @property
    def checksum(self) -> int:
        """Tells the tables from any others; 1 to 2**32 - 1."""
        return self._tables.checksum

    def typical_bytes(self, rate: int, frames: int) -> int:
        """Bytes that ``frames`` frames of speech take at ``rate`` on average, rounded up.

        Raises InputError for a rate or a number of frames out of range.
        """
        fixed = packed_bytes(self._config, rate, frames)
        first, following = (
            mode.frame_bits(rate) for mode in (self._tables.first, self._tables.following)
        )
        return min(fixed, math.ceil((first + following * max(0, frames - 1)) / 8))

    def encode(self, indices: NDArray[np.uint8]) -> bytes | None:
        """The coded bytes of indices ``(frames, pairs)``; the number of pairs says the rate.

        Returns:
            None where they would not be fewer than :func:`q2d2_stream.packing.pack` makes.

        Raises:
            InputError: as :func:`q2d2_stream.packing.pack`.
        """
        if indices.dtype != np.uint8 or indices.ndim != 2:
            raise InputError(
                f"the indices are {indices.dtype} of shape {indices.shape}, "
                "expected uint8 of shape (frames, pairs)"
            )
        frames, pairs = indices.shape
        fixed = packed_bytes(self._config, self._config.rate_of_pairs(pairs), frames)
        if (indices >= self._codes[:pairs]).any():
            raise InputError(f"an index is out of range, expected below {self._codes[:pairs]}")
        if not frames:
            return None
        points = self._coordinates.of(indices)
        starts, sizes = self._first.slots(np.zeros_like(points[:1]), points[:1])
        if frames > 1:
            more = self._following.slots(points[:-1], points[1:])
            starts, sizes = starts + more[0], sizes + more[1]
        data = encode(starts, sizes)
        return data if len(data) < fixed else None

    def decode(self, data: bytes, rate: int, frames: int) -> NDArray[np.uint8]:
        """The indices ``(frames, pairs)`` that :meth:`encode` made ``data`` of.

        Raises:
            InputError: no such rate, a number of frames out of range, as many bytes as the fixed
                size or more, or bytes that :meth:`encode` never makes.
        """
        fixed = packed_bytes(self._config, rate, frames)
        if len(data) >= fixed:
            raise InputError(
                f"{len(data)} coded bytes came for {frames} frames at rate {rate}, "
                f"expected fewer than the {fixed} of their fixed size"
            )
        pairs = self._config.rate_pairs(rate)
        decoder = Decoder(data)
        indices = np.empty((frames, pairs), np.uint8)
        point = [0] * (2 * pairs)
        predictor = self._first
        for row in indices:
            row[:], point = predictor.take(decoder, point)
            predictor = self._following
        decoder.finish()
        return indices


class _Predictor:
    """A mode, laid out for coding: whole runs as arrays, single symbols as Python numbers."""

    def __init__(self, mode: Mode, coordinates: Coordinates) -> None:
        self._coordinates = coordinates
        self._cosets = coordinates.cosets
        dims = 2 * coordinates.pairs
        self._mode = mode
        self._before = np.ascontiguousarray(mode.before.T.astype(np.int64))
        self._within: list[list[int]] = [mode.within[k, :k].tolist() for k in range(dims)]
        self._last_bin = np.array([2 * highest for highest in coordinates.highest])
        self._last_bins: list[int] = self._last_bin.tolist()
        # Edges of all alphabets' rows, one after the other, each row with its TOTAL at the end.
        edges = [_edges(sizes) for sizes in mode.sizes]
        self._edges = np.concatenate([e.reshape(-1) for e in edges])
        self._rows: list[list[tuple[int, ...]]] = [list(map(tuple, e.tolist())) for e in edges]
        sizes = np.array([e.size for e in edges]).cumsum()
        shape = (coordinates.pairs, 1 + self._cosets)
        self._offset = np.concatenate(([0], sizes[:-1])).reshape(shape)
        self._width = np.array([e.shape[1] for e in edges]).reshape(shape)

    def slots(
        self, last: NDArray[np.int64], points: NDArray[np.int64]
    ) -> tuple[list[int], list[int]]:
        """Starts and sizes of all coordinates of ``points``, frame by frame.

        Args:
            last: the frame before each of them, ``(frames, 2 * pairs)``.
            points: of the same shape.
        """
        dims = points.shape[1]
        bins = self._mode.bins(last, points).clip(0, self._last_bin[:dims])
        pair = np.arange(dims // 2)
        coset = points[:, 0::2] % self._cosets
        at = np.empty_like(points)  # of the symbol's first slot within the edges
        at[:, 0::2] = self._offset[pair, 0] + bins[:, 0::2] * self._width[pair, 0]
        at[:, 0::2] += points[:, 0::2]
        at[:, 1::2] = self._offset[pair, 1 + coset] + bins[:, 1::2] * self._width[pair, 1 + coset]
        at[:, 1::2] += points[:, 1::2] // self._cosets
        flat = at.reshape(-1)
        starts = self._edges[flat]
        return starts.tolist(), (self._edges[flat + 1] - starts).tolist()

    def take(self, decoder: Decoder, last: list[int]) -> tuple[list[int], list[int]]:
        """The next frame's indices and coordinates, after a frame of the coordinates ``last``."""
        dims = len(last)
        cosets, rows, weights, last_bin = self._cosets, self._rows, self._within, self._last_bins
        sums = np.array(last) @ self._before[:dims, :dims] + self._mode.bias[:dims]
        sum_of: list[int] = sums.tolist()
        indices: list[int] = []
        point: list[int] = []
        for pair in range(dims // 2):
            alphabet, k = pair * (1 + cosets), 2 * pair
            bin_x = (sum_of[k] + sum(map(mul, weights[k], point))) >> SHIFT
            x = decoder.take(rows[alphabet][min(max(bin_x, 0), last_bin[k])])
            point.append(x)
            coset = x % cosets
            bin_y = (sum_of[k + 1] + sum(map(mul, weights[k + 1], point))) >> SHIFT
            y = decoder.take(rows[alphabet + 1 + coset][min(max(bin_y, 0), last_bin[k + 1])])
            point.append(cosets * y + coset)
            indices.append(self._coordinates.index[pair][x][y])
        return indices, point


def _edges(sizes: NDArray[np.uint16]) -> NDArray[np.int64]:
    """First slots of every row's symbols, and TOTAL: ``(bins, symbols + 1)``."""
    edges = np.zeros((sizes.shape[0], sizes.shape[1] + 1), np.int64)
    np.cumsum(sizes, axis=1, out=edges[:, 1:])
    return edges
