"""Whole folders: every file below one is encoded or decoded to the same place below another.

    jobs = find_jobs("corpus", "coded", settings)
    for result in run_jobs(jobs, settings, processes=8): ...

What is done and whole is skipped, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import lru_cache
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Literal

import soundfile

from q2d2_stream.container import Block, End, Header, Lost, Reader
from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.errors import InputError, Q2D2Error
from q2d2_stream.files.decode import decode_file
from q2d2_stream.files.encode import CODED_FORMATS, encode_file
from q2d2_stream.files.output import SoundTarget
from q2d2_stream.files.reader import SoundSource
from q2d2_stream.files.sound_writer import SOUND_FORMATS
from q2d2_stream.files.tokens import Tokens

__all__ = ["BatchSettings", "Job", "JobResult", "find_jobs", "is_done", "run_job", "run_jobs"]

SOUND_SUFFIXES = frozenset(
    (
        ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aiff", ".aif", ".aifc", ".au", ".snd",
        ".caf", ".w64", ".rf64",
    )
)  # fmt: skip
_SOUND_MAGIC = (
    b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"riff", b"caff", b".snd", b"fLaC", b"OggS",
    b"ID3",
)  # fmt: skip
_CODED_MAGIC = (b"\x89Q2D2",)
_AHEAD = 2  # jobs per process that are handed out at once


@dataclass(frozen=True)
class BatchSettings:
    """What is done with every file; plain values, for other processes.

    Attributes:
        action: "encode" or "decode".
        file_format: of the outputs: "q2d2" or "npz"; "wav", "flac" or "ogg".
        bitrate: name of a rate, None for the default; of "encode".
        entropy_coding: as of :func:`q2d2_stream.encode_file`.
        models, engine, precision: as of :func:`q2d2_stream.load_codec`.
    """

    action: Literal["encode", "decode"]
    file_format: str
    bitrate: str | None = None
    entropy_coding: bool = True
    models: str | None = None
    engine: str = "auto"
    precision: str = "auto"

    def __post_init__(self) -> None:
        formats = CODED_FORMATS if self.action == "encode" else SOUND_FORMATS
        if self.file_format not in formats:
            raise InputError(
                f"the format is {self.file_format!r}, expected one of {', '.join(formats)}"
            )


@dataclass(frozen=True)
class Job:
    """One file.

    Attributes:
        name: its path below the folder, for sentences.
        source, target: paths.
        size: of the source, in bytes.
    """

    name: str
    source: Path
    target: Path
    size: int


@dataclass(frozen=True)
class JobResult:
    """What came of a file.

    Attributes:
        name: of the job.
        size: of the job.
        seconds: length of the sound.
        cpu_s: processor time that it took.
        warnings: what was wrong with the file, a sentence each.
        error: why there is no output, in a sentence; None where there is one.
        skipped: it had been done before.
    """

    name: str
    size: int
    seconds: float = 0.0
    cpu_s: float = 0.0
    warnings: tuple[str, ...] = ()
    error: str | None = None
    skipped: bool = False


class _Stopped(Exception):
    """The run was interrupted."""


def find_jobs(source: Path, target: Path, settings: BatchSettings) -> list[Job]:
    """Every file below ``source`` that can be read, and where it goes below ``target``.

    What counts is the file's name or its first bytes; ``target`` itself may lie below ``source``.
    Two files of one folder that differ by their endings alone keep them: ``a.wav.q2d2``.

    Raises:
        InputError: ``source`` is no folder.
        OSError: a folder cannot be read.
    """
    if not source.is_dir():
        raise InputError(f"{source} is no folder, expected one")
    is_wanted = _is_sound if settings.action == "encode" else _is_coded
    found: list[Path] = []
    apart = target.resolve() if target.resolve() != source.resolve() else None
    for folder, folders, files in os.walk(source, onerror=_raise):
        folders[:] = sorted(f for f in folders if Path(folder, f).resolve() != apart)
        found += [path for name in sorted(files) if is_wanted(path := Path(folder, name))]
    relative = [path.relative_to(source) for path in found]
    stems = Counter(path.with_suffix("") for path in relative)
    jobs = []
    for path, name in zip(found, relative, strict=True):
        stem = name.with_suffix("") if stems[name.with_suffix("")] == 1 else name
        to = target / stem.with_name(f"{stem.name}.{settings.file_format}")
        jobs.append(Job(str(name), path, to, path.stat().st_size))
    return jobs


def _raise(error: OSError) -> None:
    raise error


def _is_sound(path: Path) -> bool:
    if path.suffix.lower() in SOUND_SUFFIXES:
        return path.is_file()
    start = _start(path)
    return start.startswith(_SOUND_MAGIC) or (start[:1] == b"\xff" and start[1:2] >= b"\xe0")


def _is_coded(path: Path) -> bool:
    if path.suffix.lower() in (".q2d2", ".npz"):
        return path.is_file()
    return _start(path).startswith(_CODED_MAGIC)


def _start(path: Path) -> bytes:
    """The first bytes of a regular file; none where it cannot be read."""
    try:
        if path.is_file():
            with path.open("rb") as file:
                return file.read(12)
    except OSError:
        pass
    return b""


@lru_cache(maxsize=1)
def _codec(models: str | None, engine: str, precision: str) -> Codec:
    """Loaded once in every process."""
    return load_codec(models, engine, precision)


def codec_of(settings: BatchSettings) -> Codec:
    """The codec; raises what :func:`q2d2_stream.load_codec` does."""
    return _codec(settings.models, settings.engine, settings.precision)


def is_done(job: Job, settings: BatchSettings) -> bool:
    """Whether the target is there, whole, newer than its source, and of the same settings."""
    try:
        if job.target.stat().st_mtime < job.source.stat().st_mtime:
            return False
        codec = codec_of(settings)
        if settings.action == "decode":
            frames: int = soundfile.info(job.target).frames
            return frames == _samples(job.source)
        rate = codec.config.find_rate(settings.bitrate)
        data = job.target.read_bytes()
        if settings.file_format == "npz":
            tokens = Tokens.from_bytes(data)
            made_by, index = tokens.model_hash, codec.config.find_rate(tokens.bitrate).index
            return made_by == codec.model_hash and index == rate.index
        reader = Reader()
        for event in [*reader.feed(data), *reader.close()]:
            match event:
                case Header() if event.model_hash != codec.model_hash:
                    return False
                case Block() if event.rate != rate.index:
                    return False
                case Lost():
                    return False
                case End():
                    return event.complete
    except (OSError, Q2D2Error, soundfile.SoundFileError):
        pass
    return False


def _samples(coded: Path) -> int | None:
    data = coded.read_bytes()
    if data.startswith(b"PK"):
        return Tokens.from_bytes(data).samples
    reader = Reader()
    *_, end = [*reader.feed(data), *reader.close()]
    assert isinstance(end, End)
    return end.samples


def run_job(
    source: SoundSource, target: SoundTarget, name: str, size: int, settings: BatchSettings
) -> JobResult:
    """Encode or decode one file, here and now; whatever goes wrong with it is in the result."""
    start = time.process_time()
    result = JobResult(name, size)
    try:
        codec = codec_of(settings)
        if settings.action == "encode":
            done = encode_file(
                source,
                target,
                bitrate=settings.bitrate,
                codec=codec,
                entropy_coding=settings.entropy_coding,
                file_format=settings.file_format,
                progress=_go_on,
            )
        else:
            done = decode_file(
                source, target, codec=codec, file_format=settings.file_format, progress=_go_on
            )
        result = replace(result, seconds=done.seconds, warnings=done.warnings)
    except (Q2D2Error, OSError) as error:
        result = replace(result, error=str(error))
    except MemoryError:
        result = replace(result, error=f"{name} needs more memory than there is")
    return replace(result, cpu_s=time.process_time() - start)


def run_jobs(jobs: Iterable[Job], settings: BatchSettings, processes: int) -> Iterator[JobResult]:
    """Do all jobs in so many processes, and give back results as they come.

    A process that dies, for want of memory or by a fault in a library, costs the file that it was
    at, and no other. When the iteration is left early, files that are under way are dropped.

    Raises what loading the models raises, before any file is done.
    """
    codec_of(settings)
    waiting = iter(jobs)
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    while True:
        running: dict[Future[JobResult], Job] = {}
        pool = ProcessPoolExecutor(processes, context, _start_process, (stop,))
        try:
            while True:
                while len(running) < _AHEAD * processes and (job := next(waiting, None)):
                    running[pool.submit(_run, job, settings)] = job
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    del running[future]
                    yield result
        except BrokenProcessPool:
            pass  # by which of the files that were under way is found out below
        except BaseException:
            stop.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
        for job in running.values():
            yield _alone(job, settings)


def _alone(job: Job, settings: BatchSettings) -> JobResult:
    """Do a job in a process of its own, which may die."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, _start_process, (context.Event(),)) as pool:
        try:
            return pool.submit(_run, job, settings).result()
        except BrokenProcessPool:
            return JobResult(job.name, job.size, error="the process that worked on it died")


def _run(job: Job, settings: BatchSettings) -> JobResult:
    if is_done(job, settings):
        return JobResult(job.name, job.size, skipped=True)
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        return run_job(job.source, job.target, job.name, job.size, settings)
    except OSError as error:
        return JobResult(job.name, job.size, error=str(error))
    except _Stopped:
        return JobResult(job.name, job.size, error="interrupted")


_stop: Event | None = None


def _start_process(stop: Event) -> None:
    """In a process of its own: Ctrl-C is for the one that hands out the jobs, which says stop."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _go_on(done: float, total: float | None) -> None:
    if _stop is not None and _stop.is_set():
        raise _Stopped
