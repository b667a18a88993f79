"""Traces of the playout, which the browser client must reproduce: every decision, and the sound.

python -m tests.labs.playout_vectors     writes tests/web/vectors/{playout,stretch,comfort}.json

The decoder is a clip of speech whose frames the indices number, so that sound can be compared and
stretching finds real periods. Times that are chosen here are whole microseconds. Sound is told by
two projections on fixed vectors (:func:`project`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

from q2d2_stream.config import FRAME_SAMPLES, SAMPLE_RATE
from q2d2_stream.frames import AudioFrames
from q2d2_stream.netsim import SimulatedLink, parse_link
from q2d2_stream.playout import Playout, PlayoutOptions
from q2d2_stream.playout.comfort import ComfortNoise
from q2d2_stream.playout.stretch import accelerate, expand
from q2d2_stream.sending.dtx import Dtx, DtxOptions
from tests.labs.codec_vectors import FOLDER
from tests.labs.playout import ClipDecoder, number, speech

__all__ = ["CLIP", "MAKERS", "Normals", "clip", "project"]

CLIP = FOLDER / "speech.wav"
"""Four seconds of speech, 16 bits at 24 kHz; written once, as resamplers differ in the last bit."""

_CLIP_S = 4
_FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
_REPORT_PULLS = 25  # between two looks at delays and sound

Pcm = NDArray[np.float32]


class Normals(np.random.Generator):
    """The browser's source of random numbers: mulberry32, then Box and Muller's transform."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(0))
        self._state = seed
        self._spare: float | None = None

    def standard_normal(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """``size`` numbers of mean 0 and variance 1."""
        values = [self._next() for _ in range(math.prod(size))]
        return np.array(values, dtype).reshape(size)

    def _next(self) -> float:
        if self._spare is not None:
            spare, self._spare = self._spare, None
            return spare
        radius = math.sqrt(-2.0 * math.log(self._uniform()))
        angle = 2.0 * math.pi * self._uniform()
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)

    def _uniform(self) -> float:
        word = 0xFFFFFFFF
        self._state = (self._state + 0x6D2B79F5) & word
        mixed = (self._state ^ (self._state >> 15)) * (self._state | 1) & word
        mixed ^= (mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61) & word)) & word
        return ((mixed ^ (mixed >> 14)) + 1) / 2**32


def clip() -> Pcm:
    """The speech of all vectors."""
    if not CLIP.exists():
        soundfile.write(CLIP, speech()[: _CLIP_S * SAMPLE_RATE], SAMPLE_RATE, "PCM_16")
    pcm, _ = soundfile.read(CLIP, dtype="float32")
    return np.asarray(pcm)


def project(pcm: Pcm) -> list[float]:
    """Sums that no sample leaves alone: of the square root of the frame's energy come 1e-6."""
    n = np.arange(len(pcm), dtype=np.float64)
    return [round(float(pcm @ np.cos(step * n * n)), 6) for step in (0.0011, 0.0037)]


class _LoggingDecoder(ClipDecoder):
    """Tells what it is asked for, in runs of frames: [pull, first number, frames]; a lost frame is
    -1, a reset -2."""

    def __init__(self, pcm: Pcm) -> None:
        super().__init__(pcm)
        self.pull = 0
        self.runs: list[list[int]] = []
        self.sought: list[int] = []
        self._last_pull = 0

    def push(self, indices: NDArray[np.uint8] | None) -> Pcm:
        pcm = super().push(indices)
        played = self.pushed[-1]
        self._log(-1 if played is None else played)
        return pcm

    def seek(self, number: int) -> None:
        self.sought.append(number)

    def reset(self) -> None:
        super().reset()
        self._log(-2)

    def _log(self, what: int) -> None:
        run = self.runs[-1] if self.runs else None
        follows = run is not None and self.pull - self._last_pull <= 1
        if run is not None and follows and what >= 0 and run[1] + run[2] == what and run[1] >= 0:
            run[2] += 1
        else:
            self.runs.append([self.pull, what, 1])
        self._last_pull = self.pull


@dataclass
class _Call:
    """Messages as they are sent and arrive, and how they are played.

    Attributes:
        link: as of ``--simulate``.
        seconds: length.
        options: of the playout.
        per_message: frames.
        block: samples of a pull.
        drift_ppm: by how much the sender's clock is fast.
        pull_jitter_s: pulls come up to this late.
        send: makes the messages: time they are complete, and their frames.
    """

    link: str = "delay=50"
    seconds: float = 12.0
    options: dict[str, Any] = field(default_factory=dict)
    per_message: int = 3
    block: int = FRAME_SAMPLES
    drift_ppm: float = 0.0
    pull_jitter_s: float = 0.0
    send: Callable[[_Call], Iterator[tuple[float, AudioFrames]]] | None = None

    @property
    def frames(self) -> int:
        return round(self.seconds / _FRAME_S)

    def arrivals(self) -> list[tuple[float, AudioFrames]]:
        link = SimulatedLink(parse_link(self.link))
        sent = list((self.send or _everything)(self))
        for n, (ready, _) in enumerate(sent):
            link.send(n.to_bytes(4, "big").ljust(40, b"\0"), ready)
        arrived = []
        while (at := link.next_arrival()) is not None:
            for message in link.receive(at):
                arrived.append((round(at, 6), sent[int.from_bytes(message[:4], "big")][1]))
        return arrived


def _everything(call: _Call) -> Iterator[tuple[float, AudioFrames]]:
    frame_s = _FRAME_S / (1.0 + 1e-6 * call.drift_ppm)
    indices, step = number(call.frames), call.per_message
    for first in range(0, call.frames - step + 1, step):
        stop = first + step
        yield stop * frame_s, AudioFrames(first, first, indices[first:stop], start=first == 0)


def _spurts(call: _Call) -> Iterator[tuple[float, AudioFrames]]:
    """Words and pauses through the sender's DTX."""
    indices, dtx, sequence = number(call.frames), Dtx(DtxOptions()), 0
    waiting: list[Any] = []
    for n in range(call.frames):
        waiting += dtx.push(indices[n], n % 260 in range(40, 150) or n % 97 == 0)
        while waiting and (len(waiting) >= call.per_message or waiting[-1].end or waiting[0].dtx):
            taken = waiting[:1] if waiting[0].dtx else waiting[: call.per_message]
            del waiting[: len(taken)]
            yield (
                (n + 1) * _FRAME_S,
                AudioFrames(
                    sequence,
                    taken[0].timestamp,
                    np.stack([frame.indices for frame in taken]),
                    start=taken[0].start,
                    end=taken[-1].end,
                    dtx=taken[0].dtx,
                ),
            )
            sequence += len(taken)


def _copies(call: _Call) -> Iterator[tuple[float, AudioFrames]]:
    """Each message once more, two messages later."""
    before: list[AudioFrames] = []
    for ready, frames in _everything(call):
        yield ready, frames
        before.append(frames)
        if len(before) > 2:
            old = before.pop(0)
            yield ready, AudioFrames(old.sequence, old.timestamp, old.indices, is_copy=True)


def _restarts(call: _Call) -> Iterator[tuple[float, AudioFrames]]:
    """Numbers wrap around; a stray message; then the sender begins anew elsewhere."""
    for n, (ready, frames) in enumerate(_everything(call)):
        at, sent_at = (-150, -77) if n < 150 else (5_000_000, 3_000_000)
        sequence, timestamp = frames.sequence + at, frames.timestamp + sent_at
        yield ready, AudioFrames(sequence % 2**32, timestamp % 2**32, frames.indices)
        if n == 75:
            yield ready, AudioFrames(900_000, 900_000, frames.indices)


_CALLS = {
    "clean": _Call(),
    "jitter": _Call("delay=50,jitter=60", 16.0),
    "reordered": _Call("delay=40,jitter=160,reorder=0.5,seed=3", per_message=1, block=240),
    "bursts of loss": _Call("delay=50,jitter=20,loss=0.1,burst=3,seed=5", 16.0),
    "stalls": _Call("delay=80,jitter=20,stall=2@6+0.3@12+0.3@17", 24.0, per_message=8, block=1024),
    "silence of the network": _Call("delay=30,stall=3@4", 9.0, {"capacity_frames": 64}),
    "full buffer": _Call("delay=30,jitter=30,stall=0.6@4", 8.0, {"capacity_frames": 16}),
    "fixed delay": _Call(
        "delay=20,jitter=120",
        options={"minimum_delay_ms": 200.0, "maximum_delay_ms": 200.0, "stretch": False},
    ),
    "fast sender": _Call("delay=50,jitter=30", 50.0, per_message=8, block=960, drift_ppm=300.0),
    "slow sender, uneven speaker": _Call(
        "delay=50,jitter=30,seed=4", 40.0, drift_ppm=-400.0, per_message=6, pull_jitter_s=0.004
    ),
    "pauses": _Call("delay=50,jitter=30,loss=0.03", 20.0, send=_spurts),
    "copies": _Call("delay=60,jitter=20,loss=0.12,seed=2", send=_copies),
    "another stream": _Call("delay=50,jitter=10", send=_restarts),
}


def _trace(call: _Call, pcm: Pcm) -> dict[str, Any]:
    decoder = _LoggingDecoder(pcm)
    options = PlayoutOptions(**call.options, seed=Normals(0))  # type: ignore[arg-type]
    playout = Playout(decoder, options)
    arrivals = call.arrivals()
    period_s = call.block / SAMPLE_RATE
    pulls = round((call.seconds + 0.5) / period_s)
    reports, splices, pieces = [], [], []
    stretched, put = (0.0, 0.0), 0
    for pull in range(pulls):
        now = pull * period_s + call.pull_jitter_s * (pull * 7919 % 1000 / 1000)
        while put < len(arrivals) and arrivals[put][0] <= now:
            playout.put(arrivals[put][1], arrivals[put][0])
            put += 1
        decoder.pull = pull
        pieces.append(playout.pull(now, call.block))
        stats = playout.stats()
        before, stretched = stretched, (stats.accelerated_ms, stats.expanded_ms)
        if stretched != before:
            gone, come = (round(24 * (b - a)) for a, b in zip(before, stretched, strict=True))
            splices.append([pull, come - gone])
        if (pull + 1) % _REPORT_PULLS == 0:
            target_ms, actual_ms, _ = playout.progress()
            sound = project(np.concatenate(pieces))
            reports.append([pull, target_ms, actual_ms, stats.jitter_ms, stats.drift_ppm, *sound])
            pieces.clear()
    return {
        "options": call.options,
        "block": call.block,
        "pulls": pulls,
        "pull_jitter_s": call.pull_jitter_s,
        # arrival, sequence, timestamp, frames, flags; the number of the first frame
        "messages": [_message(at, frames) for at, frames in arrivals],
        "decoded": decoder.runs,
        "sought": [sum(decoder.sought), len(decoder.sought)],
        "splices": splices,
        "reports": reports,
        "stats": asdict(playout.stats(network_ms=30.0, device_ms=20.0, processing_ms=10.0)),
    }


def _message(at: float, frames: AudioFrames) -> list[float]:
    first = frames.indices[0].tolist()
    named = first[0] + 145 * (first[1] + 85 * first[2])
    flags = frames.start + 2 * frames.end + 4 * frames.dtx + 8 * frames.is_copy
    return [at, frames.sequence, frames.timestamp, len(frames.indices), flags, named]


def playout() -> dict[str, Any]:
    """Whole calls."""
    pcm = clip()
    return {name: _trace(call, pcm) for name, call in _CALLS.items()}


def stretch() -> list[dict[str, Any]]:
    """One splice at a time: of each place its length, and the sound."""
    pcm, made = clip(), []
    for quiet in (False, True):
        for start in range(0, len(pcm) - 640, 640 if not quiet else 6400):
            block = pcm[start : start + 640]
            shorter = accelerate(block, quiet=quiet)
            longer = expand(block[:320], block[320:], quiet=quiet)
            made.append(
                {
                    "start": start,
                    "quiet": quiet,
                    "shorter": [len(shorter), *project(shorter)],
                    "longer": [len(longer), *project(longer)],
                }
            )
    return made


def comfort() -> dict[str, Any]:
    """What noise is learned of the clip and of silence, and what it sounds like."""
    pcm = clip()
    noise = ComfortNoise(Normals(5))  # type: ignore[arg-type]
    quiet, levels, sound = [], [], []
    for n in range(450):
        frame = pcm[n % 300 * 320 :][:320]
        quiet.append(int(noise.observe(frame if n != 400 else np.zeros(320, np.float32))))
        if n % 30 == 29:
            levels.append(round(noise.level_db, 4) if math.isfinite(noise.level_db) else None)
            sound.append(project(noise.generate(500 + n)))
    return {"quiet": "".join(map(str, quiet)), "level_db": levels, "sound": sound}


MAKERS: dict[str, Callable[[], Any]] = {"playout": playout, "stretch": stretch, "comfort": comfort}
"""Every file's name without its ending, and what makes its content."""


def main() -> None:
    """Write the files."""
    for name, make in MAKERS.items():
        (FOLDER / f"{name}.json").write_text(json.dumps(make()) + "\n")


if __name__ == "__main__":
    main()
