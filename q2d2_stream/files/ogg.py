"""What is missing from an Ogg file: libogg leaves damaged pages out without a word.

Pages and their checksums: RFC 3533. The rates of what they carry: Vorbis I, RFC 7845 (Opus), the
mapping of FLAC to Ogg, Speex.
"""

from __future__ import annotations

import struct
import zlib

__all__ = ["OggScanner"]

_HEADER = struct.Struct("<4sBBqIIIB")  # capture, version, flags, granule, serial, sequence, crc, n
_FIRST, _LAST = 2, 4  # flags
_OPUS_RATE = 48_000
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def page_checksum(page: bytes) -> int:
    """CRC-32 of polynomial 0x04c11db7, unreflected, from 0: zlib's, with all bits turned round."""
    reflected = zlib.crc32(page.translate(_REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{reflected:032b}"[::-1], 2)


class OggScanner:
    """Takes the bytes of an Ogg file in pieces of any length, and finds what is not there.

    Attributes:
        damaged_s: when sound is missing, in seconds, in order; at most the first 20.
        damages: how many places there are.
        end_s: how far the pages reach, in seconds.
        is_cut: whether the last page is missing; known after :meth:`close`.
    """

    def __init__(self) -> None:
        self.damaged_s: list[float] = []
        self.damages = 0
        self.end_s = 0.0
        self.is_cut = False
        self._buffer = bytearray()
        self._rates: dict[int, int] = {}
        self._sequences: dict[int, int] = {}
        self._open: set[int] = set()
        self._is_lost = False  # no page begins where the last one ended

    def feed(self, data: bytes) -> None:
        """The next bytes."""
        self._buffer += data
        buffer, at = self._buffer, 0
        while len(buffer) - at >= _HEADER.size:
            length = self._page_length(at)
            if length is None:
                break
            if length and self._take(bytes(buffer[at : at + length])):
                at += length
                continue
            if not self._is_lost:
                self._is_lost = True
                self._damage()
            found = buffer.find(b"OggS", at + 1)
            at = found if found >= 0 else max(at + 1, len(buffer) - 3)
        del buffer[:at]

    def close(self) -> None:
        """There are no more bytes."""
        self.is_cut = bool(self._open) or not self._rates
        if self._is_lost and not self.is_cut:
            self.damages -= 1  # behind the last page: a tag, or padding
            del self.damaged_s[self.damages :]

    def _page_length(self, at: int) -> int | None:
        """Of the page that begins there; 0: none does; None: more bytes are needed to tell."""
        buffer = self._buffer
        capture, version, *_, count = _HEADER.unpack_from(buffer, at)
        if capture != b"OggS" or version:
            return 0
        body = at + _HEADER.size + count
        if body > len(buffer):
            return None
        length = body - at + sum(buffer[at + _HEADER.size : body])
        return length if at + length <= len(buffer) else None

    def _take(self, page: bytes) -> bool:
        *_, flags, granule, serial, sequence, checksum, count = _HEADER.unpack_from(page)
        if page_checksum(page[:22] + bytes(4) + page[26:]) != checksum:
            return False
        if flags & _FIRST:
            self._rates[serial] = _rate(page[_HEADER.size + count :])
            self._open.add(serial)
        elif sequence != self._sequences.get(serial, sequence - 1) + 1 and not self._is_lost:
            self._damage()
        if flags & _LAST:
            self._open.discard(serial)
        self._sequences[serial] = sequence
        if granule > 0 and self._rates.get(serial):
            self.end_s = granule / self._rates[serial]
        self._is_lost = False
        return True

    def _damage(self) -> None:
        self.damages += 1
        if len(self.damaged_s) < 20:
            self.damaged_s.append(self.end_s)


def _rate(packet: bytes) -> int:
    """Granules per second, by a stream's first packet; 0 where that is not known."""
    if packet.startswith(b"\x01vorbis") and len(packet) >= 16:
        return int(struct.unpack_from("<I", packet, 12)[0])
    if packet.startswith(b"OpusHead"):
        return _OPUS_RATE
    if packet.startswith(b"\x7fFLAC") and len(packet) >= 30:
        return int.from_bytes(packet[27:30], "big") >> 4
    if packet.startswith(b"Speex   ") and len(packet) >= 40:
        return int(struct.unpack_from("<I", packet, 36)[0])
    return 0
