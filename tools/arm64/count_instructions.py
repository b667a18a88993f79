"""Count the arm64 instructions that every engine executes for a frame, encoder and decoder.

    python tools/arm64/count_instructions.py build/arm64/bookworm [--cpu cortex-a76]

Needs a userland of build_userland.sh, qemu-user (not the static one: that takes no plugins) and
cc. Python's own instructions are included: a call executes them as well. Counts are exact and
repeat to a few parts in a thousand; what they mean in milliseconds is an estimate
(docs/guides/raspberry_pi.md).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from q2d2_stream.engine.choice import available, model_file
from q2d2_stream.engine.codec import MODELS

_HERE = Path(__file__).parent


def count(userland: Path, choice: tuple[str, str], frames: int, cpu: str, models: str) -> list[int]:
    """Instructions per frame of encoder and decoder.

    Raises:
        CalledProcessError: qemu or the program in it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder) / "count_plugin.so"
        source = _HERE / "count_plugin.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", plugin, source], check=True)
        environment = os.environ | {
            "QEMU": "qemu-aarch64",
            "QEMU_PLUGIN": str(plugin),
            "QEMU_CPU": cpu,
        }
        program = map(str, (_HERE / "counted_frames.py", *choice, frames, models))
        done = subprocess.run(
            [_HERE / "in_userland.sh", userland, *program],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    return [int(n) // frames for n in re.findall(r"q2d2-count (\d+)", done.stderr)]


def main() -> None:
    """Print a line to each engine: instructions per frame, and the bytes of its weights."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("userland", type=Path)
    parser.add_argument("--cpu", default="cortex-a72", help="as qemu names it (a Pi 5: cortex-a76)")
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--models", help="folder of models, the shipped ones if not given")
    args = parser.parse_args()
    folder = Path(args.models) if args.models else MODELS
    print(f"{args.cpu:<14}{'encoder':>10}{'decoder':>10}{'both':>10}   M instructions per frame")
    for choice in available(folder):
        try:
            parts = count(args.userland, choice, args.frames, args.cpu, args.models or "-")
        except subprocess.CalledProcessError as error:
            print(f"{' '.join(choice)}: {error.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            continue
        files = [model_file(folder, role, choice).stat().st_size for role in ("encoder", "decoder")]
        cells = "".join(f"{n / 1e6:>10.2f}" for n in (*parts, sum(parts)))
        print(f"{' '.join(choice):<14}{cells}   {sum(files) / 1e6:.1f} MB of files", flush=True)


if __name__ == "__main__":
    main()
