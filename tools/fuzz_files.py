"""Mutated sound files and random options: no traceback, no hang, bounded memory.

    python -m tools.fuzz_files [--files N] [--options N] [--seed N]

Every file is one of the readable formats, cut, overwritten, shuffled or with bytes inserted; it is
read to its end from memory, as a pipe every fourth time. Every set of options is a command line of
``q2d2`` with values that are odd, wrong or missing. A run ends with a table and, when something
went wrong, with exit status 1 and what is needed to do it again. The tests run a small part of it.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import io
import os
import random
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
import soundfile

from q2d2_stream.errors import Q2D2Error
from q2d2_stream.files.reader import open_sound

__all__ = ["fuzz_files", "fuzz_options", "seeds"]

LIMIT_S = 10.0
MEMORY_BYTES = 4 << 30  # of address space beyond what is used when it begins
_RATE = 24_000
_ODD_NUMBERS = (0, 1, 2, 3, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)

Failure = tuple[str, str]


def seeds() -> dict[str, bytes]:
    """A short sound in every format and subtype that libsndfile writes at 24 kHz."""
    rng = np.random.default_rng(0)
    mono = 0.3 * np.sin(np.arange(7200) * 0.07) + rng.normal(0, 0.02, 7200)
    stereo = np.stack([mono, np.roll(mono, 100)], 1)
    found = {}
    for kind in soundfile.available_formats():
        # RAW and SDS are not read, and SD2 is half written to a file of its own, "._".
        if kind in ("RAW", "SDS", "SD2"):
            continue
        for subtype in soundfile.available_subtypes(kind):
            for name, pcm in (("mono", mono), ("stereo", stereo)):
                out = io.BytesIO()
                with contextlib.suppress(soundfile.SoundFileError, ValueError, AssertionError):
                    soundfile.write(out, pcm, _RATE, format=kind, subtype=subtype)
                    found[f"{kind} {subtype} {name}"] = out.getvalue()
    return found


def mutated(data: bytes, rng: random.Random) -> bytes:
    """``data`` with one to four things wrong with it, most often in its header."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        if not out:
            break
        at = rng.randrange(min(len(out), rng.choice((64, 200, len(out)))))
        kind = rng.randrange(7)
        if kind == 0:
            del out[at:]
        elif kind == 1:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 2:
            out[at : at + rng.randint(1, 40)] = rng.randbytes(rng.randint(1, 40))
        elif kind == 3:
            out[at : at + 4] = rng.choice(_ODD_NUMBERS).to_bytes(4, rng.choice(("little", "big")))
        elif kind == 4:
            del out[at : at + rng.randint(1, 200)]
        elif kind == 5:
            out[at:at] = out[at : at + rng.randint(1, 200)]
        else:
            out[at : at + rng.randint(1, 500)] = bytes(rng.randint(1, 500))
    return bytes(out)


def fuzz_files(count: int, seed: int) -> tuple[Counter[str], list[Failure]]:
    """Read ``count`` mutated files: how they ended, and those that ended wrongly."""
    originals = sorted(seeds().items())
    ends: Counter[str] = Counter()
    failures: list[Failure] = []
    for number in range(count):
        rng = random.Random(f"{seed} {number}")
        name, data = originals[number % len(originals)]
        what = f"file {number} ({name}) of seed {seed}"
        end, failure = _judged(partial(_read, mutated(data, rng), number % 4 == 3))
        ends[end] += 1
        if failure is not None:
            failures.append((what, failure))
    return ends, failures


def _read(data: bytes, as_pipe: bool) -> str:
    with _source(data, as_pipe) as source, open_sound(source, _RATE) as sound:
        samples = 0
        for block in sound:
            assert block.dtype == np.float32, block.dtype
            assert block.ndim == 1, block.shape
            assert np.isfinite(block).all()
            samples += len(block)
            if samples > _RATE * 3600:  # a rate of 1 Hz in the header: sound of hours
                return "long"
        return "warned" if sound.warnings else "read"


@contextlib.contextmanager
def _source(data: bytes, as_pipe: bool) -> Iterator[BinaryIO]:
    if not as_pipe:
        yield io.BytesIO(data)
        return
    reading, writing = os.pipe()

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(writing, "wb") as out:
            out.write(data)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    with os.fdopen(reading, "rb") as stream:
        yield stream
    thread.join()


def fuzz_options(count: int, seed: int) -> tuple[Counter[str], list[Failure]]:
    """Run ``count`` odd command lines in this process: how they ended, and what went wrong."""
    import q2d2_stream.engine
    from q2d2_stream.cli.main import main

    ends: Counter[str] = Counter()
    failures: list[Failure] = []
    load_codec = q2d2_stream.engine.load_codec
    q2d2_stream.engine.load_codec = cache(load_codec)  # a tenth of a second each time
    with contextlib.ExitStack() as stack:
        stack.callback(setattr, q2d2_stream.engine, "load_codec", load_codec)
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(contextlib.chdir(folder))
        soundfile.write("ok.wav", np.zeros(2400), _RATE)
        assert main(["encode", "-q", "ok.wav", "ok.q2d2"]) == 0
        Path("text.txt").write_text("text\n" * 10)
        Path("folder").mkdir()
        for number in range(count):
            rng = random.Random(f"{seed} {number}")
            line = _command_line(rng)
            end, failure = _judged(partial(_run, main, line))
            ends[end] += 1
            if failure is not None:
                failures.append((" ".join(line), failure))
            for path in Path().iterdir():
                if path.name.startswith(".") or path.suffix == ".part":
                    failures.append((" ".join(line), f"{path} was left behind"))
                    path.unlink()
    return ends, failures


_WORDS = (
    "", "-", "ok.wav", "ok.q2d2", "out.q2d2", "out.wav", "out.flac", "out.ogg", "out.npz",
    "text.txt", "folder", "missing.wav", "no/such/folder.wav", "/dev/null", "/dev/full", "nan",
    "inf", "-inf", "-1", "0", "1", "1.5", "2", "3", "6", "7", "1e9", "1e-9", "9" * 20, "0x10",
    "1,5", "silence", "null", "auto", "onnx", "tflite", "int8", "fp32", "loss=0.1", "loss=nan",
    "delay=-5", "stall=1@2", "127.0.0.1:0", "127.0.0.1:99999", "[::1", "a..b:1", "ho st:1", ":",
    "\udcff", "x" * 300, "é", "correct horse battery", "wss://127.0.0.1:1",
)  # fmt: skip
_OPTIONS = {
    "encode": (
        "--rate", "--no-entropy-coding", "-q", "--models", "--engine", "--precision",
        "--format", "--steps",
    ),
    "decode": ("-q", "--models", "--engine", "--precision", "--format"),
    "info": ("--models", "--engine", "--precision"),
    "loopback": (
        "--input", "--output", "--rate", "--frames-per-message", "--fixed-delay", "--simulate",
        "--delay", "--jitter", "--loss", "--stats-json", "--metrics", "--engine", "--mute", "--dtx",
    ),
    "call": (
        "--secret", "--secret-file", "--tls-cert", "--tls-key", "--ca", "--input", "--output",
        "--rate", "--fixed-delay", "--simulate", "--stats-json", "--metrics", "--no-proxy",
        "--open", "--peer",
    ),
}  # fmt: skip


def _command_line(rng: random.Random) -> list[str]:
    """A command with files and options as nobody should write them."""
    # A loopback takes real time, half a second of it after the sound.
    (command,) = rng.choices(list(_OPTIONS), (10, 10, 4, 1, 10))
    files = {"encode": 2, "decode": 2, "info": 1}.get(command, 0)
    line = [command, *(rng.choice(_WORDS) for _ in range(files))]
    if command == "encode" and rng.random() < 0.5:
        line[1:3] = ["ok.wav", rng.choice(_WORDS)]
    if command == "decode" and rng.random() < 0.5:
        line[1:3] = ["ok.q2d2", rng.choice(_WORDS)]
    for option in rng.sample(_OPTIONS[command], rng.randint(0, min(4, len(_OPTIONS[command])))):
        line.append(option)
        if rng.random() < 0.8:
            line.append(rng.choice(_WORDS))
    if command == "loopback":
        line += ["--input=ok.wav", "--output=null"]
    if command == "call":  # it ends by itself: nobody listens there
        if "--peer" not in line:
            line.append("--peer=127.0.0.1:1")
        line += ["--input=silence", "--output=null"]
    return line


def _run(main: Callable[[list[str]], int], line: list[str]) -> str:
    said = io.StringIO()
    with (
        contextlib.redirect_stderr(said),
        contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), encoding="utf-8")),
        open(os.devnull) as nothing,
        _stdin(nothing),
    ):
        try:
            status = main(line)
        except SystemExit as error:
            status = int(error.code or 0)
    text = said.getvalue()
    assert "Traceback" not in text, text
    assert status in (0, 1, 2, 3), status
    assert status == 0 or text.strip(), "failed without a word"
    return f"exit status {status}"


@contextlib.contextmanager
def _stdin(stream: TextIO) -> Iterator[None]:
    before, sys.stdin = sys.stdin, stream
    try:
        yield
    finally:
        sys.stdin = before


def _judged(action: Callable[[], str]) -> tuple[str, str | None]:
    """How an action ended, and what was wrong with that."""
    start = time.process_time()  # a busy machine is no hang; a wait is, and ends the run below
    faulthandler.dump_traceback_later(20 * LIMIT_S, exit=True)
    try:
        end, failure = action(), None
    except (Q2D2Error, OSError) as error:
        end, failure = f"refused: {type(error).__name__}", None
    except Exception as error:
        end, failure = type(error).__name__, f"{type(error).__name__}: {error}"
    faulthandler.cancel_dump_traceback_later()
    took = time.process_time() - start
    if took > LIMIT_S and failure is None:
        failure = f"took {took:.1f} s"
    return end, failure


def main() -> int:
    """Fuzz as the command line says: 1 when something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=10_000, metavar="N")
    parser.add_argument("--options", type=int, default=10_000, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
    wrong = 0
    for what, fuzz, count in (
        ("files", fuzz_files, args.files),
        ("option sets", fuzz_options, args.options),
    ):
        start = time.monotonic()
        ends, failures = fuzz(count, args.seed)
        wrong += len(failures)
        print(f"{count} {what} in {time.monotonic() - start:.0f} s, {len(failures)} wrong")
        for end, number in ends.most_common():
            print(f"  {number:6} {end}")
        for name, failure in failures[:20]:
            print(f"  WRONG {name}: {failure[:500]}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{peak:.0f} MB at most")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
