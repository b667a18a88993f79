"""``q2d2 encode`` and ``q2d2 decode`` of whole folders."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.progress import progress
from q2d2_stream.cli.warn import warn
from q2d2_stream.errors import InputError

if TYPE_CHECKING:
    from q2d2_stream.files.batch import BatchSettings

__all__ = ["add_batch_arguments", "is_folder", "run_batch"]


def add_batch_arguments(parser: argparse.ArgumentParser, formats: str) -> None:
    """Declare ``--format``, ``--jobs`` and ``--ray``."""
    parser.add_argument("--format", metavar="NAME", help=f"of the output: {formats}")
    group = parser.add_argument_group("folders", "INPUT may be a folder, and OUTPUT then is one")
    group.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="files at once, each in a process of its own (default: as many as there are cores)",
    )
    group.add_argument(
        "--ray", metavar="ADDRESS", help="on a Ray cluster: auto, ray://host:10001 or host:6379"
    )


def is_folder(args: argparse.Namespace) -> bool:
    """Whether the input is a folder; raises InputError for options that only folders have."""
    if os.path.isdir(args.input):
        return True
    for option in ("jobs", "ray"):
        if getattr(args, option) is not None:
            raise InputError(f"--{option} is for folders, expected one in place of {args.input}")
    return False


def run_batch(args: argparse.Namespace, settings: BatchSettings) -> int:
    """Do every file below the input folder: FAILED when one of them was not to be done."""
    from q2d2_stream.files.batch import find_jobs, run_jobs
    from q2d2_stream.files.ray_batch import run_jobs_on_ray

    if args.output == "-" or (os.path.exists(args.output) and not os.path.isdir(args.output)):
        raise InputError(f"{args.output} is no folder, expected one, as the input is")
    processes = args.jobs if args.jobs is not None else os.cpu_count() or 1
    if processes < 1:
        raise InputError(f"--jobs is {processes}, expected 1 or more")
    jobs = find_jobs(Path(args.input), Path(args.output), settings)
    total = sum(job.size for job in jobs)
    start = time.perf_counter()
    done = 0
    skipped = failed = 0
    seconds = cpu_s = 0.0
    if args.ray is not None:
        results = run_jobs_on_ray(jobs, settings, args.ray)
    else:
        results = run_jobs(jobs, settings, min(processes, max(1, len(jobs))))
    with progress(f"{settings.action}: {len(jobs)} files", args.quiet) as show:
        for result in results:
            done += result.size
            seconds += result.seconds
            cpu_s += result.cpu_s
            skipped += result.skipped
            failed += result.error is not None
            if result.error is not None:
                print(
                    f"q2d2 {settings.action}: {_named(result.name, result.error)}", file=sys.stderr
                )
            for sentence in result.warnings:
                warn(sentence)
            show(done, total)
    if not args.quiet:
        speed = seconds / (time.perf_counter() - start)
        parts = [f"{len(jobs) - skipped - failed} files, {seconds / 3600:.2f} h of sound"]
        parts += [f"{skipped} done before"] if skipped else []
        parts += [f"{failed} failed"] if failed else []
        if cpu_s:
            parts.append(f"{speed:.1f} times real time, {seconds / cpu_s:.1f} h per core-hour")
        print("; ".join(parts), file=sys.stderr)
    return ExitCode.FAILED if failed else ExitCode.OK


def _named(name: str, error: str) -> str:
    return error if name in error else f"{name}: {error}"
