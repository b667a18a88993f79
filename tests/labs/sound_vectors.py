"""What the browser client does with sound before and after the codec, as Python or SciPy does it.

python -m tests.labs.sound_vectors     writes tests/web/vectors/{resample,meters,voice,mixer}.json
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from math import ceil, gcd
from typing import Any

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from q2d2_stream.audio import LevelMeter, Mute
from q2d2_stream.audio.voice_detector import LevelDetector, WebRtcVoiceDetector
from q2d2_stream.call.mixer import Mixer
from q2d2_stream.frames import AudioFrames
from q2d2_stream.playout import PlayoutOptions
from tests.labs.codec_vectors import FOLDER
from tests.labs.playout import ClipDecoder, number
from tests.labs.playout_vectors import Normals, clip, project

__all__ = ["MAKERS", "low_pass"]

_RATES = (48_000, 44_100, 32_000, 16_000, 8_000, 96_000)
_CROSSINGS, _ROLL_OFF, _BETA = 32, 0.92, 9.0

Pcm = NDArray[np.float32]


def low_pass(up: int, down: int) -> NDArray[np.float64]:
    """The filter of web/src/audio/resample.ts, at the common multiple of both rates."""
    reach = _CROSSINGS * max(up, down)
    at = np.arange(-reach, reach + 1)
    cutoff = _ROLL_OFF / max(up, down)
    taps: NDArray[np.float64] = cutoff * np.sinc(cutoff * at) * np.kaiser(len(at), _BETA)
    return taps


def resample() -> list[dict[str, Any]]:
    """A piece of the clip, taken to be at either rate."""
    pcm, made = clip()[20_000:20_360].astype(np.float64), []
    for rate in _RATES:
        for in_rate, out_rate in ((rate, 24_000), (24_000, rate)):
            up, down = (each // gcd(in_rate, out_rate) for each in (out_rate, in_rate))
            out = scipy.signal.resample_poly(pcm, up, down, window=low_pass(up, down))
            # All that is known when the last input has come.
            held = ceil(_CROSSINGS * max(1.0, in_rate / out_rate))
            known = ceil((len(pcm) - held) * up / down)
            made.append({"in": in_rate, "out": out_rate, "pcm": np.round(out[:known], 6).tolist()})
    return made


def meters() -> dict[str, Any]:
    """Frame by frame: what a meter shows, whether a detector hears voice, how a mute fades."""
    pcm, meter, detector, mute = clip(), LevelMeter(), LevelDetector(), Mute()
    levels, voice = [], []
    for n, frame in enumerate(pcm.reshape(-1, 320)):
        meter.push(frame * np.float32(40.0 if n == 100 else 1.0))
        if n % 20 == 0 or n in (100, 101):
            levels.append([n, meter.rms_db, meter.peak_db, meter.clipped_samples])
        voice.append(int(detector.is_voice(frame)))
    faded = []
    for on in (False, True, True, False, False):
        mute.on = on
        faded.append(project(mute.apply(pcm[20_000:20_320])))
    return {"levels": levels, "voice": "".join(map(str, voice)), "muted": faded}


def voice() -> list[dict[str, Any]]:
    """Frames that hold voice for the detector of calls, in white noise, by mode."""
    pcm, random, made = clip(), Normals(3), []
    for mode, noise in ((0, 0.0), (3, 0.0), (2, 0.002), (3, 0.01)):
        detector = WebRtcVoiceDetector(mode)
        heard = (pcm + noise * random.standard_normal(pcm.shape)).astype(np.float32)
        votes = [detector.is_voice(frame) for frame in heard.reshape(-1, 320)]
        voiced = "".join("1" if vote else "0" for vote in votes)
        made.append({"mode": mode, "noise": noise, "voice": voiced})
    return made


def _gated(pcm: Pcm) -> Pcm:
    """``pcm`` with silence where it is quiet and every now and then: so is comfort noise then."""
    frames = pcm[: len(pcm) // 320 * 320].reshape(-1, 320).copy()
    frames[np.square(frames).mean(axis=1) < 1e-4] = 0.0
    frames[::20] = 0.0
    return frames.reshape(-1)


def mixer() -> dict[str, Any]:
    """Ten members of a room, of which eight are heard; some turned down, some gone."""
    pcm = _gated(clip())
    # Six times as loud as it was: what is summed must be limited.
    mix = Mixer(lambda member: ClipDecoder(6.0 * pcm[3200 * member :]), PlayoutOptions())
    indices = number(1200)
    looks, pieces = [], []
    for pull in range(1200):
        now = pull / 75
        for member in range(10):
            # Two are there at first, all from second 4 on, and six of them until second 6.
            first = 0 if member < 2 else 300 + 7 * member
            last = 450 if 1 < member < 8 else 1150
            if first <= pull < last and (pull - first) % 3 == 2:
                at = pull - first - 2
                frames = AudioFrames(at, at, indices[at : at + 3], end=pull + 3 >= last)
                mix.put(member, frames, now)
        if pull == 150:
            mix.set_gain(1, 0.25)
        if pull == 375:
            mix.set_gain(0, 0.0)
        if pull == 600:
            mix.remove(1)
        pieces.append(mix.pull(now, 320))
        if pull % 25 == 24:
            sound = project(np.concatenate(pieces))
            peak = float(np.abs(np.concatenate(pieces)).max())
            looks.append([pull, sorted(mix.talking(now)), mix.refused, round(peak, 5), *sound])
            pieces.clear()
    return {"looks": looks, "stats": asdict(mix.stats(network_ms=20.0, device_ms=10.0))}


MAKERS: dict[str, Callable[[], Any]] = {
    "resample": resample,
    "meters": meters,
    "voice": voice,
    "mixer": mixer,
}
"""Every file's name without its ending, and what makes its content."""


def main() -> None:
    """Write the files."""
    for name, make in MAKERS.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(make()) + "\n")


if __name__ == "__main__":
    main()
