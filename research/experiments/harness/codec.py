"""The small codec: features to latents to features, causal, with any quantizer in the middle."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from q2d2_stream.model.layers import CausalStack
from research.experiments.harness.features import BANDS, DIMS, NEPERS
from research.experiments.harness.quantizers import GroupQuantizer, Quantized

__all__ = ["Errors", "SmallCodec", "errors"]

_KERNEL, _EXPANSION = 7, 3


class SmallCodec(nn.Module):
    """Encoder, quantizer, decoder: blocks, tanh and grid are those of the codec, 20 times smaller.

    The decoder is told how much was sent, as the codec's is.
    """

    def __init__(self, quantizer: GroupQuantizer, dim: int, blocks: int, seed: int) -> None:
        super().__init__()
        self.quantizer = quantizer
        torch.manual_seed(seed)
        self.encoder_in = nn.Linear(DIMS, dim)
        self.encoder = CausalStack(dim, blocks, _KERNEL, _EXPANSION)
        self.decoder = CausalStack(dim, blocks, _KERNEL, _EXPANSION)
        self.decoder_out = nn.Linear(dim, DIMS)
        self.encoder_out = nn.Linear(dim, quantizer.dims)
        nn.init.normal_(self.encoder_out.weight, std=0.8 * dim**-0.5)
        nn.init.zeros_(self.encoder_out.bias)
        self.decoder_in = nn.Linear(quantizer.dims + 1, dim)

    def latents(self, features: Tensor) -> Tensor:
        """``(batch, frames, DIMS)`` -> ``(batch, frames, dims)``, before any tanh."""
        x = self.encoder_in(features)
        x, _ = self.encoder(x, self.encoder.initial_state(len(x)))
        return self.encoder_out(x)  # type: ignore[no-any-return]

    def decode(self, points: Tensor, sent: Tensor) -> Tensor:
        """Points, zero where nothing was sent -> features."""
        share = (sent / self.quantizer.groups)[:, None, None].expand(*points.shape[:2], 1)
        x = self.decoder_in(torch.cat([points, share.to(points.dtype)], -1))
        x, _ = self.decoder(x, self.decoder.initial_state(len(x)))
        return self.decoder_out(x)  # type: ignore[no-any-return]

    def forward(self, features: Tensor, sent: Tensor) -> tuple[Tensor, Quantized]:
        """Features and the groups sent of each clip -> decoded features, and what was sent."""
        quantized = self.quantizer(self.latents(features), sent)
        return self.decode(quantized.points, sent), quantized


@dataclass(frozen=True)
class Errors:
    """Means over frames.

    Attributes:
        mel: mean absolute error of log magnitudes, nepers.
        pitch: of log2 of the pitch; where there is none it counts a tenth.
        voicing: cross-entropy, nats.
    """

    mel: Tensor
    pitch: Tensor
    voicing: Tensor

    @property
    def loss(self) -> Tensor:
        """What is trained on."""
        return self.mel + self.pitch + 0.2 * self.voicing


def errors(got: Tensor, wanted: Tensor) -> Errors:
    """Decoded features against what they should have been."""
    voiced = wanted[..., BANDS + 1]
    weight = 0.1 + 0.9 * voiced
    pitch = (got[..., BANDS] - wanted[..., BANDS]).abs()
    return Errors(
        mel=NEPERS * (got[..., :BANDS] - wanted[..., :BANDS]).abs().mean(),
        pitch=(pitch * weight).sum() / weight.sum(),
        voicing=functional.binary_cross_entropy_with_logits(got[..., BANDS + 1], voiced),
    )
