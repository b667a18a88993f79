"""One codec on one clip: coded, scored, and kept."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import MissingExtra
from research.eval.alignment import residual_delay_ms
from research.eval.cache import Cache, Entry
from research.eval.clips import Clip
from research.eval.codecs import CodecUnderTest
from research.eval.loss import PacketLoss
from research.eval.metrics import METRICS, Score, Scorer

__all__ = ["Outcome", "Task", "measure"]


@dataclass(frozen=True)
class Task:
    """A codec, a clip, what befalls its packets, and the metrics that are wanted."""

    codec: CodecUnderTest
    loss: PacketLoss | None
    clip: Clip
    metrics: tuple[str, ...]
    # What the codec is given instead of the clip, which stays what its output is compared with.
    noisy: npt.NDArray[np.float32] | None = None

    def condition(self) -> str:
        """What befell the clip, for the cache."""
        if self.noisy is None:
            return repr(self.loss)
        return f"{self.loss!r} noisy {hashlib.sha256(self.noisy.tobytes()).hexdigest()}"


@dataclass
class Outcome:
    """What became of a task: its entry, and the metrics that are not installed, with the reason."""

    entry: Entry
    missing: dict[str, str] = field(default_factory=dict)


def measure(task: Task, cache: Cache | None) -> Outcome:
    """Score one clip, taking from the cache what is there."""
    key = task.codec.key()
    place = cache.place(key, task.condition(), task.clip) if cache is not None and key else None
    known = cache.read(place) if cache is not None and place is not None else None
    wanted = {name: METRICS[name].key() for name in task.metrics}
    todo = {
        name: score_key
        for name, score_key in wanted.items()
        if known is None or score_key not in known.scores
    }
    scorers, missing = _load(todo)
    if known is not None and not scorers:
        return Outcome(known, missing)
    entry = _code_and_score(task, {todo[name]: scorer for name, scorer in scorers.items()})
    if known is not None:
        entry = entry.with_scores(known.scores)
    if cache is not None and place is not None:
        cache.write(place, entry)
    return Outcome(entry, missing)


def _load(names: Iterable[str]) -> tuple[dict[str, Scorer], dict[str, str]]:
    scorers: dict[str, Scorer] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            scorers[name] = _scorer(name)
        except MissingExtra as error:
            missing[name] = str(error)
    return scorers, missing


@functools.cache
def _scorer(name: str) -> Scorer:
    return METRICS[name].load()


def _code_and_score(task: Task, scorers: dict[str, Scorer]) -> Entry:
    clip = task.clip
    heard = clip.pcm if task.noisy is None else task.noisy
    lost = task.loss.trace(len(clip.pcm), clip.name) if task.loss else None
    coded = task.codec.roundtrip(heard, lost)
    scores: dict[str, Score | None] = {
        score_key: scorer(clip, coded.pcm) for score_key, scorer in scorers.items()
    }
    # Behind what the codec was given: noise has an envelope of its own.
    delay = residual_delay_ms(heard, coded.pcm)
    return Entry(coded.bits, coded.seconds, delay, scores, coded.counts, coded.coded_bits)
