"""Training steps as CUDA graphs: recorded a few times, then replayed without Python.

A step here is some thousand small operations, and a GPU is through with most of them sooner than
Python has asked for the next. A recording asks for all of them at once. What is drawn at random on
the host (resolutions, parts of clips) is drawn when a step is recorded, so there are several
recordings to choose from; what is drawn on the GPU is drawn anew at every replay.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["CudaGraphCapture"]

Step = Callable[[Sequence[Tensor], np.random.Generator], dict[str, Tensor]]


class CudaGraphCapture:
    """Calls ``step``, recorded once there are ``variants`` recordings of its kind. From its making
    until :meth:`close` this thread works on a stream of its own.

    Nothing in a step may depend on the values of tensors on the GPU but by other tensors there,
    and its inputs keep their shapes. Each variant runs once before it is recorded, so that
    libraries have their plans and workspaces.
    """

    ahead = 4  # steps that may wait on the GPU

    def __init__(self, step: Step, variants: int = 16) -> None:
        self.step, self.variants = step, variants
        torch.cuda.synchronize()
        self.before = torch.cuda.current_stream()
        self.stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        torch.cuda.set_stream(self.stream)
        self.pool = torch.cuda.graph_pool_handle()
        self.inputs: list[Tensor] = []
        self.recordings: dict[str, list[tuple[torch.cuda.CUDAGraph, list[str], Tensor]]] = {}
        self.waiting: deque[torch.cuda.Event] = deque()

    def __call__(
        self, inputs: Sequence[Tensor], kind: str, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """One step; what it returns, valid until the next call."""
        if not self.inputs:
            self.inputs = [torch.empty_like(each, device="cuda") for each in inputs]
        for mine, given in zip(self.inputs, inputs, strict=True):
            mine.copy_(given, non_blocking=True)
        recordings = self.recordings.setdefault(kind, [])
        if len(recordings) < self.variants:
            same = copy.deepcopy(rng)
            result = self.step(self.inputs, rng)
            recordings.append(self._record(same))
            return result
        graph, names, values = recordings[int(rng.integers(self.variants))]
        graph.replay()
        self._keep_up()
        return dict(zip(names, values, strict=True))

    def close(self) -> None:
        """Wait for all steps."""
        torch.cuda.synchronize()
        torch.cuda.set_stream(self.before)

    def _record(self, rng: np.random.Generator) -> tuple[torch.cuda.CUDAGraph, list[str], Tensor]:
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        # other threads (the one that pins batches) may go on meanwhile
        with torch.cuda.graph(
            graph, pool=self.pool, stream=self.stream, capture_error_mode="thread_local"
        ):
            result = self.step(self.inputs, rng)
            names, values = list(result), torch.stack([each.float() for each in result.values()])
        return graph, names, values

    def _keep_up(self) -> None:
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record()
        self.waiting.append(event)
        if len(self.waiting) > self.ahead:
            self.waiting.popleft().synchronize()
