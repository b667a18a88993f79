"""The bytes of a .q2d2 file to frames of indices, without any I/O and whatever the bytes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.arguments import require_bytes
from q2d2_stream.config import CodecConfig
from q2d2_stream.container.layout import (
    BLOCK_FIXED_BYTES,
    SYNC,
    Header,
    RawBlock,
    block_length,
    header_length,
    parse_block,
    trailer_samples,
)
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import FormatError, InputError
from q2d2_stream.packet import PacketCoder, Payload

__all__ = ["Block", "End", "Event", "Lost", "Reader"]

# A gap may be no longer than this plus one frame to every byte read, or a few hostile bytes could
# ask for years of sound. One minute of frames.
_GAP_FRAMES = 4500


@dataclass(frozen=True)
class Block:
    """Frames that arrived whole.

    Attributes:
        first_frame: number of the first frame in the file.
        frames: how many frames, 1 to 255.
        rate: index into the codec's rates.
        payload: the packed or coded indices.
        coded: whether they are entropy coded.
    """

    first_frame: int
    frames: int
    rate: int
    payload: bytes
    coded: bool = False

    def indices(self, config: CodecConfig, coder: IndexCoder | None = None) -> NDArray[np.uint8]:
        """The indices, shape ``(frames, pairs)``.

        Args:
            config: the codec that made them.
            coder: has the tables that the file's header names; coded blocks need it.

        Raises:
            FormatError: the checksum was right, but the codec ``config`` makes no such bytes, or
                the block is coded and there is no coder.
        """
        payload = Payload(self.payload, self.coded)
        try:
            return PacketCoder(config, coder).decode_payload(payload, self.rate, self.frames)
        except FormatError as error:
            raise FormatError(f"the block at frame {self.first_frame}: {error}") from error


@dataclass(frozen=True)
class Lost:
    """Damage: frames that are missing, bytes that were skipped, or both.

    Attributes:
        first_frame: number of the first missing frame.
        frames: frames to conceal; 0 where only bytes were skipped.
        cut: missing frames beyond those, too many to be believed; the sound becomes shorter.
        skipped_bytes: bytes that were no valid block.
    """

    first_frame: int
    frames: int
    cut: int
    skipped_bytes: int


@dataclass(frozen=True)
class End:
    """The last event of every file.

    Attributes:
        frames: number of frames in the file, lost ones included.
        samples: length of the sound, or None where neither header nor trailer tells it.
        complete: whether the trailer was there; without it the file was cut short.
    """

    frames: int
    samples: int | None
    complete: bool


Event = Header | Block | Lost | End


class Reader:
    """Takes a file's bytes in pieces of any length and gives back what they hold.

    The events are one Header, then Blocks and Losts in order of their frames, then one End. They
    do not depend on how the bytes were cut. Keeps less than one block (5 kB) between calls.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: Header | None = None
        self._next = 0
        self._skipped = 0
        self._gap_frames = _GAP_FRAMES
        self._samples: int | None = None
        self._ended = False
        self._closed = False

    def feed(self, data: bytes) -> list[Event]:
        """What the file's next bytes hold.

        Raises:
            FormatError: the bytes do not begin with a valid header.
            InputError: the reader is closed.
        """
        self._check_open()
        require_bytes(data, "file's content")
        self._buffer += data
        events: list[Event] = []
        if self._header is None:
            length = header_length(self._buffer)
            if length is None or len(self._buffer) < length:
                return events
            self._header = Header.from_bytes(bytes(self._buffer[:length]))
            self._samples = self._header.samples
            del self._buffer[:length]
            events.append(self._header)
        self._scan(events, final=False)
        return events

    def close(self) -> list[Event]:
        """What is left when there are no more bytes; the last event is the End.

        Raises:
            FormatError: the file ended within its header.
            InputError: the reader is closed already.
        """
        self._check_open()
        self._closed = True
        if self._header is None:
            raise FormatError(
                f"this .q2d2 file ends within its header, after {len(self._buffer)} bytes"
            )
        events: list[Event] = []
        self._scan(events, final=True)
        self._report(events, self._next)
        events.append(End(self._next, self._samples, self._ended))
        return events

    def _check_open(self) -> None:
        if self._closed:
            raise InputError("this reader is closed, make another one for another file")

    def _scan(self, events: list[Event], final: bool) -> None:
        """Take every whole block from the buffer; ``final``: what is incomplete stays so."""
        buffer, at = self._buffer, 0
        while not self._ended and at < len(buffer):
            available = len(buffer) - at
            length = block_length(buffer, at) if available >= BLOCK_FIXED_BYTES else available + 1
            if length > available and not final:
                break
            block = parse_block(buffer, at, length) if 0 < length <= available else None
            if block is not None:
                self._accept(block, length, events)
                at += length
                continue
            found = buffer.find(SYNC, at + 1)
            # A last byte that could begin a sync is kept until the next one is known.
            following = found if found >= 0 else len(buffer) - (buffer[-1] == SYNC[0])
            following = max(following, at + 1)
            self._skipped += following - at
            self._gap_frames += following - at
            at = following
        if self._ended:
            self._skipped += len(buffer) - at
            at = len(buffer)
        del buffer[:at]

    def _accept(self, block: RawBlock, length: int, events: list[Event]) -> None:
        self._gap_frames += length
        ends = block.frames == 0
        late = block.first_frame < self._next
        if late or (ends and not self._fits(block)):
            self._skipped += length
            return
        self._report(events, block.first_frame)
        if ends:
            self._samples = trailer_samples(block)
            self._ended = True
            return
        events.append(
            Block(block.first_frame, block.frames, block.rate, block.payload, block.coded)
        )
        self._next += block.frames

    def _fits(self, trailer: RawBlock) -> bool:
        assert self._header is not None
        return self._header.frames(trailer_samples(trailer)) == trailer.first_frame

    def _report(self, events: list[Event], first_frame: int) -> None:
        """Say what is missing before ``first_frame``, if anything is, and go on from there."""
        missing = first_frame - self._next
        if missing or self._skipped:
            frames = min(missing, self._gap_frames)
            self._gap_frames -= frames
            events.append(Lost(self._next, frames, missing - frames, self._skipped))
        self._next = first_frame
        self._skipped = 0
