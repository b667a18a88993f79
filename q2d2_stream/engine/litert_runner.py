"""A graph run by LiteRT (TensorFlow Lite) on one thread."""

from __future__ import annotations

import importlib
import json
import os
import threading
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from q2d2_stream.engine.huge_pages import huge_pages
from q2d2_stream.engine.runner import Array, State
from q2d2_stream.errors import MissingExtra, ModelError

__all__ = ["METADATA_FILE", "PROBE_TOLERANCE", "LitertRunner", "check_file"]

METADATA_FILE = "q2d2.json"
"""Name of the metadata in the ZIP archive at the end of a ``.tflite`` file."""

PROBE_TOLERANCE = 0.1
"""Largest share of the probe's energy that an engine may get wrong.

LiteRT's plain kernels differ from its fast ones by 0.0002 of it in int8, because they round the
activations differently; tflite-runtime's zeros by 0.75 and more.
"""

_STATE = "state."
# The maintained package first; tflite-runtime is what older images of small boards carry.
_RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


class LitertRunner:
    """A ``.tflite`` file whose inputs named ``state.*`` become the outputs named ``next.*``.

    Its metadata is a ZIP archive at the end of the file, which TensorFlow Lite ignores (the same
    place as that of its own associated files).
    """

    def __init__(self, path: Path, trust: bool = False) -> None:
        """Load and try; with ``trust`` only load, which is how the exporter gets the probe.

        Raises:
            ModelError: the file is missing, damaged or not laid out this way, or the interpreter
                computes something else than the exporter did.
            MissingExtra: no interpreter is installed.
        """
        self._metadata = check_file(path)
        interpreter, runtime = _new_interpreter(path)
        self._interpreter = interpreter
        self._lock = threading.Lock()  # tensors live in the interpreter, unlike onnxruntime's
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        state = [i for i in inputs if i["name"].startswith(_STATE)]
        if not state or len(outputs) != len(state) + 1:
            raise ModelError(f"{path} is not a q2d2-stream model: it has no state inputs")
        # Views of the tensors' memory, which stays where it is: shapes are fixed, and tensors are
        # allocated once. The public invoke() does not know that and refuses to run while there are
        # views, so its only other line is called instead: copies and calls take 7 us less a frame.
        self._inputs: list[Array] = [interpreter.tensor(i["index"])() for i in inputs]
        self._outputs: list[Array] = [interpreter.tensor(o["index"])() for o in outputs]
        self._invoke = interpreter._interpreter.Invoke
        self._shapes = [view.shape for view in self._inputs]
        self._plain = len(inputs) - len(state)
        self._zeros: State = tuple(np.zeros(s, np.float32) for s in self._shapes[self._plain :])
        if not trust:
            self._check_probe(path, runtime)

    def _check_probe(self, path: Path, runtime: str) -> None:
        """tflite-runtime returns zeros for int8 layers with a scale per channel, and says
        nothing: so compare a known frame with what the exporter got."""
        expected = np.array(json.loads(self._metadata["q2d2.probe"]), np.float32)
        wrong = float(np.square(self.probe() - expected).sum() / np.square(expected).sum())
        if not wrong <= PROBE_TOLERANCE:  # NaN is wrong, too
            raise ModelError(
                f"{runtime} computes {path.name} wrongly (tflite-runtime is known to return zeros "
                "for some int8 layers): run pip install ai-edge-litert, or use the engine onnx"
            )

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the exporter wrote into the model file."""
        return self._metadata

    def initial_state(self) -> State:
        """The state before the first frame: zeros."""
        return self._zeros

    def step(self, inputs: tuple[Array, ...], state: State) -> tuple[Array, State]:
        """Run one frame; see :class:`q2d2_stream.engine.runner.ModelRunner`."""
        with self._lock:
            for view, value in zip(self._inputs, (*inputs, *state), strict=True):
                view[...] = value
            self._invoke()
            output, *after = [view.copy() for view in self._outputs]
        return output, tuple(after)

    def probe(self) -> Array:
        """The output of the second of two equal, known frames, ``(values,)``."""
        shapes = self._shapes[: self._plain]
        waves = [(0.5 * np.sin(1.0 + 0.7 * np.arange(np.prod(s)))).reshape(s) for s in shapes]
        inputs = tuple(wave.astype(np.float32) for wave in waves)
        _, state = self.step(inputs, self._zeros)
        return self.step(inputs, state)[0].reshape(-1)


def check_file(path: Path) -> dict[str, str]:
    """The metadata of a ``.tflite`` file, which also says how to tell that the rest is whole.

    Raises ModelError when the file is missing, damaged or not one of ours. A damaged file must
    not reach the interpreter, which reads it unchecked.
    """
    if not path.exists():
        raise ModelError(f"the model file {path} does not exist; reinstall q2d2-stream")
    try:
        with zipfile.ZipFile(path) as archive:
            entry = archive.getinfo(METADATA_FILE)
            metadata: dict[str, str] = json.loads(archive.read(entry))
            model_bytes = entry.header_offset
        with path.open("rb") as file:
            checksum = zlib.crc32(file.read(model_bytes))
        whole = f"{checksum:08x}" == metadata["q2d2.crc32"]
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, TypeError) as error:
        raise ModelError(f"{path} is not a q2d2-stream model ({error})") from error
    if not whole:
        raise ModelError(f"{path} is damaged: its checksum is not the one it was written with")
    return metadata


@contextmanager
def _without_chatter() -> Iterator[None]:
    """LiteRT greets on file descriptor 2 when it makes its first delegate, whatever its log
    level; programs that talk over stderr do not want that. What matters it raises."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _new_interpreter(path: Path) -> tuple[Any, str]:
    """An interpreter with the file loaded, and the name of its package."""
    for name in _RUNTIMES:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        package = name.partition(".")[0].replace("_", "-")
        try:
            with _without_chatter(), huge_pages():
                interpreter = module.Interpreter(model_path=str(path), num_threads=1)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"{package} cannot run {path} ({reason})") from error
        return interpreter, package
    raise MissingExtra("ai-edge-litert", "tflite", "The engine tflite")
