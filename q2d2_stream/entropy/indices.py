"""Indices to fewer bytes than their fixed size, and back."""

from __future__ import annotations

import math
from operator import mul

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.arguments import require_bytes, require_indices
from q2d2_stream.config import REFINEMENT_SYMBOLS, CodecConfig
from q2d2_stream.entropy.coder import TOTAL, Decoder, encode
from q2d2_stream.entropy.coordinates import Coordinates
from q2d2_stream.entropy.tables import HISTORY, SHIFT, Mode, RefinementTables, Tables
from q2d2_stream.errors import InputError
from q2d2_stream.packing import packed_bytes
from q2d2_stream.refinement import BANDS, STEPS, SYMBOLS

__all__ = ["IndexCoder"]


class IndexCoder:
    """Codes runs of frames, each run on its own. Holds no state between calls.

    Args:
        config: whose indices are coded.
        tables: fitted to them.

    Attributes:
        tables: these.

    Raises InputError when the tables do not fit ``config``.
    """

    def __init__(self, config: CodecConfig, tables: Tables) -> None:
        tables.check(config)
        self._config = config
        self.tables = tables
        self._coordinates = Coordinates(config)
        self._codes = np.array(config.codebook_sizes)
        self._predictors = [_Predictor(mode, self._coordinates) for mode in tables.modes]
        self._refinement = _RefinementCoder(tables.refinement) if tables.refinement else None

    @property
    def checksum(self) -> int:
        """Tells the tables from any others; 1 to 2**32 - 1."""
        return self.tables.checksum

    def typical_bytes(self, rate: int, frames: int) -> int:
        """Bytes that ``frames`` frames of speech take at ``rate`` on average, rounded up.

        Raises InputError for a rate or a number of frames out of range.
        """
        packed_bytes(self._config, rate, frames)  # is there such a rate?
        most = self._config.ladder[rate].most_bytes(frames)
        return min(most, math.ceil(self.typical_bits(rate, frames) / 8))

    def typical_bits(self, rate: int, frames: int) -> float:
        """As :meth:`typical_bytes`, in bits and not rounded."""
        *first, following = (mode.frame_bits(rate) for mode in self.tables.modes)
        return sum(first[:frames]) + following * max(0, frames - len(first))

    def refinement_bits(self, symbols: NDArray[np.uint8], step: int) -> float:
        """What the symbols ``(40,)`` of a frame take with step number ``step``, that number
        included. Of a model with refinement."""
        assert self._refinement is not None
        return self._refinement.bits(symbols, step)

    def symbol_bits(self, step: int) -> NDArray[np.float64]:
        """What each symbol of each component takes with step number ``step``, ``(40, 61)``. Of a
        model with refinement."""
        assert self._refinement is not None
        bits: NDArray[np.float64] = self._refinement.symbol_bits[step]
        return bits

    def step_bits(self, step: int) -> float:
        """What the number of step number ``step`` takes. Of a model with refinement."""
        assert self._refinement is not None
        return float(self._refinement.step_bits[step])

    def encode(self, indices: NDArray[np.uint8]) -> bytes | None:
        """The coded bytes of indices ``(frames, pairs)``; the number of pairs says the rate.

        Returns:
            None where they would not be fewer than :func:`q2d2_stream.packing.pack` makes, or with
            refinement than :meth:`q2d2_stream.config.Rate.most_bytes`. The fixed form of
            refinement is not coded.

        Raises:
            InputError: as :func:`q2d2_stream.packing.pack`.
        """
        require_indices(indices)
        frames, width = indices.shape
        rate = self._config.width_to_rate(width)
        packed_bytes(self._config, rate.index, frames)  # are these not too many frames?
        limit = rate.most_bytes(frames)
        pairs, refined = indices[:, : rate.pairs], indices[:, rate.pairs :]
        codes = self._codes[: rate.pairs]
        if (pairs >= codes).any():
            raise InputError(f"an index is out of range, expected below {codes}")
        if not frames or (rate.refined and refined.shape[1] != REFINEMENT_SYMBOLS):
            return None
        points = self._coordinates.of(pairs).tolist()
        symbols: list[tuple[int, int]] = []
        last: list[list[int]] = []
        for point, numbers in zip(points, refined.tolist(), strict=True):
            self._predictors[len(last)].put(symbols, last, point)
            last = [point, *last][:HISTORY]
            if self._refinement is not None and numbers:
                self._refinement.put(symbols, numbers)
        starts, sizes = zip(*symbols, strict=True)
        data = encode(starts, sizes)
        return data if len(data) < limit else None

    def decode(self, data: bytes, rate: int, frames: int) -> NDArray[np.uint8]:
        """The indices ``(frames, pairs)`` that :meth:`encode` made ``data`` of.

        Raises:
            InputError: no such rate, a number of frames out of range, as many bytes as the fixed
                size or more, or bytes that :meth:`encode` never makes.
        """
        require_bytes(data, "data")
        packed_bytes(self._config, rate, frames)  # is there such a rate?
        step = self._config.ladder[rate]
        limit, pairs = step.most_bytes(frames), step.pairs
        if len(data) >= limit:
            raise InputError(
                f"{len(data)} coded bytes came for {frames} frames at rate {rate}, "
                f"expected fewer than the {limit} that they take at most"
            )
        decoder = Decoder(data)
        indices = np.empty((frames, pairs + REFINEMENT_SYMBOLS * step.refined), np.uint8)
        last: list[list[int]] = []
        for row in indices:
            row[:pairs], point = self._predictors[len(last)].take(decoder, last, 2 * pairs)
            last = [point, *last][:HISTORY]
            if self._refinement is not None and step.refined:
                row[pairs:] = self._refinement.take(decoder)
        decoder.finish()
        return indices


class _Predictor:
    """A mode as Python numbers: runs are short, and half of the way is symbol by symbol anyway."""

    def __init__(self, mode: Mode, coordinates: Coordinates) -> None:
        self._coordinates = coordinates
        self._before = np.ascontiguousarray(mode.before.transpose(1, 2, 0).astype(np.int64))
        self._bias = mode.bias.astype(np.int64)
        dims = len(mode.bias)
        self._within: list[list[int]] = [mode.within[k, :k].tolist() for k in range(dims)]
        self._last_bin = [2 * highest for highest in coordinates.highest]
        self._tables: list[list[tuple[int, ...]]] = [_cdf(sizes) for sizes in mode.sizes]

    def put(self, symbols: list[tuple[int, int]], last: list[list[int]], point: list[int]) -> None:
        """Append first slot and slots of all coordinates of ``point``, which follows ``last``, the
        latest of them first."""
        cosets, sums = self._coordinates.cosets, self._sums(last, len(point))
        for k in range(0, len(point), 2):
            x, y = point[k], point[k + 1]
            alphabet = k // 2 * (1 + cosets)
            cdf = self._cdf(alphabet, k, sums, point)
            symbols.append((cdf[x], cdf[x + 1] - cdf[x]))
            cdf = self._cdf(alphabet + 1 + x % cosets, k + 1, sums, point)
            start = cdf[y // cosets]
            symbols.append((start, cdf[y // cosets + 1] - start))

    def take(
        self, decoder: Decoder, last: list[list[int]], dims: int
    ) -> tuple[list[int], list[int]]:
        """The next frame's indices and ``dims`` coordinates, after frames of those of ``last``."""
        cosets, sums = self._coordinates.cosets, self._sums(last, dims)
        indices: list[int] = []
        point: list[int] = []
        for k in range(0, dims, 2):
            alphabet = k // 2 * (1 + cosets)
            x = decoder.take(self._cdf(alphabet, k, sums, point))
            point.append(x)
            coset = x % cosets
            y = decoder.take(self._cdf(alphabet + 1 + coset, k + 1, sums, point))
            point.append(cosets * y + coset)
            indices.append(self._coordinates.index[k // 2][x][y])
        return indices, point

    def _sums(self, last: list[list[int]], dims: int) -> list[int]:
        """What the frames before say of every coordinate."""
        sums = self._bias[:dims].copy()
        for point, weights in zip(last, self._before, strict=True):
            sums += np.array(point) @ weights[:dims, :dims]
        said: list[int] = sums.tolist()
        return said

    def _cdf(self, alphabet: int, k: int, sums: list[int], point: list[int]) -> tuple[int, ...]:
        """The row of coordinate ``k``; of ``point`` only the coordinates before it are used."""
        bin_: int = (sums[k] + sum(map(mul, self._within[k], point))) >> SHIFT
        row = min(max(bin_, 0), self._last_bin[k])
        return self._tables[alphabet][row]


class _RefinementCoder:
    """Steps and symbols, each from a table of its own."""

    def __init__(self, tables: RefinementTables) -> None:
        self._steps = _cdf(tables.steps)[0]
        rows = _cdf(tables.sizes)
        self._symbols = [rows[at : at + BANDS] for at in range(0, len(rows), BANDS)]
        self.step_bits = np.log2(TOTAL / tables.steps[0])
        self.symbol_bits = np.log2(TOTAL / tables.sizes).reshape(len(STEPS), BANDS, SYMBOLS)

    def bits(self, symbols: NDArray[np.uint8], step: int) -> float:
        """Of a frame."""
        of_symbols = self.symbol_bits[step, np.arange(BANDS), symbols].sum()
        return float(self.step_bits[step] + of_symbols)

    def put(self, symbols: list[tuple[int, int]], numbers: list[int]) -> None:
        """Append first slot and slots of a step and 40 symbols; raises InputError out of range."""
        step, *components = numbers
        if step >= len(STEPS) or max(components) >= SYMBOLS:
            raise InputError(
                f"refinement of step {step} and symbols up to {max(components)} came, expected "
                f"below {len(STEPS)} and {SYMBOLS}"
            )
        for cdf, symbol in zip(
            [self._steps, *self._symbols[step]], [step, *components], strict=True
        ):
            symbols.append((cdf[symbol], cdf[symbol + 1] - cdf[symbol]))

    def take(self, decoder: Decoder) -> list[int]:
        """The next step and its symbols."""
        step = decoder.take(self._steps)
        return [step, *(decoder.take(cdf) for cdf in self._symbols[step])]


def _cdf(sizes: NDArray[np.uint16]) -> list[tuple[int, ...]]:
    """First slots of every row's symbols, and TOTAL."""
    cdf = np.zeros((sizes.shape[0], sizes.shape[1] + 1), np.int64)
    np.cumsum(sizes, axis=1, out=cdf[:, 1:])
    return [tuple(row) for row in cdf.tolist()]
