"""The streaming encoder and decoder: the face of the codec."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import (
    REFINEMENT_LIMIT_BITS,
    REFINEMENT_SIZES,
    REFINEMENT_SYMBOLS,
    CodecConfig,
    Rate,
)
from q2d2_stream.engine.points import DecoderInputs
from q2d2_stream.engine.runner import Array, ModelRunner
from q2d2_stream.engine.sender_loop import SenderLoop
from q2d2_stream.engine.start_offset import StartOffset
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError
from q2d2_stream.lattice import Lattice
from q2d2_stream.packet import MAX_PACKET_FRAMES, PacketCoder, Toc
from q2d2_stream.quantizer import NoiseShaper
from q2d2_stream.refinement import (
    BANDS,
    STEPS,
    SYMBOL_ZERO,
    SYMBOLS,
    RefinementCode,
    Refiner,
    SymbolChoice,
)

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
    if pcm.dot(pcm) <= _LOUDEST**2:  # then no sample is beyond it: nearly always, and 4 us cheaper
        return
    peak = max(float(pcm.max()), -float(pcm.min()))  # NaN fails the comparison below
    if not peak <= _LOUDEST:
        raise InputError(
            f"pcm reaches {peak:g}, expected finite samples between -1 and 1; "
            "divide 16-bit samples by 32768"
        )


class StreamEncoder:
    """PCM to packets or indices, frame by frame. Not thread-safe; one per direction of a call.

    Args:
        graph: the encoder's.
        config: of the model.
        shaper: quantizes latents to their grids.
        packets: what encodes packets.
        refinement: how errors are sent, and the loop that finds them, of a model with refinement.

    Attributes:
        refinement_limit_bits: most bits that the coded refinement of a frame takes, 20 to 110; what
            would be longer is told in larger steps. For links of a constant rate.
        coded_refinement: whether refinement takes its coded form, which the receiver can only read
            with the same entropy tables; from the start, whether there are any here.
    """

    def __init__(
        self,
        graph: ModelRunner,
        config: CodecConfig,
        shaper: NoiseShaper,
        packets: PacketCoder,
        refinement: tuple[RefinementCode, SenderLoop] | None = None,
    ) -> None:
        self._graph, self._config, self._shaper, self._packets = graph, config, shaper, packets
        self._code: RefinementCode | None = None
        self._loop: SenderLoop | None = None
        if refinement is not None:
            self._code, self._loop = refinement
        self._choices: dict[int, SymbolChoice] = {}
        self.refinement_limit_bits = REFINEMENT_LIMIT_BITS
        self.coded_refinement = packets.coder is not None
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

    @property
    def width(self) -> int:
        """How many numbers a frame of :meth:`push` has at this rate."""
        if not self._rate.refined:
            return self._rate.pairs
        fixed = len(self._rate.codebook_sizes)
        return self._rate.pairs + REFINEMENT_SYMBOLS if self.coded_refinement else fixed

    def reset(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._state = self._graph.initial_state()
        self._shaper.reset()
        self._offset = StartOffset(self._config.sample_rate)
        if self._loop is not None:
            self._loop.reset()

    def seek(self, number: int) -> None:
        """Say that the next frame is number ``number`` of the stream, counted from 0, and not the
        one after the last. A decoder that is told the same makes the same noise."""
        if self._loop is not None:
            self._loop.seek(number)

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
            Indices, uint8 ``(n, pairs)``, with as many pairs as the rate sends; at the rate with
            refinement followed by its numbers, see
            :meth:`q2d2_stream.config.CodecConfig.width_to_rate`.

        Raises:
            InputError: wrong type, length or range, or samples that are NaN or infinite.
        """
        indices, errors = self.measure(pcm)
        return self._refined(indices, errors) if self._rate.refined else indices

    def measure(self, pcm: NDArray[np.float32]) -> tuple[NDArray[np.uint8], Array]:
        """What :meth:`push` finds out before errors become numbers.

        Args and raises as there.

        Returns:
            Indices ``(n, pairs)``; and at the rate with refinement the log errors of as many
            windows of what a receiver decodes, nepers, ``(n, 40)``, at others ``(0, 40)``.
        """
        check_frames(pcm, self._config.hop)
        pcm = self._offset.remove(pcm, self._config.hop)
        indices = self.quantize(self._latents(pcm))
        return indices, self._errors(pcm, indices)

    def _errors(self, pcm: NDArray[np.float32], indices: NDArray[np.uint8]) -> Array:
        errors: list[Array] = []
        if self._loop is not None:
            for frame, pairs in zip(pcm.reshape(len(indices), -1), indices, strict=True):
                if self._rate.refined:
                    errors.append(self._loop.error(frame, pairs, self._rate))
                else:
                    self._loop.skip(frame, pairs, self._rate)
        return np.array(errors, np.float32).reshape(-1, BANDS)

    def _refined(self, indices: NDArray[np.uint8], errors: Array) -> NDArray[np.uint8]:
        """Indices and, behind them, errors: coded with the smallest step that keeps to the limit,
        or of fixed size."""
        assert self._code is not None
        code, coder = self._code, self._packets.coder
        if coder is None or not self.coded_refinement:
            return np.concatenate([indices, code.indices(errors)], axis=1)
        pairs = indices.shape[1]
        numbers = np.empty((len(errors), pairs + REFINEMENT_SYMBOLS), np.uint8)
        numbers[:, :pairs] = indices
        for row, error in zip(numbers[:, pairs:], errors, strict=True):
            for step in range(len(STEPS)):
                row[0] = step
                row[1:], bits = self._choice(coder, step).symbols(error)
                if bits <= self.refinement_limit_bits:
                    break
            else:
                row[1:] = SYMBOL_ZERO
        return numbers

    def _choice(self, coder: IndexCoder, step: int) -> SymbolChoice:
        """How symbols of a step are chosen; made when it is first needed: most streams know one."""
        choice = self._choices.get(step)
        if choice is None:
            assert self._code is not None
            bits, step_bits = coder.symbol_bits(step), coder.step_bits(step)
            choice = self._choices[step] = SymbolChoice(self._code, step, bits, step_bits)
        return choice

    def latents(self, pcm: NDArray[np.float32]) -> Array:
        """The first part of :meth:`push`: samples -> latents in grid units, ``(n, 12)``."""
        check_frames(pcm, self._config.hop)
        return self._latents(self._offset.remove(pcm, self._config.hop))

    def _latents(self, pcm: NDArray[np.float32]) -> Array:
        hop = self._config.hop
        latents = np.empty((len(pcm) // hop, 2 * self._config.pairs), np.float32)
        for n in range(len(latents)):
            frame = pcm[None, n * hop : (n + 1) * hop]
            latents[n], self._state = self._graph.step((frame,), self._state)
        return latents

    def quantize(self, latents: Array) -> NDArray[np.uint8]:
        """The second part: latents ``(n, 12)`` -> indices ``(n, pairs)``."""
        indices = np.empty((len(latents), self._config.pairs), np.uint8)
        for n, latent in enumerate(latents):
            indices[n] = self._shaper.quantize(latent)
        return indices[:, : self._rate.pairs]

    def refine(self, pcm: NDArray[np.float32], indices: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The last part, at the rate with refinement: samples ``(320 * n,)`` and their indices
        ``(n, pairs)`` -> all of the frames' numbers, as of :meth:`push`.

        An offset that :meth:`push` would take off must be off.
        """
        return self._refined(indices, self._errors(pcm, indices))


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
        code: how errors come, of a model with refinement.
        late: whether the output is one frame later from the start.

    Else it is so from the first frame with refinement on, at all rates, until :meth:`reset`: a
    change of rate then changes no delay.

    Attributes:
        held_frames: how many of a loss sound as the one before: 40 ms.
    """

    # By itself from the first on it stays nearer to what was said (PESQ), yet held frames are what
    # models of listeners prefer (research/log/2026-11-27-first-lost-frames.md).
    held_frames = 3

    def __init__(
        self,
        graph: ModelRunner,
        config: CodecConfig,
        lattice: Lattice,
        packets: PacketCoder,
        gain_db: Sequence[float],
        code: RefinementCode | None = None,
        late: bool = False,
    ) -> None:
        self._graph, self._config, self._packets = graph, config, packets
        self._begins_late = late
        self._inputs = DecoderInputs(config, lattice)
        self._largest: dict[int, NDArray[np.uint8]] = {}  # numbers of frames of so many
        self._gains = np.array([10.0 ** (gain / 20) for gain in gain_db], np.float32)
        self._code = code
        self._refiner = Refiner(config.sample_rate, config.hop, code.sharpening if code else 0.0)
        self.reset()

    @property
    def frame_samples(self) -> int:
        """Samples per frame."""
        return self._config.hop

    @property
    def delay_samples(self) -> int:
        """By how much the output trails the encoder's input, in samples: a frame more from the
        first frame with refinement on."""
        return self._config.lookahead + (self._config.hop if self._is_late else 0)

    def reset(self) -> None:
        """Forget the past: the next frame is the first of a stream."""
        self._state = self._graph.initial_state()
        self._last: tuple[Array, int] | None = None  # points and rate of the last frame
        self._to_hold = 0
        self._packet_frames = 1
        self._gain: np.float32 | None = None
        self._is_late = self._begins_late
        self._to_mute = 0
        self._number = 0
        self._jumped = False
        self._refined = self._refiner.initial_state()

    def seek(self, number: int) -> None:
        """Say which frame of the stream comes next, counted from 0: frames that are lost count,
        also those for which nobody calls. With refinement the sender then hears what you hear."""
        if self._code is not None and number != self._number:
            self._number, self._jumped = number, True

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
            indices: integers ``(pairs,)`` or ``(n, pairs)``; the number of pairs says the rate,
                see :meth:`q2d2_stream.config.CodecConfig.width_to_rate`. ``None`` for one lost
                frame: the decoder carries on from what it knows.

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
        frames = indices if indices.ndim == 2 else indices[None]
        rate = self._config.width_to_rate(frames.shape[-1])
        known = self._are_in_range(frames, rate)
        points = self._inputs.points(frames[:, : rate.pairs], known)
        errors = self._errors(frames[:, rate.pairs :], known) if rate.refined else None
        out = np.empty((len(frames), self._config.hop), np.float32)
        if self._last is None:
            self._state = self._inputs.primed(self._graph, rate.index)
            self._is_late = self._begins_late or rate.refined
            # what comes before the first sample that was encoded
            self._to_mute = self.delay_samples // self._config.hop
        for n, given in enumerate(points):
            self._last, self._to_hold = (given, rate.index), self.held_frames
            error = None if errors is None else errors[n]
            out[n] = self._step(given, rate.index, self._gains[rate.index], error)
        return out.reshape(-1)

    def _are_in_range(self, frames: NDArray[np.uint8], rate: Rate) -> bool:
        """Whether that can be told at once: what is wrong with numbers is looked for one by one."""
        width = frames.shape[1]
        if width not in self._largest:
            self._largest[width] = (np.array(rate.sizes_of(width)) - 1).astype(np.uint8)
        return frames.dtype == np.uint8 and not np.count_nonzero(frames > self._largest[width])

    def _errors(self, numbers: NDArray[np.uint8], known: bool) -> Array:
        """What the refinement's numbers ``(n, 9)`` or ``(n, 41)`` say, ``(n, 40)``. Unless they are
        known to be valid, raises InputError for one out of range."""
        assert self._code is not None
        if numbers.shape[1] != REFINEMENT_SYMBOLS:
            return self._code.indices_to_error(numbers)
        steps, symbols = numbers[:, 0], numbers[:, 1:]
        if not known and (numbers >= REFINEMENT_SIZES).any():
            raise InputError(
                f"the refinement has steps up to {steps.max()} and symbols up to {symbols.max()}, "
                f"expected below {len(STEPS)} and {SYMBOLS}"
            )
        # One by one: the product of a matrix rounds otherwise than that of a vector, and what is
        # decoded must not depend on how many frames come at once.
        errors = np.empty((len(numbers), BANDS), np.float32)
        for n, step in enumerate(steps.tolist()):
            errors[n] = self._code.symbols_to_error(symbols[n], step)
        return errors

    def _conceal(self) -> Array:
        if self._last is None:
            return np.zeros(self._config.hop, np.float32)
        points, rate = self._last
        if self._to_hold:
            self._to_hold -= 1
            return self._step(points, rate, self._gains[rate], lost=True)
        return self._step(self._inputs.nothing, self._inputs.lost, self._gains[rate], lost=True)

    def _step(
        self,
        points: Array,
        flag: int,
        gain: np.float32,
        error: Array | None = None,
        lost: bool = False,
    ) -> Array:
        if self._jumped:  # else the network's own noise is that of this frame
            self._state = self._inputs.with_noise_of(self._state, self._number)
            self._jumped = False
        self._number += 1
        pcm, self._state = self._inputs.step(self._graph, points, flag, self._state)
        if self._is_late or error is not None:
            pcm = self._refine(pcm, error, lost)
        else:  # for the day when refinement begins
            self._refined = self._refined._replace(decoded=pcm)
        before, self._gain = self._gain, gain
        if before is None or before == gain:
            scaled = pcm * gain
        else:  # a change of rate makes no step
            scaled = pcm * np.linspace(before, gain, len(pcm), dtype=np.float32)
        if self._to_mute:
            self._to_mute -= 1
            return np.zeros_like(scaled)
        np.minimum(scaled, 1.0, out=scaled)
        np.maximum(scaled, -1.0, out=scaled)
        return scaled

    def _refine(self, decoded: Array, error: Array | None, lost: bool) -> Array:
        """The frame before ``decoded``, refined. Where refinement begins amid a sound, that frame
        is heard again; the sound fades from what would follow into it."""
        begins, self._is_late = not self._is_late, True
        if begins:  # the window before was never analysed
            once = self._refined.decoded
            refined, self._refined = self._refiner.step(decoded, error, self._refined)
            refined = refined + once * self._refiner.fall
            rise = np.linspace(0.0, 1.0, len(decoded), dtype=np.float32)
            return decoded + (refined - decoded) * rise
        refined, self._refined = self._refiner.step(decoded, error, self._refined, lost)
        return refined
