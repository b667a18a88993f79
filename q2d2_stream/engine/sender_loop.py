"""The sender's own decoder: what the receiver hears before it refines it.

It runs at the rate with refinement alone. When that rate begins, or begins again, it first goes
over the frames that were sent before, from where the receiver's noise stood then: after so many
frames of the same indices the two networks are in the same state.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig, Rate
from q2d2_stream.engine.points import DecoderInputs
from q2d2_stream.engine.runner import Array, ModelRunner
from q2d2_stream.lattice import Lattice
from q2d2_stream.refinement import ErrorMeter

__all__ = ["SenderLoop"]

_MEMORY_FRAMES = 48
"""How far back the decoder's blocks look: eight convolutions of seven frames."""


class SenderLoop:
    """Tells by how much what a receiver decodes is off; one per stream."""

    def __init__(self, graph: ModelRunner, config: CodecConfig, lattice: Lattice) -> None:
        self._graph, self._inputs = graph, DecoderInputs(config, lattice)
        self._meter = ErrorMeter(config.sample_rate, config.hop)
        self.reset()

    def reset(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._measured = self._meter.initial_state()
        self._sent: deque[tuple[Array, int]] = deque(maxlen=_MEMORY_FRAMES)
        self._number = 0
        self._state = self._graph.initial_state()
        self._in_step = False

    def seek(self, number: int) -> None:
        """The next frame is number ``number`` of the stream, not the one after the last."""
        if number != self._number:
            self._number, self._in_step = number, False

    def skip(self, original: Array, pairs: NDArray[np.uint8], rate: Rate) -> None:
        """A frame ``(320,)`` was sent as the indices ``(pairs,)`` at a rate without refinement."""
        self._remember(pairs, rate)
        decoded = self._measured.decoded  # nobody decodes: see _catch_up
        self._measured = self._meter.skip(original, decoded, self._measured)
        self._in_step = False

    def error(self, original: Array, pairs: NDArray[np.uint8], rate: Rate) -> Array:
        """The error ``(40,)`` in nepers that goes with a frame ``(320,)`` and its indices."""
        if not self._in_step:
            self._catch_up(rate)
        self._remember(pairs, rate)
        points, flag = self._sent[-1]
        decoded, self._state = self._inputs.step(self._graph, points, flag, self._state)
        error, self._measured = self._meter.step(original, decoded, self._measured)
        return error

    def _remember(self, pairs: NDArray[np.uint8], rate: Rate) -> None:
        self._sent.append((self._inputs.points(pairs[None], known=True)[0], rate.index))
        self._number += 1

    def _catch_up(self, rate: Rate) -> None:
        self._in_step = True
        if not self._sent:
            primed = self._inputs.primed(self._graph, rate.index)
            self._state = self._inputs.with_noise_of(primed, self._number)
            return
        begun = self._number - len(self._sent)
        self._state = self._inputs.with_noise_of(self._graph.initial_state(), begun)
        decoded = self._measured.decoded
        for points, flag in self._sent:
            decoded, self._state = self._inputs.step(self._graph, points, flag, self._state)
        self._measured = self._measured._replace(decoded=decoded)
