"""The streaming encoder and decoder: the face of the codec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig, Rate
from q2d2_stream.engine.runner import Array, Graph
from q2d2_stream.engine.start_offset import StartOffset
from q2d2_stream.errors import InputError
from q2d2_stream.lattice import Lattice
from q2d2_stream.packet import MAX_PACKET_FRAMES, PacketCoder, Toc
from q2d2_stream.quantizer import NoiseShaper

__all__ = ["StreamDecoder", "StreamEncoder", "check_frames"]

_LOUDEST = 4.0  # twice the worst clipping a float pipeline makes; beyond it the unit is wrong
_PRIMING_FRAMES = 4  # until the decoder's state is one that sound leads to: 2 will do, 1 will not


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
    """PCM to packets or indices, frame by frame. Not thread-safe; one per direction of a call."""

    def __init__(
        self, graph: Graph, config: CodecConfig, shaper: NoiseShaper, packets: PacketCoder
    ) -> None:
        self._graph, self._config, self._shaper, self._packets = graph, config, shaper, packets
        self._rate = config.default_rate
        self._state = graph.initial_state()
        self._offset = StartOffset(config.sample_rate)

    @property
    def rate(self) -> Rate:
        """The rate of the next frame; may be set at any time, also by name or by kbps.

        Raises InputError for one that is not on the model's ladder.
        """
        return self._rate

    @rate.setter
    def rate(self, bitrate: Rate | str | float) -> None:
        self._rate = self._config.find_rate(bitrate)

    @property
    def frame_samples(self) -> int:
        """Samples per frame."""
        return self._config.hop

    def reset(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._state = self._graph.initial_state()
        self._shaper.reset()
        self._offset = StartOffset(self._config.sample_rate)

    def encode(self, pcm: NDArray[np.float32]) -> bytes:
        """Encode whole frames to one packet (:mod:`q2d2_stream.packet`).

        Args:
            pcm: float32 ``(320 * n,)``, n from 1 to 16, 24 kHz mono, nominally -1 to 1.

        Returns:
            The packet; more frames in it are fewer bits per second and more delay.

        Raises:
            InputError: wrong type, length or range, or samples that are NaN or infinite; the
                stream is as it was before.
        """
        hop = self._config.hop
        check_frames(pcm, hop)
        if len(pcm) > MAX_PACKET_FRAMES * hop:
            raise InputError(
                f"pcm has {len(pcm) // hop} frames, expected 1 to {MAX_PACKET_FRAMES} in a packet: "
                "encode it in several"
            )
        return self._packets.encode(self.push(pcm))

    def push(self, pcm: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Encode whole frames to indices, for those who want tokens instead of bytes.

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
        pcm = self._offset.remove(pcm, hop)
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
        return indices[:, : self._rate.pairs]


class StreamDecoder:
    """Packets or indices to PCM, frame by frame; ``None`` stands for what was lost.

    The first frames of a loss sound as the frame before it did; then the network, told that
    nothing arrives, goes on by itself. Before a first frame has arrived there is nothing to go on
    from, and all is silence.

    Args:
        graph: the decoder's.
        config: of the model.
        lattice: the grids of all pairs.
        packets: what decodes packets.
        gain_db: what the graph's output is multiplied by, in dB, one number per rate.

    Attributes:
        held_frames: how many of a loss sound as the one before: 40 ms.
    """

    # By itself from the first on it stays nearer to what was said (PESQ), yet held frames are what
    # models of listeners prefer (research/log/2026-11-27-first-lost-frames.md).
    held_frames = 3

    def __init__(
        self,
        graph: Graph,
        config: CodecConfig,
        lattice: Lattice,
        packets: PacketCoder,
        gain_db: Sequence[float],
    ) -> None:
        self._graph, self._config, self._lattice, self._packets = graph, config, lattice, packets
        self._gains = np.float32(10.0) ** (np.array(gain_db, np.float32) / 20)
        self._flags = np.eye(len(config.ladder) + 1, dtype=np.float32)[:, None, None]
        self._nothing = np.zeros((1, 1, 2 * config.pairs), np.float32)
        self.reset()

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
        self._last: tuple[Array, int] | None = None  # points and rate of the last frame
        self._to_hold = 0
        self._packet_frames = 1
        self._gain: np.float32 | None = None

    def decode(self, packet: bytes | None) -> Array:
        """Decode one packet.

        Args:
            packet: what :meth:`StreamEncoder.encode` of the same model made, at any rate. ``None``
                for a lost one: as many frames as the packet before it had are concealed, one
                where there was none.

        Returns:
            PCM, float32 ``(320 * n,)``, -1 to 1, of a packet of n frames.

        Raises:
            FormatError: bytes that no such encoder makes; the stream is as it was before.
        """
        if packet is None:
            return np.concatenate([self.push(None) for _ in range(self._packet_frames)])
        indices = self._packets.decode(packet)
        self._packet_frames = Toc.from_packet(packet).frames
        return self.push(indices)

    def push(self, indices: NDArray[np.uint8] | None) -> Array:
        """Decode one frame of indices, or several of the same rate.

        Args:
            indices: integers ``(pairs,)`` or ``(n, pairs)``; the number of pairs says the rate.
                ``None`` for one lost frame: the decoder carries on from what it knows.

        Returns:
            PCM, float32 ``(320 * n,)``, -1 to 1.

        Raises:
            InputError: another shape, a number of pairs that is no rate, or an index beyond its
                grid; the stream is as it was before.
        """
        if indices is None:
            return self._conceal()
        if not isinstance(indices, np.ndarray) or indices.ndim not in (1, 2):
            kind = f"of shape {indices.shape}" if isinstance(indices, np.ndarray) else type(indices)
            raise InputError(
                f"the indices are {kind}, expected an array of shape (pairs,) or (n, pairs)"
            )
        frames = np.atleast_2d(indices)
        rate = self._config.width_to_rate(frames.shape[-1]).index
        points = self._lattice.normalised(frames)
        out = np.empty((len(frames), self._config.hop), np.float32)
        is_first = self._last is None
        if is_first:
            self._prime(rate)
        for n, point in enumerate(points):
            given = self._nothing.copy()
            given[0, 0, : len(point)] = point
            self._last, self._to_hold = (given, rate), self.held_frames
            out[n] = self._step(given, rate, self._gains[rate])
        pcm: Array = out.reshape(-1)
        if is_first:  # what comes before the first sample that was encoded
            pcm[: self._config.lookahead] = 0
        return pcm

    def _prime(self, rate: int) -> None:
        """Lead the state to what it is amid a sound.

        No sound leads to the network's zero state, and from it anything but the encoder's own
        first frame of silence begins with 25 ms of noise at full scale.
        """
        for _ in range(_PRIMING_FRAMES):
            _, self._state = self._graph.step((self._nothing, self._flags[rate]), self._state)

    def _conceal(self) -> Array:
        if self._last is None:
            return np.zeros(self._config.hop, np.float32)
        points, rate = self._last
        if self._to_hold:
            self._to_hold -= 1
            return self._step(points, rate, self._gains[rate])
        return self._step(self._nothing, len(self._config.ladder), self._gains[rate])

    def _step(self, points: Array, flag: int, gain: np.float32) -> Array:
        pcm, self._state = self._graph.step((points, self._flags[flag]), self._state)
        before, self._gain = self._gain, gain
        if before is None or before == gain:
            scaled = pcm[0] * gain
        else:  # a change of rate makes no step
            scaled = pcm[0] * np.linspace(before, gain, len(pcm[0]), dtype=np.float32)
        clipped: Array = np.clip(scaled, -1.0, 1.0)
        return clipped
