"""What every codec under test has in common, and the codec of this package among them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from q2d2_stream.config import Rate
from q2d2_stream.container.writer import BLOCK_FRAMES
from research.eval.clips import SAMPLE_RATE
from research.eval.loss import lost_frames
from research.eval.summary import token_counts

if TYPE_CHECKING:
    from q2d2_stream.engine import Codec

__all__ = [
    "CallableCodec",
    "CodecUnderTest",
    "Coded",
    "Original",
    "StreamCodec",
    "fit",
]

_REVISION = 3  # raised when the streams make other sound of the same weights
_PACKET_FRAMES = 3  # of a call, as it is by default


@dataclass(frozen=True)
class Coded:
    """A clip after coding.

    Attributes:
        pcm: float32, as many samples as went in, 24 kHz, the codec's delay removed.
        bits: bits that crossed the line.
        seconds: processor time that encoding and decoding took.
        counts: how often each code of each pair was sent; empty for codecs without tokens.
        coded_bits: what entropy coding makes of them in a file; 0 where there is none.
    """

    pcm: npt.NDArray[np.float32]
    bits: float
    seconds: float
    counts: list[list[int]] = field(default_factory=list, repr=False)
    coded_bits: float = 0.0


class CodecUnderTest(Protocol):
    """A codec that can be measured. Instances travel to worker processes, so they pickle."""

    @property
    def name(self) -> str:
        """As on the command line, "opus6"."""

    @property
    def title(self) -> str:
        """As in a table, "Opus 6 kbps"."""

    @property
    def latency_ms(self) -> float:
        """Algorithmic latency in milliseconds."""

    def key(self) -> str:
        """All that the result depends on: version, settings, weights. Cached scores hang on it.

        Raises:
            MissingExtra: the codec is not installed.
        """

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """Encode and decode float32 samples, shape ``(n,)``, 24 kHz mono, range -1 to 1.

        Args:
            pcm: the original.
            lost: packets of 40 ms that do not arrive, shape ``(ceil(n / 960),)``.
        """


def fit(pcm: npt.NDArray[np.float32], delay: int, samples: int) -> npt.NDArray[np.float32]:
    """``samples`` of ``pcm`` from ``delay`` on, zeros after its end."""
    kept = np.asarray(pcm[delay : delay + samples], np.float32)
    return np.pad(kept, (0, samples - len(kept)))


@dataclass(frozen=True)
class Original:
    """No codec: what the metrics say of the original itself."""

    name: str = "original"
    title: str = "Original"
    latency_ms: float = 0.0

    def key(self) -> str:
        """Always the same."""
        return "original"

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """``pcm`` itself; its bits are not counted."""
        return Coded(pcm, 0.0, 0.0)


@dataclass(frozen=True)
class CallableCodec:
    """Any function as a codec without loss: a training checkpoint, an experiment.

    Attributes:
        name: as in the results.
        function: samples to samples with the delay removed, both float32, shape ``(n,)``, 24 kHz.
        kbps: its bitrate.
        latency_ms: its algorithmic latency.
    """

    name: str
    function: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
    kbps: float
    latency_ms: float = 0.0

    @property
    def title(self) -> str:
        """The name."""
        return self.name

    def key(self) -> str:
        """Empty: what a function computes is not known, so nothing is cached."""
        return ""

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """What the function returns, cut or filled to the length of ``pcm``."""
        started = time.process_time()
        deg = np.asarray(self.function(pcm), np.float32).reshape(-1)
        seconds = time.process_time() - started
        return Coded(fit(deg, 0, len(pcm)), self.kbps * 1000 * len(pcm) / SAMPLE_RATE, seconds)


@dataclass(frozen=True)
class StreamCodec:
    """This package's codec through the streaming engine, frame by frame.

    Attributes:
        bitrate: name of one of the model's rates.
        engine: "auto", "onnx" or whatever else ``load_codec`` knows.
        models: folder of exported models; None for the shipped ones.
    """

    bitrate: str
    engine: str = "auto"
    models: Path | None = None

    @property
    def name(self) -> str:
        """ "q2d2_1.5" and so on."""
        return f"q2d2_{self.rate.name}"

    @property
    def title(self) -> str:
        """The exact rate."""
        return f"q2d2 {self.rate.kbps:.2f} kbps"

    @property
    def latency_ms(self) -> float:
        """One frame and the look-ahead."""
        return 1000 * (self._codec.config.hop + self.rate.lookahead) / SAMPLE_RATE

    @property
    def rate(self) -> Rate:
        """The rate of the loaded model; raises InputError where it has none of that name."""
        return self._codec.config.find_rate(self.bitrate)

    @cached_property
    def _codec(self) -> Codec:
        from q2d2_stream.engine import load_codec

        return load_codec(self.models, self.engine)

    def __getstate__(self) -> dict[str, object]:
        # A loaded engine does not pickle; the other process loads its own.
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def key(self) -> str:
        """The weights' hash, the engine and precision in use, and the rate.

        Raises:
            ModelError: a model file that is missing or damaged, or two that do not fit together.
        """
        codec = self._codec
        codec.encoder(self.rate)
        engine = f"{codec.engine} {codec.precision}"
        made = f"q2d2 {codec.model_hash.hex()} {engine} revision {_REVISION}"
        return f"{made} rate {self.rate.index}"

    def roundtrip(
        self, pcm: npt.NDArray[np.float32], lost: npt.NDArray[np.bool_] | None = None
    ) -> Coded:
        """Frame by frame; a lost frame reaches the decoder as None."""
        config, rate = self._codec.config, self.rate
        decoder = self._codec.decoder(late=rate.refined)
        delay = decoder.delay_samples
        frames = -(-(len(pcm) + delay) // config.hop)
        padded = np.clip(fit(pcm, 0, frames * config.hop), -1.0, 1.0).reshape(frames, config.hop)
        gone = lost_frames(lost, frames, config.hop)
        started = time.process_time()
        sent = self._encoded(padded)
        heard = zip(sent, gone, strict=True)
        out = [decoder.push(None if missing else frame) for frame, missing in heard]
        seconds = time.process_time() - started
        # The frames that only flush the delay are not counted: a call has no end.
        counted = len(pcm) / config.hop
        # Coded refinement has no fixed size: what it takes in packets as of a call.
        bits = rate.bits_per_frame * counted
        if sent.shape[1] != len(rate.codebook_sizes):
            bits = self._coded_bits(sent, _PACKET_FRAMES) * counted / frames
        return Coded(
            fit(np.concatenate(out), delay, len(pcm)),
            bits,
            seconds,
            token_counts(sent[:, : rate.pairs], config.codebook_sizes),
            self._coded_bits(sent, BLOCK_FRAMES) * counted / frames,
        )

    def _encoded(self, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        """``(n, 320)`` samples, a frame at a time -> ``(n, pairs)`` indices."""
        encoder = self._codec.encoder(self.rate)
        return np.concatenate([encoder.push(frame) for frame in frames])

    def _coded_bits(self, indices: npt.NDArray[np.uint8], frames: int) -> int:
        """Bits of blocks or packets of so many frames, packed where coding would not make them
        shorter."""
        packets = self._codec.packets
        starts = range(0, len(indices), frames)
        blocks = (packets.encode_payload(indices[n : n + frames]) for n in starts)
        return 8 * sum(len(block.data) for block in blocks)
