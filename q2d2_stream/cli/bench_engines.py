"""``q2d2 bench --all``: every engine and precision on this machine, and Opus as the yardstick."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from q2d2_stream.config import SAMPLE_RATE
from q2d2_stream.engine.choice import Choice, available, model_file
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.errors import MissingExtra, ModelError, Q2D2Error

__all__ = ["measure_engines", "run_all"]

_OPUS_KBPS = 6.0
_ROUNDS = 3  # of every engine, in turn; the best counts, for other programs only ever add time
_COLUMNS = (
    ("median us", "median_us", "{:.0f}"),
    ("p99 us", "p99_us", "{:.0f}"),
    ("real-time factor", "real_time_factor", "{:.4f}"),
    ("encode us", "encode_us", "{:.0f}"),
    ("decode us", "decode_us", "{:.0f}"),
    ("peak MB", "peak_rss_mb", "{:.0f}"),
    ("load ms", "load_ms", "{:.0f}"),
    ("files MB", "files_mb", "{:.1f}"),
)


def run_all(args: argparse.Namespace) -> int:
    """Measure and print a table, one line to each engine and precision, or JSON."""
    folder = Path(args.models) if args.models else MODELS
    rows = measure_engines(folder, args.seconds, args.rate, args.wav)
    if args.json:
        print(json.dumps(rows))
        return 0
    print("per frame of 13.3 ms, encoded and decoded, one thread; - was not measured\n")
    names = [title for title, _, _ in _COLUMNS]
    print(f"| {'engine':<20} | {' | '.join(names)} |")
    print(f"|{'-' * 22}|{'|'.join('-' * (len(n) + 1) + ':' for n in names)}|")
    for row in rows:
        cells = []
        for title, key, form in _COLUMNS:
            text = "-" if row.get(key) is None else form.format(row[key])
            cells.append(f"{text:>{len(title)}}")
        print(f"| {row['name']:<20} | {' | '.join(cells)} |")
    return 0


def measure_engines(
    folder: Path, seconds: float, rate: str | None, wav: str | None = None
) -> list[dict[str, Any]]:
    """One dictionary to each engine and precision, in the order of preference, then Opus.

    Each runs in a process of its own, so that memory and load time are its own, and in turns, so
    that all see the same neighbours.

    Raises:
        ModelError: ``folder`` holds nothing that runs here.
    """
    rows: dict[Choice, dict[str, Any]] = {}
    found = list(available(folder))
    if not found:
        raise ModelError(f"{folder} holds no models that run here; reinstall q2d2-stream")
    for _ in range(_ROUNDS):
        for choice in found:
            row = _in_a_process(folder, choice, seconds, rate, wav)
            best = rows.get(choice)
            if best is None or row["median_us"] < best["median_us"]:
                rows[choice] = row
    opus = _opus(seconds)
    return [*rows.values(), *([opus] if opus else [])]


def _in_a_process(
    folder: Path, choice: Choice, seconds: float, rate: str | None, wav: str | None
) -> dict[str, Any]:
    engine, precision = choice
    command = [sys.executable, "-m", "q2d2_stream", "bench", "--json"]
    command += ["--engine", engine, "--precision", precision, "--models", str(folder)]
    command += [
        "--seconds",
        str(seconds),
        *(["--rate", rate] if rate else []),
        *(["--wav", wav] if wav else []),
    ]
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | one_thread)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Q2D2Error(f"{engine} {precision} failed ({reason})")
    result = json.loads(done.stdout)
    files = [model_file(folder, role, choice) for role in ("encoder", "decoder")]
    return {
        "name": f"{engine} {precision}",
        **result["frame"],
        "real_time_factor": result["real_time_factor"],
        "encode_us": result["encode"]["median_us"],
        "decode_us": result["decode"]["median_us"],
        "peak_rss_mb": result["peak_rss_mb"],
        "load_ms": result["load_ms"],
        "files_mb": sum(f.stat().st_size for f in files) / 1e6,
    }


def _opus(seconds: float) -> dict[str, Any] | None:
    """Opus at complexity 10, per 13.3 ms of sound; None where there is no libopus.

    Its frames are 20 ms, so what is timed are pieces of one second.
    """
    from q2d2_stream.cli.bench import synthetic_sound
    from q2d2_stream.cli.libopus import OPUS_FRAME_SAMPLES, OpusStream

    frames_per_second, per_second = 50, 75
    try:
        opus = OpusStream(_OPUS_KBPS)
    except (MissingExtra, OSError):
        return None
    pieces = max(3, round(seconds))
    pcm = synthetic_sound(SAMPLE_RATE, SAMPLE_RATE * pieces)
    us = []
    with opus:
        for piece in pcm.reshape(pieces, frames_per_second, OPUS_FRAME_SAMPLES):
            started = time.process_time()
            for frame in piece:
                opus.decode(opus.encode(frame))
            us.append(1e6 * (time.process_time() - started) / per_second)
    median = float(np.median(us))
    return {
        "name": f"Opus {_OPUS_KBPS:g} kbps, c. 10",
        "median_us": median,
        "real_time_factor": 1e-6 * per_second * median,
    }
