"""A batch of files: every sound below a folder, on all cores, each to a .q2d2 file beside it.

python apps/batch.py recordings --rate 1.5
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import q2d2_stream

SOUND = (".wav", ".flac", ".ogg", ".mp3", ".opus")


@cache
def codec() -> q2d2_stream.Codec:
    """One for each process."""
    return q2d2_stream.load_codec()


def encode(rate: str, path: Path) -> str:
    """Encode one file and say how it went; one that is no good stops no other."""
    try:
        result = q2d2_stream.encode_file(
            path, path.with_suffix(".q2d2"), bitrate=rate, codec=codec()
        )
    except (q2d2_stream.Q2D2Error, OSError) as error:
        return f"FAILED {path}: {error}"
    notes = "".join(f"; {sentence}" for sentence in result.warnings)
    return f"{path}: {result.seconds:.1f} s in {result.bytes} bytes{notes}"


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rate", default="3", help="kilobits per second")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    args = parser.parse_args(argv)
    files = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in SOUND)
    failed = 0
    with ProcessPoolExecutor(args.jobs) as pool:
        for line in pool.map(partial(encode, args.rate), files):
            print(line, flush=True)
            failed += line.startswith("FAILED")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
