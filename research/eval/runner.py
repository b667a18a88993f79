"""Runs codecs over clips and scores them, from a cache where that has been done before."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import InputError, MissingExtra, ModelError
from research.eval.cache import Cache, Entry
from research.eval.clips import Clip
from research.eval.codecs import CodecUnderTest, Original
from research.eval.loss import PacketLoss
from research.eval.metrics import Metric
from research.eval.noise import NoiseMix
from research.eval.results import Evaluation, Row
from research.eval.scoring import Outcome, Task, measure

__all__ = ["MAX_JOBS", "evaluate"]

# Every worker holds all the metrics' networks, about 1.5 GB.
MAX_JOBS = 2


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
    usable, missing = _usable(codecs)
    names = tuple(metric.name for metric in metrics)
    conditions = [*((loss, None) for loss in losses), *((0.0, noise) for noise in noises)]
    runs = [_Run(codec, loss, noise) for loss, noise in conditions for codec in usable]
    given = {noise: [_given(clip, noise) for clip in clips] for _, noise in conditions}
    tasks = [
        Task(run.codec, run.channel, clip, names, noisy)
        for run in runs
        for clip, noisy in given[run.noise]
    ]
    entries = []
    for done, outcome in enumerate(_outcomes(tasks, jobs, cache), start=1):
        entries.append(outcome.entry)
        missing |= outcome.missing
        if progress is not None:
            progress(done, len(tasks), tasks[done - 1].codec.title)
    per_run = len(clips)
    rows = tuple(
        run.row(tuple(entries[per_run * place : per_run * (place + 1)]), tuple(clips))
        for place, run in enumerate(runs)
    )
    loaded = tuple(metric for metric in metrics if metric.name not in missing)
    return Evaluation(rows, loaded, tuple(missing.values()))


@dataclass(frozen=True)
class _Run:
    """One codec in one condition."""

    codec: CodecUnderTest
    loss: float
    noise: NoiseMix | None

    @property
    def channel(self) -> PacketLoss | None:
        return PacketLoss(self.loss) if self.loss else None

    def row(self, entries: tuple[Entry, ...], clips: tuple[Clip, ...]) -> Row:
        is_noise_itself = self.noise is not None and isinstance(self.codec, Original)
        return Row(
            self.codec.name,
            "Noisy input" if is_noise_itself else self.codec.title,
            self.codec.latency_ms,
            self.loss,
            entries,
            clips,
            self.noise.snr_db if self.noise else None,
        )


def _usable(codecs: Sequence[CodecUnderTest]) -> tuple[list[CodecUnderTest], dict[str, str]]:
    """Those that run here, and why the others do not, by name."""
    usable: list[CodecUnderTest] = []
    missing: dict[str, str] = {}
    for codec in codecs:
        try:
            codec.key()
        except (MissingExtra, ModelError) as error:
            missing[codec.name] = f"{codec.title}: {error}"
        else:
            usable.append(codec)
    return usable, missing


def _given(clip: Clip, noise: NoiseMix | None) -> tuple[Clip, npt.NDArray[np.float32] | None]:
    """What to compare with, and what to code instead where there is noise."""
    if noise is None:
        return clip, None
    clean, noisy = noise.mix(clip.pcm, clip.name)
    return replace(clip, pcm=clean), noisy


def _outcomes(tasks: Sequence[Task], jobs: int, cache: Cache | None) -> Iterator[Outcome]:
    score = partial(measure, cache=cache)
    if jobs == 1:
        yield from map(score, tasks)
        return
    # Forking a process that runs inference threads can hang, so the workers start afresh.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=spawn) as pool:
        yield from pool.map(score, tasks)
