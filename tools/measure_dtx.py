"""How much speech discontinuous transmission cuts off, and how much it saves.

    python tools/measure_dtx.py CLEAN_DIR [--noise FILE --snr 15] [--detector ratio --above -10]

Frames of the clean clips are speech when they are within 35 dB of the clip's loud frames (95th
percentile) and above -60 dBFS; a word begins where speech follows at least 150 ms without. Each
clip is framed by one second of its own background (noise alone, or digital silence).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from q2d2_stream.audio.noise_suppressor import NoiseSuppressor
from q2d2_stream.audio.voice_detector import WebRtcVoiceDetector
from q2d2_stream.sending import Dtx, DtxOptions

__all__ = ["main"]

_HOP = 320
_BLOCK = 240
_PAD_FRAMES = 75
_ONSET_GAP_FRAMES = 11
_ONSET_FRAMES = 8
_SPEECH_BELOW_LOUD_DB = 35.0
_SPEECH_ABOVE_DBFS = -60.0


@dataclass
class Totals:
    """Sums over all clips, in frames unless the name says otherwise."""

    frames: int = 0
    sent: int = 0
    speech: int = 0
    speech_cut: int = 0
    onsets: int = 0
    onsets_clipped: int = 0
    onset_cut: int = 0


def speech_frames(clean: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which frames of a clean clip hold speech, shape ``(frames,)``."""
    frames = clean.reshape(-1, _HOP)
    level_db = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    floor_db = max(np.percentile(level_db, 95) - _SPEECH_BELOW_LOUD_DB, _SPEECH_ABOVE_DBFS)
    return np.asarray(level_db > floor_db)


def sent_frames(
    voiced: NDArray[np.bool_], options: DtxOptions
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which frames are sent at all, and which of them within talk spurts."""
    dtx = Dtx(options)
    sent, spurt = np.zeros(len(voiced), bool), np.zeros(len(voiced), bool)
    for voice in voiced:
        for frame in dtx.push(np.zeros(3, np.uint8), bool(voice)):
            sent[frame.timestamp] = True
            spurt[frame.timestamp] = not frame.dtx
    return sent, spurt


def add(
    totals: Totals,
    speech: NDArray[np.bool_],
    voiced: NDArray[np.bool_],
    options: DtxOptions,
) -> None:
    """Count one clip."""
    sent, spurt = sent_frames(voiced, options)
    totals.frames += len(sent)
    totals.sent += int(sent.sum())
    totals.speech += int(speech.sum())
    totals.speech_cut += int((speech & ~spurt).sum())
    for first in np.flatnonzero(speech):
        if speech[max(0, first - _ONSET_GAP_FRAMES) : first].any():
            continue
        cut = speech[first : first + _ONSET_FRAMES] & ~spurt[first : first + _ONSET_FRAMES]
        totals.onsets += 1
        totals.onsets_clipped += bool(cut.any())
        totals.onset_cut += int(cut.sum())


def voiced_by_webrtc(heard: NDArray[np.float32], mode: float) -> NDArray[np.bool_]:
    """The detector of calls, frame by frame."""
    detector = WebRtcVoiceDetector(int(mode))
    return np.array([detector.is_voice(frame) for frame in heard.reshape(-1, _HOP)])


def voiced_by_ratio(heard: NDArray[np.float32], above_db: float) -> NDArray[np.bool_]:
    """Frames in which the noise suppressor finds more voice over noise than ``above_db``.

    It judges a frame with the look-ahead by which it holds the sound back.
    """
    suppressor = NoiseSuppressor()
    delay = NoiseSuppressor.delay_samples // _BLOCK
    blocks = np.pad(heard, (0, -len(heard) % _BLOCK + delay * _BLOCK)).reshape(-1, _BLOCK)
    ratios = []
    for block in blocks:
        suppressor.process(block)
        ratios.append(suppressor.snr_db)
    found = np.repeat(np.array(ratios[delay:]) > above_db, _BLOCK)[: len(heard)]
    return np.asarray(found.reshape(-1, _HOP).any(axis=1))


_DETECTORS = {"webrtc": voiced_by_webrtc, "ratio": voiced_by_ratio}


def noisy(
    clean: NDArray[np.float32], noise: NDArray[np.float32], snr_db: float
) -> NDArray[np.float32]:
    """``clean`` plus ``noise`` at ``snr_db`` over the clip's speech frames."""
    speech = clean.reshape(-1, _HOP)[speech_frames(clean)]
    gain = np.sqrt(np.mean(speech**2) / (np.mean(noise**2) + 1e-12)) * 10 ** (-snr_db / 20)
    return np.asarray(clean + gain * noise, np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("clean", type=Path, help="folder of clean 24 kHz clips")
    parser.add_argument("--noise", type=Path, help="24 kHz noise to mix in")
    parser.add_argument("--white", action="store_true", help="mix in white noise instead")
    parser.add_argument("--snr", type=float, default=15.0, help="dB (default: 15)")
    parser.add_argument("--detector", choices=_DETECTORS, default="webrtc")
    parser.add_argument(
        "--above", type=float, nargs="+", default=[0], help="modes of webrtc, or decibels of ratio"
    )
    parser.add_argument("--preroll", type=int, nargs="+", default=[0, 8])
    parser.add_argument("--hangover", type=int, nargs="+", default=[30])
    args = parser.parse_args()
    noise = soundfile.read(args.noise, dtype="float32")[0] if args.noise else None
    random = np.random.default_rng(0)
    clips = []
    for path in sorted(args.clean.iterdir()):
        pcm = soundfile.read(path, dtype="float32")[0]
        pcm = pcm[: len(pcm) // _HOP * _HOP]
        pcm = np.pad(pcm, _PAD_FRAMES * _HOP)
        heard = pcm
        if args.white:
            white = random.standard_normal(len(pcm)).astype(np.float32)
            heard = noisy(pcm, white, args.snr)
        if noise is not None:
            first = random.integers(len(noise) - len(pcm))
            heard = noisy(pcm, noise[first : first + len(pcm)], args.snr)
        clips.append((speech_frames(pcm), heard))
    print("above preroll hangover | sent %  speech cut %  onsets  clipped %  ms cut per onset")
    for above in args.above:
        voiced = [_DETECTORS[args.detector](heard, above) for _, heard in clips]
        for preroll in args.preroll:
            for hangover in args.hangover:
                totals = Totals()
                for (speech, _), voice in zip(clips, voiced, strict=True):
                    add(totals, speech, voice, DtxOptions(preroll, hangover))
                print(
                    f"{above:5g} {preroll:7d} {hangover:8d} |"
                    f" {100 * totals.sent / totals.frames:6.1f}"
                    f" {100 * totals.speech_cut / totals.speech:13.2f} {totals.onsets:7d}"
                    f" {100 * totals.onsets_clipped / totals.onsets:10.1f}"
                    f" {totals.onset_cut / totals.onsets * 40 / 3:17.1f}"
                )


if __name__ == "__main__":
    main()
