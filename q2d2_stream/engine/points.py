"""What the decoder's graph is given of a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.engine.runner import Array, ModelRunner, State
from q2d2_stream.lattice import Lattice
from q2d2_stream.refinement.noise import noise_state

__all__ = ["PRIMING_FRAMES", "DecoderInputs"]

_NOISE = 3  # of the decoder's states: phase, f0, pulses, noise, tail, then the blocks

PRIMING_FRAMES = 4
"""Frames of nothing until a decoder's state is one that sound leads to: 2 will do, 1 will not."""


class DecoderInputs:
    """Points and flags, shaped as a decoder's graph wants them.

    Attributes:
        nothing: the points of a frame that did not arrive.
        lost: the number of its flag.
    """

    def __init__(self, config: CodecConfig, lattice: Lattice) -> None:
        self._config, self._lattice = config, lattice
        self._flags = np.eye(len(config.ladder) + 1, dtype=np.float32)[:, None, None]
        self.nothing: Array = np.zeros((1, 1, 2 * config.pairs), np.float32)
        self.lost = len(config.ladder)

    def points(self, pairs: NDArray[np.uint8], known: bool = False) -> Array:
        """Indices of the pairs of some frames, ``(n, pairs)``, -> ``(n, 1, 1, dimensions)``, zero
        where no pair is sent. Raises InputError for an index beyond its grid, but for indices that
        are ``known`` to be valid, as one's own are."""
        lattice = self._lattice
        normalised = lattice.normalised_of_known(pairs) if known else lattice.normalised(pairs)
        if normalised.shape[1] == self.nothing.shape[-1]:
            return normalised[:, None, None]
        points = np.zeros((len(pairs), 1, 1, self.nothing.shape[-1]), np.float32)
        points[:, 0, 0, : normalised.shape[1]] = normalised
        return points

    def step(
        self, graph: ModelRunner, points: Array, flag: int, state: State
    ) -> tuple[Array, State]:
        """Run one frame: its samples ``(320,)``, not yet at their level, and the state after."""
        pcm, state = graph.step((points, self._flags[flag]), state)
        return pcm[0], state

    @staticmethod
    def with_noise_of(state: State, number: int) -> State:
        """A state whose noise is that of frame ``number`` of a stream, counted from 0."""
        noise = noise_state(PRIMING_FRAMES + number, state[_NOISE].shape[-1])
        return (*state[:_NOISE], noise, *state[_NOISE + 1 :])

    def primed(self, graph: ModelRunner, rate: int) -> State:
        """The state before the first frame of a stream.

        No sound leads to the network's zero state, and from it anything but the encoder's own
        first frame of silence begins with 25 ms of noise at full scale.
        """
        state = graph.initial_state()
        for _ in range(PRIMING_FRAMES):
            _, state = self.step(graph, self.nothing, rate, state)
        return state
