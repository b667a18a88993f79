"""The clips that a codec is measured on: a folder of speech files, grouped by their source."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from q2d2_stream.config import SAMPLE_RATE
from q2d2_stream.errors import InputError

__all__ = ["SAMPLE_RATE", "Clip", "load_clips", "resample", "sound_files", "source_name", "spread"]

_log = logging.getLogger(__name__)

_SUFFIXES = frozenset({".flac", ".wav", ".ogg", ".opus", ".mp3"})


@dataclass(frozen=True)
class Clip:
    """One clip of speech.

    Attributes:
        name: file name without its suffix, such as "alphanumeric_en_08".
        source: the name without its number ("alphanumeric_en"): clips of one source share
            speakers, microphone and language.
        pcm: float32 samples, shape ``(n,)``, 24 kHz mono, nominal range -1 to 1.
        text: what is said, from a text file of the same name beside the clip, if there is one.
    """

    name: str
    source: str
    pcm: npt.NDArray[np.float32]
    text: str | None = None

    @property
    def english(self) -> bool:
        """Whether the clip may be taken for English: its source names no other language.

        A source says its language by a two-letter ending ("danieldona_es").
        """
        code = re.search(r"_([a-z]{2})$", self.source)
        return code is None or code.group(1) == "en"


def load_clips(folder: Path | str, limit: int | None = None) -> list[Clip]:
    """The speech files of a folder and its subfolders, sorted by name, as 24 kHz mono.

    Args:
        folder: where the files are: FLAC, WAV, Ogg, Opus or MP3 of any rate and channel count.
        limit: at most so many clips, spread evenly over the sources.

    Raises:
        InputError: there is no such folder, or no speech file in it that can be read; one that
            cannot is named in the log and left out.
    """
    root = Path(folder)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder of speech files; give one with --data")
    files = sound_files(root)
    if not files:
        raise InputError(f"{root} has no speech files, expected some of {sorted(_SUFFIXES)}")
    named = [(path, source_name(path)) for path in files]
    chosen = set(spread([source for _, source in named], limit))
    clips = []
    for place, (path, source) in enumerate(named):
        if place not in chosen:
            continue
        try:
            pcm = _read(path)
        except (InputError, OSError) as error:
            _log.warning("%s: it is left out", error)
            continue
        clips.append(Clip(path.stem, source, pcm, _read_text(path.with_suffix(".txt"))))
    if not clips:
        raise InputError(f"{root} has no speech file that can be read")
    return clips


def source_name(path: Path) -> str:
    """A file's name without suffix and number, or its folder's where nothing is left."""
    return re.sub(r"[-_]?\d+$", "", path.stem) or path.parent.name


def sound_files(folder: Path) -> list[Path]:
    """Files of a folder and its subfolders with a suffix of sound, sorted; none without it."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)


def spread(sources: Sequence[str], limit: int | None) -> list[int]:
    """Places of at most ``limit`` clips, taken in turn from every source so that all are heard."""
    turns: dict[str, int] = {}
    order = []
    for place, source in enumerate(sources):
        turns[source] = turns.get(source, -1) + 1
        order.append((turns[source], place))
    return sorted(place for _, place in sorted(order)[:limit])


def resample(pcm: npt.NDArray[np.float32], rate_in: int, rate_out: int) -> npt.NDArray[np.float32]:
    """``pcm`` of shape ``(n,)`` at ``rate_in`` Hz, band-limited and at ``rate_out`` Hz."""
    if rate_in == rate_out:
        return pcm
    import soxr

    return np.asarray(soxr.resample(pcm, rate_in, rate_out, "HQ"), np.float32)


def _read(path: Path) -> npt.NDArray[np.float32]:
    import soundfile

    try:
        pcm, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} cannot be read as sound: {error}") from error
    if not len(pcm) or not np.isfinite(pcm).all():
        raise InputError(f"{path} holds no samples, or some that are no numbers")
    return resample(np.ascontiguousarray(pcm.mean(axis=1)), rate, SAMPLE_RATE)


def _read_text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
