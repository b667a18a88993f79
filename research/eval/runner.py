"""Runs codecs over clips and scores them, from a cache where that has been done before."""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import InputError, MissingExtra, ModelError
from research.eval.alignment import residual_delay_ms
from research.eval.cache import Cache, Entry
from research.eval.clips import SAMPLE_RATE, Clip
from research.eval.codecs import CodecUnderTest, Original
from research.eval.loss import GilbertElliott
from research.eval.metrics import METRICS, Metric, Score, Scorer
from research.eval.noise import NoiseMix
from research.eval.summary import Mean, TokenUse, mean, token_use

__all__ = ["MAX_JOBS", "Evaluation", "Row", "evaluate"]

# Every worker holds all the metrics' networks, about 1.5 GB.
MAX_JOBS = 2


@dataclass(frozen=True)
class Row:
    """One codec over all the clips, in one condition: as they are, with loss, or in noise.

    Attributes:
        name: the codec's, as on the command line.
        title: the codec's, as in a table.
        latency_ms: algorithmic latency.
        loss: share of packets lost, 0 to 1.
        entries: one for every clip, in the clips' order.
        clips: the clips.
        snr_db: signal-to-noise ratio of what the codec was given; None for the clean clips.
    """

    name: str
    title: str
    latency_ms: float
    loss: float
    entries: tuple[Entry, ...]
    clips: tuple[Clip, ...]
    snr_db: float | None = None

    @property
    def plain(self) -> bool:
        """Whether this is without loss and without noise."""
        return not self.loss and self.snr_db is None

    @property
    def kbps(self) -> float:
        """Bits that crossed the line per millisecond of speech; 0 for the original."""
        return sum(entry.bits for entry in self.entries) / self._seconds() / 1000

    @property
    def coded_kbps(self) -> float:
        """The same after entropy coding in a file, without its overhead; 0 where there is none."""
        return sum(entry.coded_bits for entry in self.entries) / self._seconds() / 1000

    @property
    def real_time_factor(self) -> float:
        """Processor seconds of encoding and decoding per second of speech."""
        return sum(entry.seconds for entry in self.entries) / self._seconds()

    @property
    def delay_ms(self) -> int:
        """Median residual delay behind the original; more than 2 either way is a misalignment."""
        delays = sorted(entry.delay_ms for entry in self.entries)
        return delays[len(delays) // 2]

    def score(self, metric: Metric, source: str | None = None) -> Mean | None:
        """Mean over the clips (of one source); None where no clip could be scored."""
        scores = [
            score
            for clip, entry in zip(self.clips, self.entries, strict=True)
            if source in (None, clip.source)
            and (score := entry.scores.get(metric.key())) is not None
        ]
        return mean(scores) if scores else None

    def tokens(self) -> list[TokenUse]:
        """Entropy of every pair; empty for codecs without tokens."""
        counts = [entry.counts for entry in self.entries if entry.counts]
        if not counts:
            return []
        return token_use(
            [
                [sum(column) for column in zip(*pair, strict=True)]
                for pair in zip(*counts, strict=True)
            ]
        )

    def _seconds(self) -> float:
        return sum(len(clip.pcm) for clip in self.clips) / SAMPLE_RATE


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        rows: one for every codec that could be run and every condition.
        metrics: the metrics that could be loaded.
        missing: sentences saying what could not be measured, and why.
    """

    rows: tuple[Row, ...]
    metrics: tuple[Metric, ...]
    missing: tuple[str, ...]

    def sources(self) -> list[str]:
        """Names of the clips' sources, sorted."""
        return sorted({clip.source for row in self.rows for clip in row.clips})


@dataclass(frozen=True)
class _Task:
    codec: CodecUnderTest
    loss: GilbertElliott | None
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
class _Outcome:
    entry: Entry
    missing: dict[str, str] = field(default_factory=dict)


def evaluate(
    codecs: Sequence[CodecUnderTest],
    clips: Sequence[Clip],
    metrics: Sequence[Metric],
    *,
    losses: Sequence[float] = (0.0,),
    noises: Sequence[NoiseMix] = (),
    jobs: int = 1,
    cache: Cache | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Evaluation:
    """Measure every codec on every clip with every metric.

    Args:
        codecs: what to measure; one that is not installed is named in ``missing``.
        clips: originals, at least one.
        metrics: how to measure; one that is not installed is named in ``missing``.
        losses: shares of packets lost, 0 for none; the same packets for every codec.
        noises: noise that is mixed into the clips, without loss, each a condition of its own after
            those of ``losses``; the same for every codec. Scores are against the clean clips.
        jobs: processes, 1 or 2. Codecs made from a function run in one only.
        cache: where scores of earlier runs are; None computes everything.
        progress: called after each clip with the number done, of how many, and a label.

    Raises:
        InputError: no clips, a number of jobs out of range, or noise that cannot be read.
    """
    if not clips:
        raise InputError("there are no clips to measure, expected at least one")
    if not 1 <= jobs <= MAX_JOBS:
        raise InputError(f"the number of jobs is {jobs}, expected 1 to {MAX_JOBS}")
    missing: dict[str, str] = {}
    usable: list[CodecUnderTest] = []
    for codec in codecs:
        try:
            codec.key()
        except (MissingExtra, ModelError) as error:
            missing[codec.name] = f"{codec.title}: {error}"
        else:
            usable.append(codec)
    names = tuple(metric.name for metric in metrics)
    conditions = [*((loss, None) for loss in losses), *((0.0, noise) for noise in noises)]
    runs: list[tuple[CodecUnderTest, float, NoiseMix | None]] = []
    tasks: list[_Task] = []
    for share, noise in conditions:
        loss = GilbertElliott(share) if share else None
        given = [_given(clip, noise) for clip in clips]
        for codec in usable:
            runs.append((codec, share, noise))
            tasks += [_Task(codec, loss, clip, names, noisy) for clip, noisy in given]
    entries = []
    for done, outcome in enumerate(_run(tasks, jobs, cache), start=1):
        entries.append(outcome.entry)
        missing |= outcome.missing
        if progress is not None:
            progress(done, len(tasks), tasks[done - 1].codec.title)
    rows = [
        Row(
            codec.name,
            "Noisy input" if noise and isinstance(codec, Original) else codec.title,
            codec.latency_ms,
            share,
            tuple(entries[place * len(clips) : (place + 1) * len(clips)]),
            tuple(clips),
            noise.snr_db if noise else None,
        )
        for place, (codec, share, noise) in enumerate(runs)
    ]
    loaded = tuple(metric for metric in metrics if metric.name not in missing)
    return Evaluation(tuple(rows), loaded, tuple(missing.values()))


def _given(clip: Clip, noise: NoiseMix | None) -> tuple[Clip, npt.NDArray[np.float32] | None]:
    """What to compare with, and what to code instead where there is noise."""
    if noise is None:
        return clip, None
    clean, noisy = noise.mix(clip.pcm, clip.name)
    return replace(clip, pcm=clean), noisy


def _run(tasks: Sequence[_Task], jobs: int, cache: Cache | None) -> Iterator[_Outcome]:
    measure = partial(_measure, cache=cache)
    if jobs == 1:
        yield from map(measure, tasks)
        return
    # Forking a process that runs inference threads can hang, so the workers start afresh.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        yield from pool.map(measure, tasks)


def _measure(task: _Task, cache: Cache | None) -> _Outcome:
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
        return _Outcome(known, missing)
    entry = _code_and_score(task, {todo[name]: scorer for name, scorer in scorers.items()})
    if known is not None:
        entry = entry.with_scores(known.scores)
    if cache is not None and place is not None:
        cache.write(place, entry)
    return _Outcome(entry, missing)


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


def _code_and_score(task: _Task, scorers: dict[str, Scorer]) -> Entry:
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
