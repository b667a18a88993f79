"""One face for every inference engine: named tensors in and out, state beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Array", "ModelRunner", "State"]

Array = NDArray[np.float32]
State = tuple[Array, ...]


class ModelRunner(Protocol):
    """A network of one frame per step. Every initial state is all zeros."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the exporter wrote into the model file."""
        ...

    def initial_state(self) -> State:
        """The state before the first frame."""
        ...

    def step(self, inputs: tuple[Array, ...], state: State) -> tuple[Array, State]:
        """Run one frame.

        Args:
            inputs: in the order of the model file, without the state.
            state: as returned by the step before, or :meth:`initial_state`; not modified.

        Returns:
            The output and the state after it.
        """
        ...
