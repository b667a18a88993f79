"""Which engine and precision run the models, and where their files are."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from q2d2_stream.engine.runner import ModelRunner
from q2d2_stream.errors import InputError

__all__ = [
    "ENGINES",
    "PRECISIONS",
    "Choice",
    "available",
    "choices",
    "load_runner",
    "model_file",
]

Choice = tuple[str, str]
"""Engine and precision, as in ``("tflite", "int8")``."""

ENGINES = ("auto", "onnx", "tflite")
PRECISIONS = ("auto", "fp32", "int8")

# Fastest first, on every machine measured (docs/topics/performance.md). A rule instead of a
# measurement at every start: loading all engines would cost more than any of them saves.
_FASTEST: tuple[Choice, ...] = (
    ("tflite", "int8"),
    ("onnx", "int8"),
    ("tflite", "fp32"),
    ("onnx", "fp32"),
)
_RUNTIMES = {"onnx": ("onnxruntime",), "tflite": ("ai_edge_litert", "tflite_runtime")}


def model_file(folder: Path, role: str, choice: Choice) -> Path:
    """Where the graph of a role, "encoder" or "decoder", lies."""
    engine, precision = choice
    return folder / f"{role}{'.int8' if precision == 'int8' else ''}.{engine}"


def choices(engine: str = "auto", precision: str = "auto") -> list[Choice]:
    """What satisfies a wish, fastest first; raises InputError for one that does not exist."""
    for name, value, known in (("engine", engine, ENGINES), ("precision", precision, PRECISIONS)):
        if not isinstance(value, str) or value not in known:
            raise InputError(
                f"{name} is {value!r}, expected {', '.join(known[:-1])} or {known[-1]}"
            )
    return [c for c in _FASTEST if engine in ("auto", c[0]) and precision in ("auto", c[1])]


def available(folder: Path) -> Iterator[Choice]:
    """Every choice that this machine has a runtime and ``folder`` has files for, fastest first."""
    for choice in _FASTEST:
        files = [model_file(folder, role, choice) for role in ("encoder", "decoder")]
        if all(f.exists() for f in files) and any(find_spec(r) for r in _RUNTIMES[choice[0]]):
            yield choice


def load_runner(folder: Path, role: str, choice: Choice) -> ModelRunner:
    """The graph of a role; raises ModelError or MissingExtra."""
    path = model_file(folder, role, choice)
    if choice[0] == "onnx":
        from q2d2_stream.engine.onnx_runner import OnnxRunner

        return OnnxRunner(path)
    from q2d2_stream.engine.litert_runner import LitertRunner

    return LitertRunner(path)
