"""Causal layers: ``y, state = layer(x, state)``, channels last, ``(batch, frames, channels)``.

A layer's state is what it remembers of the past, tensors in and tensors out. Every initial
state is all zeros, here and in the whole model, so that no engine has to be told one:

    frames      ... t-3  t-2  t-1 | t
    state  ---> [ the last kernel-1 inputs ]
    output                          t     depends on t and before, never on t+1
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["CausalDepthwiseConv", "CausalStack", "ConvNeXtBlock"]


class CausalDepthwiseConv(nn.Module):
    """One filter of ``kernel`` taps per channel, as shifted multiply-adds.

    On a CPU this beats ``conv1d`` with groups in both directions.
    """

    def __init__(self, dim: int, kernel: int) -> None:
        super().__init__()
        self.kernel = kernel
        self.weight = nn.Parameter(torch.empty(kernel, dim).uniform_(-1, 1) * kernel**-0.5)
        self.bias = nn.Parameter(torch.zeros(dim))

    def initial_state(self, batch: int) -> Tensor:
        """Silence before the first frame, ``(batch, kernel - 1, dim)``."""
        return torch.zeros(batch, self.kernel - 1, self.weight.shape[1], device=self.weight.device)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, frames, dim)`` -> the same shape."""
        past = torch.cat([state.to(x.dtype), x], dim=1)
        frames = x.shape[1]
        if frames == 1:  # streaming: one multiply and one sum
            return (past * self.weight).sum(1, keepdim=True) + self.bias, past[:, 1:]
        y = past[:, :frames] * self.weight[0]
        for tap in range(1, self.kernel):
            y = y + past[:, tap : tap + frames] * self.weight[tap]
        return y + self.bias, past[:, frames:]


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then a two-layer perceptron, with a residual.

    After Liu et al., "A ConvNet for the 2020s" (arXiv 2201.03545), made causal.
    """

    def __init__(self, dim: int, kernel: int, expansion: int, scale: float) -> None:
        super().__init__()
        self.conv = CausalDepthwiseConv(dim, kernel)
        self.norm = nn.LayerNorm(dim)
        self.up = nn.Linear(dim, dim * expansion)
        self.down = nn.Linear(dim * expansion, dim)
        self.scale = nn.Parameter(torch.full((dim,), scale))

    def initial_state(self, batch: int) -> Tensor:
        """The convolution's state."""
        return self.conv.initial_state(batch)

    def forward(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, frames, dim)`` -> the same shape."""
        y, state = self.conv(x, state)
        y = self.down(nn.functional.gelu(self.up(self.norm(y))))
        return x + y * self.scale, state


class CausalStack(nn.Module):
    """``blocks`` ConvNeXt blocks between two layer norms."""

    def __init__(self, dim: int, blocks: int, kernel: int, expansion: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(dim, kernel, expansion, scale=1.0 / blocks) for _ in range(blocks)
        )
        self.norm_out = nn.LayerNorm(dim)

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """One state per block."""
        return tuple(block.initial_state(batch) for block in self.blocks)  # type: ignore[operator]

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """``(batch, frames, dim)`` -> the same shape."""
        x = self.norm_in(x)
        after = []
        for block, before in zip(self.blocks, state, strict=True):
            x, carried = block(x, before)
            after.append(carried)
        return self.norm_out(x), tuple(after)
