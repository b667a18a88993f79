"""Messages on a byte stream without any structure, such as a serial line.

    | COBS of: message, and 2 bytes of CRC where it is not sealed | 0 |

Consistent Overhead Byte Stuffing (Cheshire and Baker 1999) makes a frame without zero bytes, at the
cost of one byte for every 254. So a zero ends each frame, and after lost or changed bytes the next
zero is where everything fits again. Sealed messages bring a tag that finds damage better than any
CRC; the handshake's messages have the CRC-16 of CCITT (polynomial 0x1021, begins with 0xFFFF).
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Any

from q2d2_stream.errors import MissingExtra
from q2d2_stream.protocol.limits import MAX_MESSAGE_BYTES
from q2d2_stream.protocol.sealing import is_sealed

__all__ = ["Deframer", "message_to_frame"]

_CRC_BYTES = 2
_CRC_START = 0xFFFF
_MAX_FRAME_BYTES = MAX_MESSAGE_BYTES + MAX_MESSAGE_BYTES // 254 + 1 + _CRC_BYTES


def message_to_frame(message: bytes) -> bytes:
    """The bytes of one message, the closing zero included. Raises MissingExtra without cobs."""
    body = message if is_sealed(message) else message + _crc(message)
    return bytes(_cobs().encode(body)) + b"\0"


class Deframer:
    """Bytes in, as they come, messages out. Whatever comes, it raises nothing and stays bounded.

    Attributes:
        damaged: frames that were thrown away.

    Raises MissingExtra without cobs.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._cobs = _cobs()
        self._frame = bytearray()
        self._is_too_long = False

    def push(self, data: bytes) -> list[bytes]:
        """The messages that ``data`` completes, oldest first."""
        *ended, rest = data.split(b"\0")
        messages = []
        for piece in ended:
            self._keep(piece)
            message = self._message()
            if message is not None:
                messages.append(message)
        self._keep(rest)
        return messages

    def _keep(self, piece: bytes) -> None:
        if len(self._frame) + len(piece) > _MAX_FRAME_BYTES:
            self._is_too_long = True
            self._frame.clear()
        if not self._is_too_long:
            self._frame += piece

    def _message(self) -> bytes | None:
        frame, self._frame = bytes(self._frame), bytearray()
        was_too_long, self._is_too_long = self._is_too_long, False
        if not frame and not was_too_long:
            return None  # zeros between frames keep a transmitter keyed
        try:
            body = b"" if was_too_long else bytes(self._cobs.decode(frame))
        except self._cobs.DecodeError:
            body = b""
        if is_sealed(body):
            return body
        message, crc = body[:-_CRC_BYTES], body[-_CRC_BYTES:]
        if message and _crc(message) == crc:
            return message
        self.damaged += 1
        return None


def _crc(message: bytes) -> bytes:
    return crc_hqx(message, _CRC_START).to_bytes(_CRC_BYTES, "little")


def _cobs() -> Any:
    try:
        from cobs import cobs
    except ImportError as error:
        raise MissingExtra("cobs", "serial", "calls over a serial line") from error
    return cobs
