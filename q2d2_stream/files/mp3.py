"""What is missing from an MP3 file: libmpg123 leaves out or makes up what it cannot read.

Frame headers: ISO/IEC 11172-3 and 13818-3. The first frame may tell how many there are (the Xing
or Info header, which LAME writes); without it nobody knows whether the end is the end. Damage
inside of a frame shows only in what libmpg123 says on stderr: frames have no checksum by default.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field

__all__ = ["Mp3Scan", "scan_mp3"]

_KBPS = {
    # (MPEG 1?, layer): by index
    (True, 1): (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_ID3V1_BYTES, _APE_BYTES = 128, 32
_LONGEST_FRAME = 2881
_PLACES = 20

Data = bytes | mmap.mmap


@dataclass
class Mp3Scan:
    """What a file holds.

    Attributes:
        seconds: length of the frames that are there.
        declared_s: length by the Xing header, None where there is none.
        damaged_s: when bytes between frames are no frame, in seconds; at most the first 20.
        damages: how many such places there are.
        is_cut: the last frame is not whole.
    """

    seconds: float = 0.0
    declared_s: float | None = None
    damaged_s: list[float] = field(default_factory=list)
    damages: int = 0
    is_cut: bool = False


@dataclass(frozen=True)
class _Frame:
    length: int
    samples: int
    rate: int
    side_bytes: int  # between the frame's header and where a Xing header would be

    @property
    def seconds(self) -> float:
        return self.samples / self.rate


def scan_mp3(data: Data, begin: int = 0) -> Mp3Scan:
    """Walk the frames of a whole file, which starts ``begin`` bytes into ``data``."""
    scan = Mp3Scan()
    end = _without_tags(data)
    at = _resync(data, _id3v2_end(data, begin), end)
    if at < end and (frame := _frame(data, at)) is not None:
        xing = at + 4 + frame.side_bytes
        if bytes(data[xing : xing + 4]) in (b"Xing", b"Info"):
            if data[xing + 7] & 1:
                frames = int.from_bytes(data[xing + 8 : xing + 12], "big")
                scan.declared_s = frames * frame.seconds
            at += frame.length
    while at < end:
        found = _frame(data, at)
        if found is None:
            following = _resync(data, at + 1, end)
            if following == end and end - at < _LONGEST_FRAME:
                break  # a tag of another kind, or padding
            scan.damages += 1
            if len(scan.damaged_s) < _PLACES:
                scan.damaged_s.append(scan.seconds)
            at = following
        elif at + found.length > end:
            scan.is_cut = True
            break
        else:
            scan.seconds += found.seconds
            at += found.length
    return scan


def _id3v2_end(data: Data, at: int) -> int:
    while bytes(data[at : at + 3]) == b"ID3" and len(data) >= at + 10:
        a, b, c, d = (byte & 0x7F for byte in data[at + 6 : at + 10])
        at += 10 + (a << 21 | b << 14 | c << 7 | d) + (10 if data[at + 5] & 0x10 else 0)
    return min(at, len(data))


def _without_tags(data: Data) -> int:
    end = len(data)
    if bytes(data[max(0, end - _ID3V1_BYTES) :][:3]) == b"TAG":
        end -= _ID3V1_BYTES
    footer = bytes(data[max(0, end - _APE_BYTES) : end])
    if footer.startswith(b"APETAGEX"):
        size = int.from_bytes(footer[12:16], "little")
        header = _APE_BYTES if footer[23] & 0x80 else 0
        end -= min(end, size + header)
    return end


def _resync(data: Data, at: int, end: int) -> int:
    """Where the next frame begins that another one follows, or ``end``."""
    while (at := data.find(b"\xff", at, end)) >= 0:
        frame = _frame(data, at)
        if frame is not None:
            following = at + frame.length
            other = _frame(data, following) if following + 4 <= end else None
            if following == end or (other is not None and other.rate == frame.rate):
                return at
        at += 1
    return end


def _frame(data: Data, at: int) -> _Frame | None:
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or index in (0, 15) or rate_index == 3:
        return None
    is_1 = version == 3
    kbps, rate = _KBPS[is_1, layer][index], _RATES[version][rate_index]
    padding = head[2] >> 1 & 1
    if layer == 1:
        return _Frame((12_000 * kbps // rate + padding) * 4, 384, rate, 0)
    samples = 1152 if is_1 or layer == 2 else 576
    is_mono = head[3] >> 6 == 3
    side_bytes = (17 if is_mono else 32) if is_1 else (9 if is_mono else 17)
    return _Frame(samples // 8 * 1000 * kbps // rate + padding, samples, rate, side_bytes)
