"""Indices to fewer bytes than their fixed size, and back."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.arguments import require_bytes, require_indices
from q2d2_stream.config import REFINEMENT_SIZES, REFINEMENT_SYMBOLS, CodecConfig
from q2d2_stream.entropy.coder import TOTAL, Decoder, encode
from q2d2_stream.entropy.coordinates import Coordinates
from q2d2_stream.entropy.pairs import PairCoder
from q2d2_stream.entropy.tables import HISTORY, RefinementTables, Tables, cdf, slots
from q2d2_stream.errors import InputError
from q2d2_stream.packing import packed_bytes
from q2d2_stream.refinement import BANDS, STEPS, SYMBOLS

__all__ = ["IndexCoder"]

_SIZES = np.array(REFINEMENT_SIZES, np.uint8)


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
        self._pairs = PairCoder(tables.modes, self._coordinates)
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
        if np.count_nonzero(pairs >= codes):
            raise InputError(f"an index is out of range, expected below {codes}")
        if not frames or (rate.refined and refined.shape[1] != REFINEMENT_SYMBOLS):
            return None
        slots = self._pairs.slots(pairs)
        if self._refinement is not None and rate.refined:
            slots = np.concatenate([slots, self._refinement.slots(refined)], axis=2)
        starts, sizes = slots.reshape(2, -1).tolist()
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
        numbers = bytearray()
        last: list[list[int]] = []
        for _ in range(frames):
            row, point = self._pairs.take(decoder, last, 2 * pairs)
            last = [point, *last][:HISTORY]
            if self._refinement is not None and step.refined:
                row += self._refinement.take(decoder)
            numbers += bytes(row)
        decoder.finish()
        width = pairs + REFINEMENT_SYMBOLS * step.refined
        return np.frombuffer(numbers, np.uint8).reshape(frames, width)


class _RefinementCoder:
    """Steps and symbols, each from a table of its own."""

    def __init__(self, tables: RefinementTables) -> None:
        self._steps = cdf(tables.steps)[0]
        rows = cdf(tables.sizes)
        self._symbols = [rows[at : at + BANDS] for at in range(0, len(rows), BANDS)]
        self.step_bits = np.log2(TOTAL / tables.steps[0])
        self.symbol_bits = np.log2(TOTAL / tables.sizes).reshape(len(STEPS), BANDS, SYMBOLS)
        self._slots = slots([tables.steps, tables.sizes])
        self._begins = np.array([0, *range(len(STEPS), len(STEPS) + BANDS * SYMBOLS, SYMBOLS)])

    def slots(self, numbers: NDArray[np.uint8]) -> NDArray[np.int64]:
        """First slots and numbers of slots of steps and symbols ``(frames, 41)``,
        ``(2, frames, 41)``; raises InputError out of range."""
        if np.count_nonzero(numbers >= _SIZES):
            raise InputError(
                f"refinement of steps up to {numbers[:, 0].max()} and symbols up to "
                f"{numbers[:, 1:].max()} came, expected below {len(STEPS)} and {SYMBOLS}"
            )
        at = numbers + self._begins
        at[:, 1:] += at[:, :1] * (BANDS * SYMBOLS)
        found: NDArray[np.int64] = self._slots.take(at, axis=1)
        return found

    def take(self, decoder: Decoder) -> list[int]:
        """The next step and its symbols."""
        step = decoder.take(self._steps)
        return [step, *map(decoder.take, self._symbols[step])]
