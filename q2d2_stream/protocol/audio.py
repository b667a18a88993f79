"""The body of an audio message: flags, what they announce, packet.

    | flags u8 | timestamp u32 | length u8, rider | length u8, copies | packet: TOC and payload |
                 `- flag TIMESTAMP  `- flag RIDER    `- flag COPIES

A rider is a control message that needs no more than a short tag: an echo, a report, ping or pong.
Copies are a packet too: the frames just before this message, at the lowest rate, whose pairs are
the first ones of what was sent. They stand in where that was lost.

The sequence number of the first frame is the counter of the seal (:mod:`.sealing`). Timestamps run
along with sequence numbers, but for silence that was left unsent: a message that tells none has the
difference of the last one before it that did. The difference is told with a margin, as messages may
be lost.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from enum import IntFlag
from typing import NamedTuple

from q2d2_stream.errors import FormatError, WireError
from q2d2_stream.frames import AudioFrames
from q2d2_stream.packet import PacketCoder, Toc
from q2d2_stream.protocol.endpoint import Direction
from q2d2_stream.protocol.sequence import add, distance

__all__ = ["AudioBody", "AudioReader", "AudioWriter", "Flag"]

# How often a difference is told again: after a change, and later, in case all of those were lost.
_TOLD_AFTER_CHANGE = 8
_TOLD_EVERY = 32
_KEPT = 8
_TIMESTAMP = struct.Struct("<I")


class Flag(IntFlag):
    """First byte of an audio body. Bits that are not named are 0."""

    START = 1  # the first frame begins a talk spurt
    END = 2  # the last frame ends one
    DTX = 4  # a keep-alive inside silence; its sound is the background noise
    TIMESTAMP = 8  # the timestamp follows
    RIDER = 16  # a control message follows
    COPIES = 32  # copies of the frames before follow


_KNOWN = Flag.START | Flag.END | Flag.DTX | Flag.TIMESTAMP | Flag.RIDER | Flag.COPIES


class AudioBody(NamedTuple):
    """An audio body taken apart.

    Attributes:
        flags: of the message.
        timestamp: number of the first frame among those captured; None where it is implied.
        rider: a control message; empty without one.
        copies: a packet of the frames before; empty without one.
        toc: what the packet says of itself.
        packet: all of it.
    """

    flags: Flag
    timestamp: int | None
    rider: bytes
    copies: bytes
    toc: Toc
    packet: bytes

    @classmethod
    def from_bytes(cls, body: bytes) -> AudioBody:
        """Take a body apart; WireError when it is malformed."""
        flags = Flag(body[0]) if body else Flag(0)
        if not body or body[0] & ~int(_KNOWN):  # of flags alone ~ would keep within the known
            raise WireError(
                f"audio message has {len(body)} bytes and flags {flags:#x}, expected flags that "
                "this version knows"
            )
        timestamp, at = None, 1
        if flags & Flag.TIMESTAMP:
            at += _TIMESTAMP.size
            if len(body) < at:
                raise WireError("audio message is cut within its timestamp")
            (timestamp,) = _TIMESTAMP.unpack_from(body, 1)
        rider, at = _part(body, at) if flags & Flag.RIDER else (b"", at)
        copies, at = _part(body, at) if flags & Flag.COPIES else (b"", at)
        packet = body[at:]
        try:
            return cls(flags, timestamp, rider, copies, Toc.from_packet(packet), packet)
        except FormatError as error:
            raise WireError(f"audio message has no valid packet: {error}") from error

    def to_bytes(self) -> bytes:
        """Inverse of :meth:`from_bytes`."""
        head = bytes([self.flags])
        if self.timestamp is not None:
            head += _TIMESTAMP.pack(self.timestamp)
        for part in (self.rider, self.copies):
            head += bytes([len(part)]) + part if part else b""
        return head + self.packet


def _part(body: bytes, at: int) -> tuple[bytes, int]:
    """A length and so many bytes, and where they end; WireError when they are not there."""
    end = at + 1 + body[at] if at < len(body) else len(body)
    if end >= len(body):
        raise WireError("audio message is cut before its packet")
    return body[at + 1 : end], end


class AudioWriter:
    """Makes the audio bodies of one connection.

    Args:
        direction: what was agreed on for sending.
    """

    def __init__(self, direction: Direction) -> None:
        self._packets = PacketCoder(direction.model.config, direction.coder)
        self._difference: int | None = None
        self._since_change = 0
        self._before: AudioFrames | None = None
        ladder = direction.model.config.ladder
        self._copied_pairs = ladder[0].pairs
        # Only a rate that begins with all of the lowest one has a copy within itself.
        sizes = ladder[0].codebook_sizes
        self._can_copy = {
            rate.pairs
            for rate in ladder
            if rate.codebook_sizes[: len(sizes)] == sizes and 0 in direction.rates
        }

    def write(self, frames: AudioFrames, *, rider: bytes = b"", copies: bool = False) -> AudioBody:
        """The body that carries ``frames``.

        Args:
            frames: what follows on what was written before.
            rider: a control message that goes with it, up to 255 bytes.
            copies: whether to repeat the message before at the lowest rate.

        Raises InputError when the frames do not fit the model.
        """
        packet = frames.packet or self._packets.encode(frames.indices)
        difference = add(frames.timestamp, -frames.sequence)
        if difference != self._difference:
            self._difference, self._since_change = difference, 0
        told = self._since_change < _TOLD_AFTER_CHANGE or not self._since_change % _TOLD_EVERY
        self._since_change += 1
        copied = self._copies(frames) if copies else b""
        flags = Flag(0)
        for is_set, flag in (
            (frames.start, Flag.START),
            (frames.end, Flag.END),
            (frames.dtx, Flag.DTX),
            (told, Flag.TIMESTAMP),
            (rider, Flag.RIDER),
            (copied, Flag.COPIES),
        ):
            if is_set:
                flags |= flag
        timestamp = frames.timestamp if told else None
        self._before = frames
        return AudioBody(flags, timestamp, rider, copied, Toc.from_packet(packet), packet)

    def _copies(self, frames: AudioFrames) -> bytes:
        before = self._before
        if before is None or before.dtx or before.indices.shape[1] not in self._can_copy:
            return b""
        count = len(before.indices)
        follows = (
            add(before.sequence, count) == frames.sequence
            and add(before.timestamp, count) == frames.timestamp
        )
        return self._packets.encode(before.indices[:, : self._copied_pairs]) if follows else b""


class AudioReader:
    """Reads the audio bodies of one connection, which may come in any order.

    Args:
        direction: what was agreed on for receiving.
        sequence: of the peer's hello.
    """

    def __init__(self, direction: Direction, sequence: int) -> None:
        self._packets = PacketCoder(direction.model.config, direction.coder)
        self._rates = direction.rates
        self._origin = sequence
        # What was told, by the sequence number's distance from the hello's, ascending.
        self._told_at: list[int] = []
        self._differences: list[int] = []

    def read(self, sequence: int, body: AudioBody) -> AudioFrames:
        """The frames of ``body``, the first of which is number ``sequence``.

        Raises WireError when they do not fit the model, or their time is not known.
        """
        if body.toc.rate not in self._rates:
            raise WireError(f"audio has rate {body.toc.rate}, expected one of {self._rates}")
        try:
            indices = self._packets.decode(body.packet)
        except FormatError as error:
            raise WireError(f"audio message does not fit the codec: {error}") from error
        return AudioFrames(
            sequence,
            self._timestamp(sequence, body.timestamp),
            indices,
            start=bool(body.flags & Flag.START),
            end=bool(body.flags & Flag.END),
            dtx=bool(body.flags & Flag.DTX),
        )

    def read_copies(self, frames: AudioFrames, body: AudioBody) -> AudioFrames | None:
        """The frames before ``frames``, as far as ``body`` repeats them.

        Raises WireError when they do not fit the model.
        """
        if not body.copies:
            return None
        try:
            indices = self._packets.decode(body.copies)
        except FormatError as error:
            raise WireError(f"the copies in an audio message do not fit: {error}") from error
        count = len(indices)
        return AudioFrames(
            add(frames.sequence, -count), add(frames.timestamp, -count), indices, is_copy=True
        )

    def _timestamp(self, sequence: int, told: int | None) -> int:
        at = distance(self._origin, sequence)
        index = bisect_right(self._told_at, at)
        if told is None:
            if not index:
                raise WireError("the message that told the time of this one is missing")
            return add(sequence, self._differences[index - 1])
        difference = add(told, -sequence)
        if not index or self._differences[index - 1] != difference:
            self._told_at.insert(index, at)
            self._differences.insert(index, difference)
            del self._told_at[:-_KEPT], self._differences[:-_KEPT]
        return told
