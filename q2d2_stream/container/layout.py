"""The bytes of a .q2d2 file: constants, header and block (docs/reference/file_format.md)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import NamedTuple

from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import FormatError, InputError, ModelError

__all__ = [
    "BLOCK_FIXED_BYTES",
    "MAGIC",
    "MAX_BLOCK_BYTES",
    "MAX_BLOCK_FRAMES",
    "MAX_HEADER_BYTES",
    "MAX_PAYLOAD_BYTES",
    "MIN_HEADER_BYTES",
    "PLAIN_VERSION",
    "SYNC",
    "UNKNOWN_SAMPLES",
    "VERSION",
    "Header",
    "RawBlock",
    "block_bytes",
    "block_length",
    "header_length",
    "parse_block",
    "trailer_bytes",
    "trailer_samples",
]

# As in PNG: a byte above 127, line ends and a DOS end-of-file show what mangled the file.
MAGIC = b"\x89Q2D2\r\n\x1a"
PLAIN_VERSION = 1  # no tables, as every file before there were any
VERSION = 2
SYNC = b"\xd2\xb2"
UNKNOWN_SAMPLES = 2**64 - 1
MAX_BLOCK_FRAMES = 255
MAX_PAYLOAD_BYTES = 4096
_MAX_MODEL_ID = 64

_HEADER = struct.Struct("<8sBBIHH8sQ")  # magic, version, id length, rate, hop, look-ahead, ...
_BLOCK = struct.Struct("<2sBBIH")  # sync, rate, frames, first frame, payload length
_CRC = struct.Struct("<I")
_SAMPLES = struct.Struct("<Q")
_TABLES = struct.Struct("<I")  # from version 2 on, after the model id
_CODED = 0x80  # of the byte that holds a block's rate

MIN_HEADER_BYTES = _HEADER.size + _CRC.size
MAX_HEADER_BYTES = MIN_HEADER_BYTES + _MAX_MODEL_ID + _TABLES.size
BLOCK_FIXED_BYTES = _BLOCK.size + _CRC.size
MAX_BLOCK_BYTES = BLOCK_FIXED_BYTES + MAX_PAYLOAD_BYTES


@dataclass(frozen=True)
class Header:
    """What a file says about all of its blocks.

    Attributes:
        model_id: name of the model that made the indices, up to 64 printable ASCII characters.
        model_hash: 8 bytes that tell its weights from any others.
        sample_rate: samples per second.
        hop: samples per frame.
        lookahead: samples by which the decoder's output trails its input.
        samples: length of the sound, or None where the writer could not know it yet.
        tables: checksum of the entropy tables that its coded blocks need; 0 where there are none.
    """

    model_id: str
    model_hash: bytes
    sample_rate: int
    hop: int
    lookahead: int
    samples: int | None
    tables: int = 0

    def __post_init__(self) -> None:
        name = self.model_id
        if len(name) > _MAX_MODEL_ID or not (name.isascii() and name.isprintable()):
            raise InputError(
                f"the model id {name!r} cannot be stored, expected up to {_MAX_MODEL_ID} "
                "printable ASCII characters"
            )
        if len(self.model_hash) != 8:
            raise InputError(f"the model hash has {len(self.model_hash)} bytes, expected 8")
        if not 0 < self.sample_rate < 2**32 or not 0 < self.hop < 2**16:
            raise InputError(
                f"{self.sample_rate} Hz in frames of {self.hop} samples cannot be stored, "
                "expected positive numbers of 32 and 16 bits"
            )
        if not 0 <= self.lookahead < 2**16:
            raise InputError(f"the look-ahead is {self.lookahead} samples, expected 16 bits")
        if self.samples is not None and not 0 <= self.samples < UNKNOWN_SAMPLES:
            raise InputError(f"{self.samples} samples cannot be stored, expected 64 bits")
        if not 0 <= self.tables < 2**32:
            raise InputError(f"the tables' checksum is {self.tables}, expected 32 bits")

    @classmethod
    def of(
        cls,
        config: CodecConfig,
        model_id: str,
        model_hash: bytes,
        samples: int | None = None,
        tables: int = 0,
        lookahead: int | None = None,
    ) -> Header:
        """The header of a file made with ``config``; raises InputError as the class does.

        ``lookahead`` is that of the file's rates where it is not ``config``'s.
        """
        delay = config.lookahead if lookahead is None else lookahead
        return cls(model_id, model_hash, config.sample_rate, config.hop, delay, samples, tables)

    def require(
        self, config: CodecConfig, model_id: str, model_hash: bytes, tables: int = 0
    ) -> None:
        """Raise ModelError unless the file was made by this very model and its ``tables``."""
        if self.model_hash != model_hash:
            raise ModelError(
                f"this file was made by model {self.model_id} ({self.model_hash.hex()}), but the "
                f"model here is {model_id} ({model_hash.hex()}): decode it with a release that "
                "has its model"
            )
        known = {rate.lookahead for rate in config.ladder}
        is_mine = (self.sample_rate, self.hop) == (config.sample_rate, config.hop)
        if not is_mine or self.lookahead not in known:
            lookaheads = " or ".join(map(str, sorted(known)))
            raise ModelError(
                f"this file says {self.sample_rate} Hz, frames of {self.hop} and a look-ahead of "
                f"{self.lookahead} samples, but its model has {config.sample_rate}, {config.hop} "
                f"and {lookaheads}"
            )
        if self.tables not in (0, tables):
            here = f"those here are {tables:08x}" if tables else "there are none here"
            raise ModelError(
                f"this file was coded with the entropy tables {self.tables:08x}, but {here}: "
                "decode it with a release that has them"
            )

    def frames(self, samples: int) -> int:
        """Frames that carry ``samples`` samples and the look-ahead after them."""
        return -(-(samples + self.lookahead) // self.hop)

    def to_bytes(self) -> bytes:
        """The file's first bytes; their length does not depend on ``samples``."""
        name = self.model_id.encode("ascii")
        samples = UNKNOWN_SAMPLES if self.samples is None else self.samples
        body = _HEADER.pack(
            MAGIC,
            VERSION if self.tables else PLAIN_VERSION,
            len(name),
            self.sample_rate,
            self.hop,
            self.lookahead,
            self.model_hash,
            samples,
        )
        body += name + (_TABLES.pack(self.tables) if self.tables else b"")
        return body + _CRC.pack(zlib.crc32(body))

    @classmethod
    def from_bytes(cls, data: bytes) -> Header:
        """Inverse of :meth:`to_bytes`, for data of exactly :func:`header_length` bytes.

        Raises:
            FormatError: a wrong checksum, or fields that no writer makes.
        """
        body = data[: -_CRC.size]
        if _CRC.unpack(data[-_CRC.size :])[0] != zlib.crc32(body):
            raise FormatError("the header of this .q2d2 file is damaged: its checksum is wrong")
        _, version, name, rate, hop, lookahead, model_hash, samples = _HEADER.unpack_from(body)
        end = _HEADER.size + name
        try:
            return cls(
                body[_HEADER.size : end].decode("latin-1"),
                model_hash,
                rate,
                hop,
                lookahead,
                None if samples == UNKNOWN_SAMPLES else samples,
                0 if version == PLAIN_VERSION else _TABLES.unpack_from(body, end)[0],
            )
        except InputError as error:
            raise FormatError(f"the header of this .q2d2 file makes no sense: {error}") from error


class RawBlock(NamedTuple):
    """A block as stored; one of no frames is the trailer, and its first frame the file's end."""

    rate: int
    frames: int
    first_frame: int
    payload: bytes
    coded: bool = False


def header_length(data: bytes | bytearray) -> int | None:
    """Length of the header that ``data`` begins with, or None while there is too little of it.

    Raises:
        FormatError: the data is no .q2d2 file, or one of another version.
    """
    start = bytes(data[: len(MAGIC)])
    if start != MAGIC[: len(start)]:
        raise FormatError("this is not a .q2d2 file: it does not begin with the magic bytes")
    if len(data) < len(MAGIC) + 2:
        return None
    version, name = data[len(MAGIC)], data[len(MAGIC) + 1]
    if not PLAIN_VERSION <= version <= VERSION:
        raise FormatError(
            f"this .q2d2 file is of version {version}, this package reads versions "
            f"{PLAIN_VERSION} and {VERSION}"
        )
    if name > _MAX_MODEL_ID:
        raise FormatError("the header of this .q2d2 file is damaged: its model id is too long")
    return MIN_HEADER_BYTES + name + (0 if version == PLAIN_VERSION else _TABLES.size)


def block_bytes(
    rate: int, frames: int, first_frame: int, payload: bytes, coded: bool = False
) -> bytes:
    """One block: ``frames`` frames from number ``first_frame`` on, in ``payload``.

    ``coded`` says that the payload is entropy coded, else it is packed.
    """
    marked = rate | _CODED if coded else rate
    body = _BLOCK.pack(SYNC, marked, frames, first_frame, len(payload)) + payload
    return body + _CRC.pack(zlib.crc32(body))


def trailer_bytes(frames: int, samples: int) -> bytes:
    """The block of no frames that ends a file: it holds the length of the sound in samples."""
    return block_bytes(0, 0, frames, _SAMPLES.pack(samples))


def block_length(data: bytes | bytearray, at: int) -> int:
    """Length of the block that seems to begin at ``at``, or 0 where none does.

    ``data`` reaches at least BLOCK_FIXED_BYTES beyond ``at``; the block may reach further.
    """
    sync, _, frames, _, length = _BLOCK.unpack_from(data, at)
    if sync != SYNC or length > MAX_PAYLOAD_BYTES or (frames == 0 and length != _SAMPLES.size):
        return 0
    return BLOCK_FIXED_BYTES + int(length)


def parse_block(data: bytes | bytearray, at: int, length: int) -> RawBlock | None:
    """The block of :func:`block_length` bytes at ``at``, or None where its checksum is wrong."""
    end = at + length - _CRC.size
    with memoryview(data) as view, view[at:end] as body:
        if _CRC.unpack_from(data, end)[0] != zlib.crc32(body):
            return None
    _, rate, frames, first_frame, _ = _BLOCK.unpack_from(data, at)
    payload = bytes(data[at + _BLOCK.size : end])
    return RawBlock(rate & ~_CODED, frames, first_frame, payload, bool(rate & _CODED))


def trailer_samples(block: RawBlock) -> int:
    """The length of the sound that a block of no frames states, in samples."""
    return int(_SAMPLES.unpack(block.payload)[0])
