"""Sound files that are odd or damaged, all of the same speech."""

from __future__ import annotations

import io
import struct

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

RATE = 24_000
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE

Pcm = NDArray[np.float32]


def form(tag: int = PCM, channels: int = 1, rate: int = RATE, bits: int = 16) -> bytes:
    """The content of a ``fmt`` chunk."""
    block = channels * ((bits + 7) // 8)
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block & 0xFFFFFFFF, block, bits)


def extensible(bits: int, valid: int, kind: int) -> bytes:
    """The content of a ``fmt`` chunk of WAVE_FORMAT_EXTENSIBLE, mono."""
    guid = struct.pack("<H", kind) + bytes.fromhex("000000001000800000aa00389b71")
    return form(EXTENSIBLE, bits=bits) + struct.pack("<HHI", 22, valid, 4) + guid


def chunk(name: bytes, data: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(data) if size is None else size) + data


def riff(
    head: bytes,
    data: bytes,
    riff_size: int | None = None,
    data_size: int | None = None,
    before: bytes = b"",
    after: bytes = b"",
) -> bytes:
    """A wav file; sizes can be said wrong, and there can be chunks around the sound."""
    body = b"WAVE" + chunk(b"fmt ", head) + before + chunk(b"data", data, data_size) + after
    return chunk(b"RIFF", body, riff_size)


def int16(pcm: Pcm) -> NDArray[np.int16]:
    return np.clip(np.rint(pcm * 32768), -32768, 32767).astype("<i2")


def written(pcm: NDArray[np.floating], kind: str, subtype: str, rate: int = RATE) -> bytes:
    """What libsndfile makes of it."""
    out = io.BytesIO()
    soundfile.write(out, pcm, rate, format=kind, subtype=subtype)
    return out.getvalue()


def good_files(pcm: Pcm) -> dict[str, bytes]:
    """All of these are the same sound, or nearly."""
    raw = int16(pcm).tobytes()
    i32 = (int16(pcm).astype(np.int64) << 16).astype("<i4")
    i24 = i32.view(np.uint8).reshape(-1, 4)[:, 1:].tobytes()
    ds64 = struct.pack("<QQQI", len(raw) + 80, len(raw), len(raw) // 2, 0)
    rf64 = b"RF64" + b"\xff" * 4 + b"WAVE" + chunk(b"ds64", ds64) + chunk(b"fmt ", form())
    big = struct.pack(">IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    rifx = b"RIFX" + struct.pack(">I", 36 + len(raw)) + b"WAVEfmt " + big + b"data"
    return {
        "plain.wav": riff(form(), raw),
        "extensible24.wav": riff(extensible(24, 24, PCM), i24),
        "extensible24in32.wav": riff(extensible(32, 24, PCM), i32.tobytes()),
        "extensible_float.wav": riff(extensible(32, 32, FLOAT), pcm.astype("<f4").tobytes()),
        "24bit.wav": riff(form(bits=24), i24),
        "float64.wav": riff(form(FLOAT, bits=64), pcm.astype("<f8").tobytes()),
        "size_ff.wav": riff(form(), raw, 0xFFFFFFFF, 0xFFFFFFFF),
        "size_0.wav": riff(form(), raw, 0, 0),
        "size_7fff.wav": riff(form(), raw, 0x7FFFF024, 0x7FFFF000),
        "riff_wrong.wav": riff(form(), raw, 12),
        "list_before.wav": riff(form(), raw, before=chunk(b"LIST", b"INFOISFT\x04\0\0\0abc\0")),
        "odd_unpadded.wav": riff(form(), raw, before=chunk(b"junk", b"abcde")),
        "odd_padded.wav": riff(form(), raw, before=chunk(b"junk", b"abcde") + b"\0"),
        "huge_list.wav": riff(form(), raw, before=chunk(b"LIST", b"INFO" + bytes(399_996))),
        "id3_after.wav": riff(form(), raw, after=chunk(b"id3 ", bytes(200))),
        "rf64.wav": rf64 + chunk(b"data", raw, 0xFFFFFFFF),
        "rifx.wav": rifx + struct.pack(">I", len(raw)) + int16(pcm).astype(">i2").tobytes(),
        "size_0.au": _patched(written(pcm, "AU", "PCM_16"), 8, bytes(4)),
        "size_huge.aiff": _size(written(pcm, "AIFF", "PCM_16"), b"SSND", ">I", 0x7FFFFFFF),
        "size_unknown.caf": _size(written(pcm, "CAF", "PCM_16"), b"data", ">Q", 2**64 - 1),
        "six_channels.wav": written(np.repeat(pcm[:, None], 6, 1), "WAV", "FLOAT"),
        "one_of_six.wav": written(np.pad(pcm[:, None], ((0, 0), (2, 3))), "WAV", "FLOAT"),
        "opposite.wav": written(np.stack([pcm, -pcm], 1), "WAV", "FLOAT"),
    }


def lossy_files(pcm: Pcm) -> dict[str, bytes]:
    """The same sound, not sample by sample."""
    narrow = soxr.resample(pcm, RATE, 8000)
    return {
        "alaw.wav": written(narrow, "WAV", "ALAW", 8000),
        "ima.wav": written(pcm, "WAV", "IMA_ADPCM"),
        "44k.wav": written(soxr.resample(pcm, RATE, 44_100), "WAV", "PCM_16", 44_100),
        "vorbis.ogg": written(pcm, "OGG", "VORBIS"),
        "s.opus": written(pcm, "OGG", "OPUS"),
        "s.mp3": written(pcm, "MP3", "MPEG_LAYER_III"),
    }


def cut_files(pcm: Pcm) -> dict[str, bytes]:
    """Files of which the second half is missing."""
    whole = {
        "cut.wav": written(pcm, "WAV", "PCM_16"),
        "cut.aiff": written(pcm, "AIFF", "PCM_16"),
        "cut.w64": written(pcm, "W64", "PCM_16"),
        "cut.caf": written(pcm, "CAF", "PCM_16"),
        "cut.au": written(pcm, "AU", "PCM_16"),
        "cut.flac": written(pcm, "FLAC", "PCM_16"),
        "cut.ogg": written(pcm, "OGG", "VORBIS"),
        "cut.opus": written(pcm, "OGG", "OPUS"),
        "cut.mp3": written(pcm, "MP3", "MPEG_LAYER_III"),
    }
    return {name: data[: len(data) // 2] for name, data in whole.items()}


def hurt_files(pcm: Pcm) -> dict[str, bytes]:
    """Files with zeros in the middle."""
    whole = {
        "hurt.flac": written(pcm, "FLAC", "PCM_16"),
        "hurt.ogg": written(pcm, "OGG", "VORBIS"),
        "hurt.opus": written(pcm, "OGG", "OPUS"),
        "hurt.mp3": written(pcm, "MP3", "MPEG_LAYER_III"),
    }
    return {name: _patched(data, len(data) // 2, bytes(600)) for name, data in whole.items()}


def no_sounds(pcm: Pcm) -> dict[str, bytes]:
    """What cannot be read."""
    raw = int16(pcm).tobytes()
    return {
        "empty": b"",
        "text.wav": b"this is not a sound\n" * 10,
        "only_riff.wav": b"RIFF",
        "no_data.wav": riff(form(), raw)[:36],
        "no_channels.wav": riff(form(channels=0), raw),
        "no_rate.wav": riff(form(rate=0), raw),
        "unknown_codec.wav": riff(form(0x1234), raw),
        "zeros": bytes(2_000_000),
    }


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _size(data: bytes, name: bytes, kind: str, size: int) -> bytes:
    """With another size in the chunk called ``name``."""
    return _patched(data, data.find(name) + 4, struct.pack(kind, size))
