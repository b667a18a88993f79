"""Music and general sound: what a speech codec makes of them, and what training on them gives.

    python -m research.experiments.sounds --music DIR --sounds DIR --speech DIR --samples OUT
    python -m research.experiments.sounds --data SPEECH --cache FOLDER --music DIR --sounds DIR \\
        --speech DIR --train DIR

The first scores the shipped codec and Opus on excerpts: ViSQOL in its mode for audio, error of mel
spectra at four resolutions, and relative distance of the hidden layers of a speech recogniser. The
second trains on a folder of other music and sounds, too: the shipped codec for a few hundred steps
(:mod:`research.experiments.harness.fine_tuning`), beside as many on speech.

Limits: ViSQOL hears up to 24 kHz, the codec sends up to 12: no codec of 24 kHz gets all marks. The
recogniser was made for speech, and a loss like it was used in training. Sounds such as these were
mixed into the codec's training speech at 10 to 40 dB below it; music was not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from q2d2_stream.cli.failures import run_command
from q2d2_stream.config import SAMPLE_RATE
from q2d2_stream.engine import load_codec
from q2d2_stream.errors import InputError
from research.eval.clips import resample, sound_files
from research.eval.codecs import CodecUnderTest, StreamCodec
from research.eval.opus import OpusCodec
from research.experiments.decoded import Decoded
from research.experiments.harness.arms import BASELINE
from research.experiments.harness.fine_tuning import FineTuned
from research.experiments.harness.fine_tuning import Settings as FineTuning
from research.experiments.harness.mel_distance import mel_distance_db
from research.experiments.harness.results import FOLDER, PICTURES, Results, newest
from research.experiments.harness.tables import save
from research.train.whisper import WhisperLoss

__all__ = ["excerpts", "main"]

Pcm = NDArray[np.float32]
Mean = tuple[float, float]

_SECONDS = 4.0
_COUNT = 5
_QUIETEST = 0.005  # rms
_KINDS = ("music", "sounds", "speech")


def excerpts(folder: Path, count: int = _COUNT, seconds: float = _SECONDS) -> Iterator[Pcm]:
    """Excerpts spread over the files of a folder and over their length, 24 kHz mono; quiet ones are
    passed over."""
    files = sound_files(folder)
    if not files:
        raise InputError(f"{folder} has no sound files; give a folder that has")
    each = -(-count // len(files))
    given = 0
    for path in files[:: max(1, len(files) // count)]:
        said = soundfile.info(path)
        length = int(seconds * said.samplerate)
        for part in range(each):
            first = int(max(0, said.frames - length) * (part + 0.5) / each)
            pcm, rate = soundfile.read(
                path, frames=length, start=first, dtype="float32", always_2d=True
            )
            mono = resample(np.ascontiguousarray(pcm.mean(1)), rate, SAMPLE_RATE)
            if np.sqrt(np.mean(mono**2)) > _QUIETEST and given < count:
                given += 1
                yield np.clip(mono, -1.0, 1.0)


class _Visqol:
    """ViSQOL v3 in its mode for audio, at 48 kHz."""

    def __init__(self) -> None:
        from visqol import VisqolApi

        self._api = VisqolApi()
        self._api.create(mode="audio")

    def __call__(self, got: Pcm, wanted: Pcm) -> float:
        original, coded = (
            resample(x, SAMPLE_RATE, 48_000).astype(np.float64) for x in (wanted, got)
        )
        return float(self._api.measure_from_arrays(original, coded, 48_000).moslqo)


def _codecs() -> list[CodecUnderTest]:
    ladder = load_codec().config.ladder
    ours = [StreamCodec(rate.name) for rate in (ladder[-2], ladder[-1])]
    return [*ours, OpusCodec(12.0)]


@dataclass(frozen=True)
class _Score:
    """What a codec makes of excerpts of one kind."""

    name: str
    roundtrip: Callable[[Pcm], Pcm]
    folder: Path
    kind: str
    samples: Path | None

    def __call__(self) -> dict[str, Any]:
        visqol, hearing = _Visqol(), WhisperLoss()
        scores = []
        for number, pcm in enumerate(excerpts(self.folder)):
            got = self.roundtrip(pcm)
            with torch.no_grad():
                distance = hearing(*(torch.from_numpy(x)[None] for x in (got, pcm)))
            scores.append([visqol(got, pcm), mel_distance_db(got, pcm), float(distance)])
            if self.samples is not None and number in (1, 3):
                self.samples.mkdir(parents=True, exist_ok=True)
                for name, said in ((self.name, got), ("original", pcm)):
                    path = self.samples / f"{self.kind}_{number}.{name}.ogg"
                    soundfile.write(path, said, SAMPLE_RATE, subtype="OPUS")
        names = ("visqol", "mel_db", "embedding")
        return dict(zip(names, np.array(scores).T, strict=True))


def _score_all(args: argparse.Namespace, results: Results) -> None:
    model = load_codec().model_id

    def measure(title: str, name: str, roundtrip: Callable[[Pcm], Pcm], **key: Any) -> None:
        for kind in _KINDS:
            work = _Score(name, roundtrip, getattr(args, kind), kind, args.samples)
            results.measure({"title": title, "kind": kind, "model_id": model, **key}, work)

    for codec in _codecs():
        measure(codec.title, codec.name, lambda pcm, codec=codec: codec.roundtrip(pcm).pcm)  # type: ignore[misc]
    if args.train is None:
        return
    for seed in range(args.seeds):
        for what, data in (("speech", args.data), ("music and sounds", args.train)):
            runs = Decoded(results, data, args.cache, FineTuning())
            tuned, _ = runs.codec(BASELINE, seed)
            said = partial(_said, runs, tuned)
            measure(f"2.94 kbps, tuned to {what}", f"tuned_{what.split()[0]}", said, seed=seed)


def _said(runs: Decoded, codec: FineTuned, pcm: Pcm) -> Pcm:
    return codec.roundtrip(runs.net, pcm, max(codec.sent))[0]


_SCORES = {"visqol": 2, "mel_db": 2, "embedding": 3}  # and digits
_TITLES = ("ViSQOL audio", "mel error, dB", "embedding")


def _by_codec(records: Sequence[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Mean]]:
    """For every codec and kind: means over the excerpts and half of their 95 % intervals. Scores
    of several seeds are averaged first."""
    found: dict[tuple[str, str], dict[str, Mean]] = {}
    for key in dict.fromkeys((r["title"], r["kind"]) for r in records):
        mine = [r for r in records if (r["title"], r["kind"]) == key]
        each = {name: np.mean([r[name] for r in mine], 0) for name in _SCORES}
        found[key] = {
            name: (float(v.mean()), float(1.96 * v.std(ddof=1) / np.sqrt(len(v))))
            for name, v in each.items()
        }
    return found


def score_table(records: Sequence[dict[str, Any]]) -> str:
    """Means over the excerpts and 95 % intervals of them, as Markdown."""
    lines = [f"| codec | kind | {' | '.join(_TITLES)} |", "|---|---|---|---|---|"]
    for (title, kind), means in _by_codec(records).items():
        cells = [f"{means[n][0]:.{d}f} ± {means[n][1]:.{d}f}" for n, d in _SCORES.items()]
        lines.append(f"| {title} | {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(records: Sequence[dict[str, Any]]) -> Figure:
    """The same as points, a panel for each score."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    found = _by_codec(records)
    titles = list(dict.fromkeys(title for title, _ in found))
    panels = figure.subplots(1, len(_SCORES))
    for panel, name, label in zip(panels, _SCORES, _TITLES, strict=True):
        for place, title in enumerate(titles):
            kinds = [kind for kind in _KINDS if (title, kind) in found]
            means, halves = zip(*(found[title, kind][name] for kind in kinds), strict=True)
            at = [_KINDS.index(kind) + 0.12 * (place - (len(titles) - 1) / 2) for kind in kinds]
            panel.errorbar(at, means, halves, fmt=".", capsize=2, label=title)
        panel.set_xticks(range(len(_KINDS)), _KINDS)
        panel.set_title(label, fontsize="medium")
    panels[0].legend(fontsize="x-small")
    return figure


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="research.experiments.sounds",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of training speech")
    parser.add_argument("--cache", type=Path, help="decoded sound, features and weights")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the records")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder of the pictures")
    for kind in _KINDS:
        parser.add_argument(f"--{kind}", type=Path, help=f"folder of {kind} to be judged")
    parser.add_argument("--train", type=Path, help="folder of other music and sounds")
    parser.add_argument("--samples", type=Path, help="folder for what was decoded")
    return run_command("sounds", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    torch.set_num_threads(1)
    results = Results.of("sounds", args.results)
    if args.music and args.sounds and args.speech:
        _score_all(args, results)
    scored = newest(results.read())
    print(score_table(scored))
    if scored:
        save(draw(scored), "sounds", args.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
