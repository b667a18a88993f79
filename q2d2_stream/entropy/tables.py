"""What is known of a model's indices before they come: a prediction, and tables around it.

Every coordinate of a frame is predicted from those of the two frames before and from the earlier
ones of its own frame, in integers, so that all machines agree. The prediction chooses the table:

    bin = (bias + before . last frames + within . this frame) >> SHIFT, cut to 0 .. 2 * highest

A *mode* is one set of all this. The first two frames of a message or block, which have no frame or
one before them, have modes of their own.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy.coder import TOTAL
from q2d2_stream.entropy.coordinates import Coordinates
from q2d2_stream.errors import InputError, ModelError
from q2d2_stream.refinement import BANDS, STEPS, SYMBOLS

__all__ = ["HISTORY", "SHIFT", "Mode", "RefinementTables", "Tables", "cdf", "slots"]

HISTORY = 2
"""How many frames back a prediction looks, where its message or block has so many."""

SHIFT = 12
"""Fixed-point places of the weights: a prediction counts half coordinates."""

_MAGIC = b"Q2D2TABS"
_VERSION = 2
_HEADER = struct.Struct("<8sB8s")  # magic, version, model hash
_CRC = struct.Struct("<I")
_BITS_UNIT = 0.01


@dataclass(frozen=True, eq=False)
class Mode:
    """Prediction and tables of frames with H frames before them; D coordinates, rates R.

    Attributes:
        before: weights of those frames' coordinates, int16 ``(D, H, D)``, target first, then how
            far back.
        within: weights of this frame's, int16 ``(D, D)``, zero on and above the diagonal.
        bias: int32 ``(D,)``, within 2**30.
        sizes: slots of every symbol, one uint16 array ``(bins, symbols)`` to every alphabet of
            :attr:`Coordinates.symbols`, pair by pair; every row sums to TOTAL, none is 0.
        bits: mean bits of a frame at every rate, uint16 ``(R,)`` in hundredths.
    """

    before: NDArray[np.int16]
    within: NDArray[np.int16]
    bias: NDArray[np.int32]
    sizes: tuple[NDArray[np.uint16], ...]
    bits: NDArray[np.uint16]

    def arrays(self) -> Iterator[NDArray[np.generic]]:
        """All arrays, in the order of the file."""
        yield self.before
        yield self.within
        yield self.bias
        yield self.bits
        yield from self.sizes

    def bins(self, last: NDArray[np.int64], points: NDArray[np.int64]) -> NDArray[np.int64]:
        """Predictions in half coordinates, not cut yet: the table of every coordinate.

        Args:
            last: coordinates of the frames before each of ``points``, the last one first,
                ``(frames, H, dims)``.
            points: ``(frames, dims)``; ``dims`` may be fewer than D.
        """
        dims = points.shape[1]
        before = self.before[:dims, :, :dims].astype(np.int64)
        sums = np.tensordot(last, before, axes=((1, 2), (1, 2)))
        sums += points @ self.within[:dims, :dims].T.astype(np.int64)
        sums += self.bias[:dims]
        return sums >> SHIFT

    def frame_bits(self, rate: int) -> float:
        """Mean bits of a frame at ``rate``."""
        return float(self.bits[rate]) * _BITS_UNIT


@dataclass(frozen=True, eq=False)
class RefinementTables:
    """Slots of the refinement's numbers, uint16; every row sums to TOTAL, none is 0. A window knows
    of no other, and its components hardly of each other: what is around one tells 2 % of it.

    Attributes:
        steps: of the number of the step, ``(1, 4)``.
        sizes: of the symbols of every component at every step, ``(4 * 40, 61)``.
    """

    steps: NDArray[np.uint16]
    sizes: NDArray[np.uint16]

    def arrays(self) -> Iterator[NDArray[np.generic]]:
        """All arrays, in the order of the file."""
        yield self.steps
        yield self.sizes


@dataclass(frozen=True, eq=False)
class Tables:
    """The modes of one model.

    Attributes:
        model_hash: 8 bytes, of the weights that make such indices.
        modes: for a frame with 0, 1 and at least HISTORY frames before it.
        refinement: of a model with refinement, else None.
    """

    model_hash: bytes
    modes: tuple[Mode, ...]
    refinement: RefinementTables | None = None

    @cached_property
    def checksum(self) -> int:
        """CRC-32 of the content, never 0: two sides with the same have the same tables."""
        return zlib.crc32(self._content(), zlib.crc32(self._header())) or 1

    def to_bytes(self) -> bytes:
        """The bytes of a tables file."""
        return self._header() + _CRC.pack(self.checksum) + zlib.compress(self._content(), 9)

    @classmethod
    def from_bytes(cls, data: bytes, config: CodecConfig) -> Tables:
        """Inverse of :meth:`to_bytes`, for the indices of ``config``.

        Raises:
            ModelError: not a tables file, damaged, of another version or another lattice.
        """
        start = _HEADER.size + _CRC.size
        if len(data) < start or data[: len(_MAGIC)] != _MAGIC:
            raise ModelError("this is not a file of entropy tables: its magic bytes are missing")
        _, version, model_hash = _HEADER.unpack_from(data)
        if version != _VERSION:
            raise ModelError(
                f"the entropy tables are of version {version}, this package reads {_VERSION}"
            )
        shapes = [shape for history in range(HISTORY + 1) for shape in _shapes(config, history)]
        shapes += _refinement_shapes(config)
        wanted = sum(kind.itemsize * int(np.prod(shape)) for kind, shape in shapes)
        stream = zlib.decompressobj()
        try:
            content = stream.decompress(data[start:], wanted + 1)
        except zlib.error as error:
            raise ModelError(f"the entropy tables are damaged: {error}") from error
        if len(content) != wanted or not stream.eof or stream.unused_data:
            raise ModelError(
                f"the entropy tables hold {len(content)} bytes, expected {wanted}: "
                "they are damaged, or of another lattice"
            )
        arrays = []
        at = 0
        for kind, shape in shapes:
            array = np.frombuffer(content, kind, int(np.prod(shape)), at).reshape(shape)
            at += array.nbytes
            arrays.append(array)
        refinement = None
        if config.refined:
            *arrays, steps, symbols = arrays
            refinement = RefinementTables(steps, symbols)
        count = len(arrays) // (HISTORY + 1)  # of a mode
        modes = []
        for start in range(0, len(arrays), count):
            before, within, bias, bits, *sizes = arrays[start : start + count]
            modes.append(Mode(before, within, bias, tuple(sizes), bits))
        tables = cls(model_hash, tuple(modes), refinement)
        if _CRC.unpack_from(data, _HEADER.size)[0] != tables.checksum:
            raise ModelError("the entropy tables are damaged: their checksum is wrong")
        try:
            tables.check(config)
        except InputError as error:
            raise ModelError(f"the entropy tables make no sense: {error}") from error
        return tables

    def check(self, config: CodecConfig) -> None:
        """Raise InputError unless these tables can code every index of ``config``."""
        if len(self.model_hash) != 8:
            raise InputError(f"the model hash has {len(self.model_hash)} bytes, expected 8")
        if len(self.modes) != HISTORY + 1:
            raise InputError(f"there are tables of {len(self.modes)} modes, expected {HISTORY + 1}")
        for history, mode in enumerate(self.modes):
            found = [(array.dtype, array.shape) for array in mode.arrays()]
            if found != list(_shapes(config, history)):
                raise InputError("the entropy tables do not have the shapes of this lattice")
            if abs(mode.bias.astype(np.int64)).max() > 1 << 30:
                raise InputError("a bias of the entropy tables is beyond 2**30")
            if np.triu(mode.within).any():
                raise InputError("the entropy tables predict a coordinate from a later one")
            for sizes in mode.sizes:
                if sizes.min() < 1 or (sizes.sum(axis=1, dtype=np.int64) != TOTAL).any():
                    raise InputError(f"a row of the entropy tables does not sum to {TOTAL}")

        refinement = self.refinement
        rows = [] if refinement is None else [refinement.steps, refinement.sizes]
        if [(array.dtype, array.shape) for array in rows] != _refinement_shapes(config):
            raise InputError("the entropy tables do not have the shapes of this refinement")
        for sizes in rows:
            if sizes.min() < 1 or (sizes.sum(axis=1, dtype=np.int64) != TOTAL).any():
                raise InputError(f"a row of the entropy tables does not sum to {TOTAL}")

    def _header(self) -> bytes:
        return _HEADER.pack(_MAGIC, _VERSION, self.model_hash)

    def _content(self) -> bytes:
        arrays = [array for mode in self.modes for array in mode.arrays()]
        if self.refinement is not None:
            arrays += self.refinement.arrays()
        return b"".join(array.tobytes() for array in arrays)


def _shapes(
    config: CodecConfig, history: int
) -> Iterator[tuple[np.dtype[np.generic], tuple[int, ...]]]:
    """Type and shape of every array of a mode."""
    coordinates = Coordinates(config)
    dims = 2 * coordinates.pairs
    half, whole, unsigned = np.dtype("<i2"), np.dtype("<i4"), np.dtype("<u2")
    yield half, (dims, history, dims)
    yield half, (dims, dims)
    yield whole, (dims,)
    yield unsigned, (len(config.ladder),)
    for pair, (x, *y) in enumerate(coordinates.symbols):
        yield unsigned, (2 * coordinates.highest[2 * pair] + 1, x)
        for steps in y:
            yield unsigned, (2 * coordinates.highest[2 * pair + 1] + 1, steps)


def _refinement_shapes(config: CodecConfig) -> list[tuple[np.dtype[np.generic], tuple[int, ...]]]:
    """Type and shape of both arrays; nothing for a model without refinement."""
    if not config.refined:
        return []
    unsigned = np.dtype("<u2")
    return [(unsigned, (1, len(STEPS))), (unsigned, (len(STEPS) * BANDS, SYMBOLS))]


def cdf(sizes: NDArray[np.uint16]) -> list[tuple[int, ...]]:
    """First slots of every row's symbols, and TOTAL, as Python numbers."""
    cdf = np.zeros((sizes.shape[0], sizes.shape[1] + 1), np.int64)
    np.cumsum(sizes, axis=1, out=cdf[:, 1:])
    return [tuple(row) for row in cdf.tolist()]


def slots(tables: Sequence[NDArray[np.uint16]]) -> NDArray[np.int64]:
    """First slot and number of slots of every symbol of some tables, row by row, ``(2, n)``."""
    sizes = np.concatenate([table.ravel() for table in tables]).astype(np.int64)
    ends = np.concatenate([np.cumsum(table, axis=1, dtype=np.int64).ravel() for table in tables])
    return np.stack([ends - sizes, sizes])
