"""This package's codec as ``q2d2 encode --search`` uses it, under test."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from q2d2_stream.analysis_by_synthesis.search import AHEAD, PIECE, REVISION, STEPS, PointSearch
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.model.discriminator import Discriminator
from q2d2_stream.model.net import CodecNet
from q2d2_stream.model.shipped import shipped_discriminator, shipped_net
from research.eval.codecs import StreamCodec

__all__ = ["BestEffortCodec"]


@dataclass(frozen=True)
class BestEffortCodec(StreamCodec):
    """Indices found by gradient descent through the decoder, decoded by the streaming engine.

    Attributes:
        steps: of the search, for each piece.
    """

    steps: int = STEPS

    @property
    def name(self) -> str:
        """ "q2d2_1.5_search" and so on."""
        return f"{super().name}_search"

    @property
    def title(self) -> str:
        """The exact rate."""
        return f"{super().title}, searched"

    @property
    def latency_ms(self) -> float:
        """A piece and what lies ahead of it: this is for files."""
        return super().latency_ms + 1000.0 * (PIECE + AHEAD - 1) / self.rate.frame_rate

    @cached_property
    def _net(self) -> CodecNet:
        return shipped_net(self.models or MODELS)

    @cached_property
    def _discriminator(self) -> Discriminator | None:
        return shipped_discriminator(self.models or MODELS)

    def key(self) -> str:
        """As of the codec, and the steps. Raises MissingExtra where onnx is not installed."""
        assert self._net
        return f"{super().key()} searched {self.steps} revision {REVISION}"

    def _encoded(self, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
        search = PointSearch(self._net, self.rate.index, self.steps, self._discriminator)
        return np.concatenate([search.push(frames.reshape(-1)), search.finish()])
