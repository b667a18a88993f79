"""One packet of the codec: frames of one rate, in bytes that describe themselves.

Messages of a call, packets of your own and the C header use the same bytes:

    bit      7       6 5 4    3 2 1 0
    byte 0 | coded | rate   | frames - 1 |     the TOC (table of contents), as in Opus (RFC 6716)
    byte 1 ...                                 the payload: indices of all frames

The payload is entropy coded where the coded bit is set (:mod:`q2d2_stream.entropy`), else packed
at its fixed size (:mod:`q2d2_stream.packing`). A sender with tables codes it exactly where that is
shorter. The length is not told: a packet is a whole message or datagram, and a payload of another
length is refused.

A .q2d2 file holds longer runs of frames than a packet. Its blocks tell rate, number of frames and
coded bit in bytes of their own (docs/reference/file_format.md), and share the payload.

How it is extended: rate 7 is reserved. A later version may put more bytes behind a TOC of rate 7;
this one refuses it. New rates of a model take the numbers after its last one, 6 at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.arguments import require_bytes
from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import FormatError, InputError
from q2d2_stream.packing import pack, unpack

__all__ = ["MAX_PACKET_FRAMES", "MAX_RATE", "PacketCoder", "Payload", "Toc"]

MAX_PACKET_FRAMES = 16
"""Most frames of a packet: 213 ms."""

MAX_RATE = 6
"""Highest rate number that a TOC can tell; 7 is reserved."""

_CODED = 0x80


@dataclass(frozen=True)
class Toc:
    """A packet's first byte. Raises InputError for what does not fit in it.

    Attributes:
        rate: index into the model's ladder, 0 to 6.
        frames: number of frames, 1 to 16.
        coded: whether the payload is entropy coded.
    """

    rate: int
    frames: int
    coded: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.rate <= MAX_RATE:
            raise InputError(f"the rate of a packet is {self.rate}, expected 0 to {MAX_RATE}")
        if not 1 <= self.frames <= MAX_PACKET_FRAMES:
            raise InputError(
                f"a packet of {self.frames} frames was asked for, expected 1 to {MAX_PACKET_FRAMES}"
            )

    def to_byte(self) -> int:
        """The byte, 0 to 255."""
        return self.frames - 1 | self.rate << 4 | (_CODED if self.coded else 0)

    @classmethod
    def from_packet(cls, packet: bytes) -> Toc:
        """What a packet says of itself; raises FormatError where it is empty or of rate 7, and
        InputError for what are no bytes."""
        require_bytes(packet, "packet")
        if not packet:
            raise FormatError("the packet is empty, expected at least its TOC byte")
        toc = packet[0]
        rate = toc >> 4 & 7
        if rate > MAX_RATE:
            raise FormatError(
                f"the packet has the reserved rate {rate}: it was made by a later version of "
                "q2d2-stream, or is damaged"
            )
        return cls(rate, (toc & 15) + 1, bool(toc & _CODED))


@dataclass(frozen=True)
class Payload:
    """The indices of some frames as bytes, without what describes them.

    Attributes:
        data: the bytes.
        coded: whether they are entropy coded.
    """

    data: bytes
    coded: bool


class PacketCoder:
    """Indices to packets and back. Holds no state between calls.

    Args:
        config: whose indices are carried.
        coder: entropy coding with the model's tables, for a receiver that has them too; None:
            everything is packed, and coded packets are refused.

    Raises InputError where the model has more rates than a packet can tell.
    """

    def __init__(self, config: CodecConfig, coder: IndexCoder | None = None) -> None:
        if len(config.ladder) > MAX_RATE + 1:
            raise InputError(
                f"the model has {len(config.ladder)} rates, expected at most {MAX_RATE + 1}: "
                "packets cannot tell more"
            )
        self._config = config
        self.coder = coder

    def encode(self, indices: NDArray[np.uint8]) -> bytes:
        """The packet of indices ``(frames, pairs)``, 1 to 16 frames.

        Raises:
            InputError: as :func:`q2d2_stream.packing.pack`, or no frames, or more than 16.
        """
        payload = self.encode_payload(indices)
        rate = self._config.width_to_rate(indices.shape[1]).index
        return bytes([Toc(rate, len(indices), payload.coded).to_byte()]) + payload.data

    def decode(self, packet: bytes) -> NDArray[np.uint8]:
        """The indices ``(frames, pairs)``, uint8, that :meth:`encode` made ``packet`` of.

        Raises:
            FormatError: bytes that it never makes, or coded ones where there are no tables.
        """
        toc = Toc.from_packet(packet)
        return self.decode_payload(Payload(packet[1:], toc.coded), toc.rate, toc.frames)

    def encode_payload(self, indices: NDArray[np.uint8]) -> Payload:
        """Indices ``(frames, pairs)`` as bytes: coded where that is shorter, else packed.

        Raises:
            InputError: as :func:`q2d2_stream.packing.pack`.
        """
        coded = self.coder.encode(indices) if self.coder is not None else None
        if coded is not None:
            return Payload(coded, True)
        return Payload(pack(indices, self._config), False)

    def decode_payload(self, payload: Payload, rate: int, frames: int) -> NDArray[np.uint8]:
        """Inverse of :meth:`encode_payload` for ``frames`` frames of rate number ``rate``.

        Raises:
            FormatError: bytes that it never makes, or coded ones where there are no tables.
        """
        try:
            if not payload.coded:
                return unpack(payload.data, self._config, rate, frames)
            if self.coder is None:
                raise FormatError(
                    "the indices are entropy coded and their tables are not here: "
                    "use a model folder that has them, or send packed indices"
                )
            return self.coder.decode(payload.data, rate, frames)
        except InputError as error:
            raise FormatError(f"the indices make no sense: {error}") from error
