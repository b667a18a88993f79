"""Speech in noise: the same excerpt of noise for every codec, at the level that was asked for."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import InputError
from research.eval.clips import SAMPLE_RATE, resample, sound_files

__all__ = ["MAX_SNR_DB", "MIN_SNR_DB", "NoiseMix", "active_level", "parse_snrs"]

MIN_SNR_DB, MAX_SNR_DB = -20.0, 60.0
_FRAME = SAMPLE_RATE // 50  # 20 ms
_ACTIVE = 1e-3  # of the loudest frame's power: 30 dB below it
# Under -80 dBFS there is only the rounding of a pause, which would be raised to a roar.
_SILENCE = 1e-4
_TRIES = 50


@dataclass(frozen=True)
class NoiseMix:
    """Mixes clips with recordings of noise.

    The signal-to-noise ratio is that of the active level of the clip (see :func:`active_level`)
    to the root mean square of the excerpt. Which excerpt it is, file and place, hangs on the
    clip's name, its length and the seed only, so all ratios and all codecs meet the same noise.

    Attributes:
        folder: where the recordings are, of any rate and channel count; subfolders count too.
        snr_db: signal-to-noise ratio in decibels, -20 to 60.
        seed: with the clip's name it decides the excerpt.

    Raises:
        InputError: a ratio out of range, no such folder, or no sound file in it.
    """

    folder: Path
    snr_db: float
    seed: int = 0

    def __post_init__(self) -> None:
        if not MIN_SNR_DB <= self.snr_db <= MAX_SNR_DB:
            raise InputError(
                f"the SNR is {self.snr_db:g} dB, expected {MIN_SNR_DB:g} to {MAX_SNR_DB:g}"
            )
        if not self._files:
            raise InputError(f"{self.folder} is no folder with sound files; give one with --noise")

    def mix(
        self, pcm: npt.NDArray[np.float32], clip: str
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """The clean and the noisy clip, both as long as ``pcm``.

        Clean is ``pcm`` itself unless the mixture would leave -1 to 1: then both are turned down
        by the same factor. So nothing is clipped, the ratio stays, and what a metric compares
        with is as loud as the speech that the codec was given.

        Args:
            pcm: float32 samples, shape ``(n,)``, 24 kHz mono.
            clip: the clip's name.

        Raises:
            InputError: a recording that cannot be read, or a folder of silence.
        """
        noise = self._excerpt(len(pcm), clip)
        gain = active_level(pcm) / _rms(noise) * 10 ** (-self.snr_db / 20)
        noisy = pcm + np.float32(gain) * noise
        peak = np.abs(noisy).max()
        return (pcm / peak, noisy / peak) if peak > 1 else (pcm, noisy)

    @cached_property
    def _files(self) -> list[Path]:
        return sound_files(self.folder)

    def _excerpt(self, samples: int, clip: str) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng([self.seed, zlib.crc32(clip.encode())])
        for _ in range(_TRIES):
            noise = _read_part(self._files[rng.integers(len(self._files))], samples, rng)
            if _rms(noise) > _SILENCE:
                return noise
        raise InputError(f"{self.folder} holds next to nothing but silence, expected noise")


def active_level(pcm: npt.NDArray[np.float32]) -> float:
    """Root mean square over the frames of 20 ms within 30 dB of the loudest, so without pauses."""
    whole = len(pcm) // _FRAME * _FRAME
    frames = pcm[:whole].reshape(-1, _FRAME) if whole else pcm[None]
    power = np.square(frames, dtype=np.float64).mean(axis=1)
    return float(np.sqrt(power[power >= _ACTIVE * power.max()].mean()))


def parse_snrs(text: str) -> list[float]:
    """Decibels from "5" or "0,5,10", each once; raises InputError for what is no number."""
    try:
        snrs = list(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError as error:
        raise InputError(f"the SNR is {text!r}, expected decibels such as 5 or 0,5,10") from error
    return snrs


def _rms(pcm: npt.NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(pcm, dtype=np.float64).mean()))


def _read_part(path: Path, samples: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """``samples`` at 24 kHz from a place drawn by ``rng``; a shorter file is repeated."""
    import soundfile

    try:
        # Only what is wanted is read: a file of noise may last for hours.
        with soundfile.SoundFile(path) as file:
            frames = -(-samples * file.samplerate // SAMPLE_RATE)
            file.seek(rng.integers(max(file.frames - frames, 0) + 1))
            pcm = file.read(frames, dtype="float32", always_2d=True).mean(axis=1)
            rate = file.samplerate
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} cannot be read as sound: {error}") from error
    # An offset is not heard, but would count as noise.
    heard = pcm - pcm.mean() if len(pcm) else pcm
    return np.resize(resample(np.ascontiguousarray(heard), rate, SAMPLE_RATE), samples)
