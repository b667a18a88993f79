"""A graph run by onnxruntime on one thread."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from q2d2_stream.engine.runner import Array, State
from q2d2_stream.errors import ModelError

__all__ = ["OnnxRunner"]

_STATE = "state."


class OnnxRunner:
    """An ``.onnx`` file whose inputs named ``state.*`` become the outputs named ``next.*``.

    One thread: a frame is a hundred small matrix products, which threads only slow down, and a
    call has other work for the other cores.
    """

    def __init__(self, path: Path) -> None:
        """Load; raises ModelError when the file is missing, damaged or not laid out this way."""
        import onnxruntime

        if not path.exists():
            raise ModelError(f"the model file {path} does not exist; reinstall q2d2-stream")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises a family of unrelated types
            raise ModelError(f"{path} is not a usable ONNX model ({error})") from error
        inputs = self._session.get_inputs()
        state = [i for i in inputs if i.name.startswith(_STATE)]
        self._names = [i.name for i in inputs]
        self._plain = len(inputs) - len(state)
        if not state or len(self._session.get_outputs()) != len(state) + 1:
            raise ModelError(f"{path} is not a q2d2-stream model: it has no state inputs")
        self._zeros: State = tuple(np.zeros(i.shape, np.float32) for i in state)
        self._metadata = dict(self._session.get_modelmeta().custom_metadata_map)

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the exporter wrote into the model file."""
        return self._metadata

    def initial_state(self) -> State:
        """The state before the first frame: zeros."""
        return self._zeros

    def step(self, inputs: tuple[Array, ...], state: State) -> tuple[Array, State]:
        """Run one frame; see :class:`q2d2_stream.engine.runner.ModelRunner`."""
        feeds = dict(zip(self._names, (*inputs, *state), strict=True))
        output, *after = self._session.run(None, feeds)
        return output, tuple(after)
