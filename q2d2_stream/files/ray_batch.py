"""Whole folders on a Ray cluster: the work of :mod:`q2d2_stream.files.batch`, on more machines.

Scheduling, retries and the transport of files are Ray's own: files go to the workers and back
through its object store, so the machines need no folder in common, only this package.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from q2d2_stream.errors import InputError, MissingExtra
from q2d2_stream.files.batch import BatchSettings, Job, JobResult, codec_of, is_done, run_job
from q2d2_stream.files.output import open_output

__all__ = ["run_jobs_on_ray"]

_AHEAD = 2  # files per processor of the cluster that are in the object store at once


class _Named(io.BytesIO):
    """A file in memory that sentences can name."""

    def __init__(self, data: bytes, name: str) -> None:
        super().__init__(data)
        self.name = name


def _work(data: bytes, name: str, settings: BatchSettings) -> tuple[bytes, JobResult]:
    """What a worker does: bytes of one file to bytes of the other."""
    target = io.BytesIO()
    result = run_job(_Named(data, name), target, name, len(data), settings)
    return target.getvalue(), result


def run_jobs_on_ray(
    jobs: Iterable[Job], settings: BatchSettings, address: str
) -> Iterator[JobResult]:
    """Do all jobs on a cluster, and give back results as they come.

    Args:
        jobs: files of this machine; outputs are written here, too.
        settings: what is done with each.
        address: of the cluster as Ray takes it: "auto", "ray://host:10001", "host:6379".

    Raises:
        MissingExtra: Ray is not installed.
        InputError: there is no cluster.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtra("ray", "ray", "--ray") from error
    codec_of(settings)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        raise InputError(
            f"there is no Ray cluster at {address} ({error}), expected auto, ray://host:10001 or "
            "host:6379: start one with ray start --head"
        ) from error
    try:
        yield from _results(ray, jobs, settings)
    finally:
        ray.shutdown()


def _results(ray: Any, jobs: Iterable[Job], settings: BatchSettings) -> Iterator[JobResult]:
    remote = ray.remote(num_cpus=1)(_work)
    most = _AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
    running: dict[Any, Job] = {}
    waiting = iter(jobs)
    while True:
        while len(running) < most and (job := next(waiting, None)) is not None:
            if is_done(job, settings):
                yield JobResult(job.name, job.size, skipped=True)
                continue
            try:
                data = job.source.read_bytes()
            except OSError as error:
                yield JobResult(job.name, job.size, error=str(error))
                continue
            running[remote.remote(data, job.name, settings)] = job
        if not running:
            return
        (done,), _ = ray.wait(list(running))
        job = running.pop(done)
        try:
            data, result = ray.get(done)
        except ray.exceptions.RayError as error:
            yield JobResult(job.name, job.size, error=f"{job.name}: {_first_line(error)}")
            continue
        yield _written(job, data, result) if result.error is None else result


def _written(job: Job, data: bytes, result: JobResult) -> JobResult:
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        with open_output(job.target) as stream:
            stream.write(data)
    except OSError as error:
        return replace(result, error=str(error))
    return result


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
