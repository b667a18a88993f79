"""The streaming encoder and decoder: the face of the codec."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.engine.graph import Array, Graph
from q2d2_stream.errors import InputError
from q2d2_stream.lattice import Lattice
from q2d2_stream.shaping import NoiseShaper

__all__ = ["StreamDecoder", "StreamEncoder", "check_frames"]

_LOUDEST = 4.0  # twice the worst clipping a float pipeline makes; beyond it the unit is wrong


def check_frames(pcm: NDArray[np.float32], hop: int) -> None:
    """Raise InputError for what is not float32 of shape ``(hop * n,)``, n from 1 on, finite and
    nominally between -1 and 1."""
    if not isinstance(pcm, np.ndarray) or pcm.dtype != np.float32 or pcm.ndim != 1:
        kind = f"{pcm.dtype} of shape {pcm.shape}" if isinstance(pcm, np.ndarray) else type(pcm)
        raise InputError(f"pcm is {kind}, expected a float32 array of shape (n,)")
    if len(pcm) == 0 or len(pcm) % hop:
        raise InputError(f"pcm has {len(pcm)} samples, expected whole frames of {hop}")
    peak = max(float(pcm.max()), -float(pcm.min()))  # NaN fails the comparison below
    if not peak <= _LOUDEST:
        raise InputError(
            f"pcm reaches {peak:g}, expected finite samples between -1 and 1; "
            "divide 16-bit samples by 32768"
        )


class StreamEncoder:
    """PCM to indices, frame by frame. Not thread-safe; one per direction of a call."""

    def __init__(self, graph: Graph, config: CodecConfig, shaper: NoiseShaper, rate: int) -> None:
        self._graph, self._config, self._shaper = graph, config, shaper
        self.rate = rate
        self._state = graph.initial_state()

    @property
    def rate(self) -> int:
        """Index into ``config.rates``; may be set at any frame. Raises InputError when unknown."""
        return self._rate

    @rate.setter
    def rate(self, rate: int) -> None:
        self._pairs = self._config.rate_pairs(rate)
        self._rate = rate

    @property
    def frame_samples(self) -> int:
        """Samples per frame."""
        return self._config.hop

    def reset(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._state = self._graph.initial_state()
        self._shaper.reset()

    def push(self, pcm: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Encode whole frames.

        Args:
            pcm: float32 ``(320 * n,)``, 24 kHz mono, nominally -1 to 1.

        Returns:
            Indices, uint8 ``(n, pairs)``, with as many pairs as the rate sends.

        Raises:
            InputError: wrong type, length or range, or samples that are NaN or infinite.
        """
        return self.snap(self.latents(pcm))

    def latents(self, pcm: NDArray[np.float32]) -> Array:
        """The first half of :meth:`push`: samples -> latents in grid units, ``(n, 24)``."""
        hop = self._config.hop
        check_frames(pcm, hop)
        latents = np.empty((len(pcm) // hop, 2 * self._config.pairs), np.float32)
        for n in range(len(latents)):
            frame = pcm[None, n * hop : (n + 1) * hop]
            latents[n], self._state = self._graph.step((frame,), self._state)
        return latents

    def snap(self, latents: Array) -> NDArray[np.uint8]:
        """The other half: latents ``(n, 24)`` -> indices ``(n, pairs)``."""
        indices = np.empty((len(latents), self._config.pairs), np.uint8)
        for n, latent in enumerate(latents):
            indices[n] = self._shaper.snap(latent)
        return indices[:, : self._pairs]


class StreamDecoder:
    """Indices to PCM, frame by frame; ``None`` stands for a lost frame and is concealed.

    The first frames of a loss sound as the frame before it did; then the network, told that
    nothing arrives, goes on by itself.

    Attributes:
        held_frames: how many of them do: 40 ms.
    """

    # By itself from the first on it stays nearer to what was said (PESQ), yet held frames are what
    # models of listeners prefer (PLCMOS, DistillMOS): docs/training.md, "The first lost frames".
    held_frames = 3

    def __init__(self, graph: Graph, config: CodecConfig, lattice: Lattice) -> None:
        self._graph, self._config, self._lattice = graph, config, lattice
        self._flags = np.eye(len(config.rates) + 1, dtype=np.float32)[:, None, None]
        self._nothing = np.zeros((1, 1, 2 * config.pairs), np.float32)
        self._state = graph.initial_state()
        self._last, self._left = (self._nothing, len(config.rates)), 0

    @property
    def frame_samples(self) -> int:
        """Samples per frame."""
        return self._config.hop

    @property
    def delay_samples(self) -> int:
        """By how much the output trails the encoder's input, in samples."""
        return self._config.lookahead

    def reset(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._state = self._graph.initial_state()
        self._left = 0

    def push(self, indices: NDArray[np.uint8] | None) -> Array:
        """Decode one frame, or several of the same rate.

        Args:
            indices: integers ``(pairs,)`` or ``(n, pairs)``; the number of pairs says the rate.
                ``None`` for one lost frame: the decoder carries on from what it knows.

        Returns:
            PCM, float32 ``(320 * n,)``, -1 to 1.

        Raises:
            InputError: a number of pairs that is no rate, or an index beyond its grid.
        """
        if indices is None:
            if self._left:
                self._left -= 1
                return self._step(*self._last)
            return self._step(self._nothing, len(self._config.rates))
        frames = np.atleast_2d(indices)
        rate = self._config.rate_of_pairs(frames.shape[-1])
        points = self._lattice.normalised(frames)
        out = np.empty((len(frames), self._config.hop), np.float32)
        for n, point in enumerate(points):
            given = self._nothing.copy()
            given[0, 0, : len(point)] = point
            out[n] = self._step(given, rate)
            self._last, self._left = (given, rate), self.held_frames
        return out.reshape(-1)

    def _step(self, points: Array, flag: int) -> Array:
        pcm, self._state = self._graph.step((points, self._flags[flag]), self._state)
        clipped: Array = np.clip(pcm[0], -1.0, 1.0)
        return clipped
