"""Install a wheel in a fresh environment and use it: `python tools/smoke_wheel.py dist/*.whl`.

Fetches what the wheel depends on. Says how large the wheel is, how many lines of Python it holds
and how long importing takes; fails where a command does.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

_CLIP = Path(__file__).parents[1] / "apps" / "speech" / "kathleen_en_0.flac"
_VERSIONS = """
import importlib.metadata
import q2d2_stream
print(q2d2_stream.__version__, importlib.metadata.version("q2d2-stream"))
"""


def count_lines(wheel: Path) -> int:
    """Lines of Python in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith(".py")]
        return sum(archive.read(name).count(b"\n") for name in names)


def import_seconds(python: Path) -> float:
    """Processor time of ``import q2d2_stream``, the shortest of five."""
    code = "from time import process_time as t; b = t(); import q2d2_stream; print(t() - b)"
    runs = [subprocess.run([python, "-c", code], check=True, capture_output=True) for _ in range(5)]
    return min(float(run.stdout) for run in runs)


def smoke(wheel: Path, folder: Path) -> None:
    """Install ``wheel`` into ``folder`` and run its commands there; raises where one fails."""
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    subprocess.run([programs / "pip", "install", "--quiet", wheel], check=True)

    def run(*command: str | Path) -> str:
        done = subprocess.run(
            [programs / command[0], *command[1:]],
            cwd=folder,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout

    said, installed = run("python", "-c", _VERSIONS).split()
    assert said == installed, f"the package says {said}, its metadata {installed}"
    assert run("q2d2", "--version").split()[-1] == said
    run("q2d2", "info")
    run("q2d2", "encode", _CLIP, "speech.q2d2", "--rate", "3")
    run("q2d2", "info", "speech.q2d2")
    run("q2d2", "decode", "speech.q2d2", "speech.wav")
    for thin in ("call", "loopback", "doctor", "service"):
        run(f"q2d2-{thin}", "--help")
    size_mb = wheel.stat().st_size / 1e6
    coded, decoded = ((folder / f"speech.{kind}").stat().st_size for kind in ("q2d2", "wav"))
    print(f"{wheel.name}: {size_mb:.1f} MB, {count_lines(wheel):,} lines of Python")
    print(f"{_CLIP.name}: {coded:,} bytes coded, {decoded:,} bytes of wav")
    print(
        f"import q2d2_stream: {1000 * import_seconds(programs / 'python'):.0f} ms of processor time"
    )


def main() -> int:
    """Arguments: the wheel."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("wheel", type=lambda text: Path(text).resolve())
    with tempfile.TemporaryDirectory() as folder:
        smoke(parser.parse_args().wheel, Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
