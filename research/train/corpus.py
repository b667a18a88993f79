"""A folder of speech, decoded once: samples, pitch and where each source begins.

A *source* is what should count as one voice or recording condition when clips are drawn: the
first folder below the root, or, for files directly in it, the name without a trailing ``-NN``.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from q2d2_stream.errors import InputError, MissingExtra

__all__ = ["Corpus", "Source", "files_by_source", "open_corpus", "voice_pitch"]

logger = logging.getLogger(__name__)

_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3"}
LOWEST_F0, HIGHEST_F0 = 60.0, 500.0  # Hz, of voices
_CHUNK_SECONDS = 10  # pitch is tracked piecewise: dio slows down with the length


@dataclass(frozen=True)
class Source:
    """One source of the corpus, memory-mapped.

    Attributes:
        name: folder or file prefix.
        pcm: int16 ``(samples,)`` at the codec's rate.
        f0: float32 ``(frames + 1,)``, Hz at every hop boundary, 0 where unvoiced.
        bandwidth_hz: above this the long-term spectrum is 50 dB below its maximum.
    """

    name: str
    pcm: NDArray[np.int16]
    f0: NDArray[np.float32]
    bandwidth_hz: float


@dataclass(frozen=True)
class Corpus:
    """All sources, and the weight with which each is drawn."""

    sources: tuple[Source, ...]
    weights: NDArray[np.float64]

    @property
    def hours(self) -> float:
        """Hours of audio in all."""
        return sum(len(s.pcm) for s in self.sources) / 24_000 / 3600


def voice_pitch(pcm: NDArray[np.float64], sample_rate: int, hop: int) -> NDArray[np.float32]:
    """F0 at every hop boundary, Hz, 0 where unvoiced, by WORLD's DIO and StoneMask."""
    try:
        import pyworld
    except ImportError as error:
        raise MissingExtra("pyworld", "train", "labelling pitch") from error
    period_ms = 1000.0 * hop / sample_rate
    chunk = _CHUNK_SECONDS * sample_rate // hop * hop
    parts = []
    for start in range(0, len(pcm), chunk):
        piece = np.ascontiguousarray(pcm[start : start + chunk + hop])
        rough, times = pyworld.dio(
            piece,
            sample_rate,
            f0_floor=LOWEST_F0,
            f0_ceil=HIGHEST_F0,
            frame_period=period_ms,
            speed=6,
        )
        fine = pyworld.stonemask(piece, rough, times, sample_rate)
        fine = np.where((fine < LOWEST_F0) | (fine > HIGHEST_F0), 0.0, fine)
        parts.append(fine[: chunk // hop].astype(np.float32))
    frames = len(pcm) // hop + 1
    f0 = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    return np.pad(f0, (0, max(0, frames - len(f0))))[:frames]


def _bandwidth_hz(pcm: NDArray[np.float32], sample_rate: int) -> float:
    size = 1024
    frames = pcm[: len(pcm) // size * size].reshape(-1, size)
    frames = frames[:: max(1, len(frames) // 2000)]
    power = (np.abs(np.fft.rfft(frames * np.hanning(size))) ** 2).mean(0)
    smooth = np.convolve(power, np.ones(9) / 9, "same")
    audible = np.nonzero(smooth > smooth.max() * 1e-5)[0]
    return float((audible[-1] if len(audible) else 0) * sample_rate / size)


def files_by_source(root: Path) -> dict[str, list[Path]]:
    """Audio files of every source, in order."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in _SUFFIXES):
        inside = path.relative_to(root).parts
        name = inside[0] if len(inside) > 1 else re.sub(r"-\d+$", "", path.stem)
        groups.setdefault(name, []).append(path)
    return groups


def _decode(paths: list[Path], sample_rate: int) -> Iterator[NDArray[np.float32]]:
    for path in paths:
        try:
            pcm, rate = soundfile.read(path, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            logger.warning("skipping %s: %s", path, error)
            continue
        mono = pcm.mean(axis=1)
        yield mono if rate == sample_rate else soxr.resample(mono, rate, sample_rate)


def _cache_source(paths: list[Path], folder: Path, sample_rate: int, hop: int) -> None:
    pcm = np.concatenate(list(_decode(paths, sample_rate)) or [np.zeros(hop, np.float32)])
    pcm = np.clip(pcm[: len(pcm) // hop * hop], -1.0, 1.0)
    f0 = voice_pitch(pcm.astype(np.float64), sample_rate, hop)
    np.save(folder / "f0.npy", f0)
    np.save(folder / "pcm.npy", (pcm * 32767.0).astype(np.int16))
    facts = {"bandwidth_hz": _bandwidth_hz(pcm, sample_rate), "files": len(paths)}
    (folder / "facts.json").write_text(json.dumps(facts))  # last: it marks a whole entry


def open_corpus(root: Path, cache: Path, sample_rate: int = 24_000, hop: int = 320) -> Corpus:
    """Decode what is not in the cache yet, and map the rest.

    Sources are drawn with a weight of the square root of their length, so that one big source
    does not dominate, and 0.7 of that when they have nothing above 9 kHz, so that the decoder
    does not learn to sound dull. Raises InputError when the folder has no audio.
    """
    groups = files_by_source(root)
    if not groups:
        kinds = ", ".join(sorted(_SUFFIXES))
        raise InputError(f"{root} has no audio files; expected some of {kinds}")
    sources = []
    for name, paths in groups.items():
        signature = [(str(p.relative_to(root)), p.stat().st_size) for p in paths]
        key = hashlib.sha256(json.dumps([signature, sample_rate, hop]).encode()).hexdigest()[:16]
        folder = cache / f"{name}-{key}"
        if not (folder / "facts.json").exists():
            logger.info("decoding %s (%d files)", name, len(paths))
            folder.mkdir(parents=True, exist_ok=True)
            _cache_source(paths, folder, sample_rate, hop)
        facts = json.loads((folder / "facts.json").read_text())
        pcm = np.load(folder / "pcm.npy", mmap_mode="r")
        f0 = np.load(folder / "f0.npy", mmap_mode="r")
        sources.append(Source(name, pcm, f0, facts["bandwidth_hz"]))
    size = np.array([len(s.pcm) for s in sources], np.float64)
    full = np.array([s.bandwidth_hz > 9000 for s in sources])
    weights = np.sqrt(size) * np.where(full, 1.0, 0.7)
    return Corpus(tuple(sources), weights / weights.sum())
