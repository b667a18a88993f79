"""The causal encoder: PCM to latents in grid units."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from q2d2_stream.lattice import Lattice
from q2d2_stream.model.config import ModelConfig
from q2d2_stream.model.features import Analysis
from q2d2_stream.model.layers import CausalStack

__all__ = ["Encoder", "EncoderState"]


class EncoderState(NamedTuple):
    """What the encoder remembers: past samples and one tensor per block."""

    samples: Tensor
    blocks: tuple[Tensor, ...]


class Encoder(nn.Module):
    """Analysis -> causal ConvNeXt stack -> a few dimensions, tanh, scaled to the grid.

    The last layer follows Q2D2 (arXiv 2512.01537): project, tanh, scale by (L - 1) / 2. A layer
    norm before it keeps the tanh out of saturation, so that latents fill their grid.
    """

    scale: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.analysis = Analysis(config)
        dim = config.encoder_dim
        self.project_in = nn.Linear(self.analysis.features, dim)
        self.stack = CausalStack(dim, config.encoder_blocks, config.kernel, config.expansion)
        self.project_out = nn.Linear(dim, len(config.codec.levels))
        nn.init.normal_(self.project_out.weight, std=0.8 * dim**-0.5)
        nn.init.zeros_(self.project_out.bias)
        lattice = Lattice(config.codec.lattice, config.codec.levels)
        scale = torch.tensor(lattice.scale, dtype=torch.float32)
        self.register_buffer("scale", scale, persistent=False)

    def initial_state(self, batch: int = 1) -> EncoderState:
        """The state before the first frame."""
        return EncoderState(self.analysis.initial_state(batch), self.stack.initial_state(batch))

    def forward(self, pcm: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
        """``(batch, 320 * frames)`` -> latents ``(batch, frames, 24)`` in grid units."""
        features, samples = self.analysis(pcm, state.samples)
        x, blocks = self.stack(self.project_in(features), state.blocks)
        latent = torch.tanh(self.project_out(x).float()) * self.scale
        return latent, EncoderState(samples, blocks)
