"""The lattice in torch: the training-time twin of :mod:`q2d2_stream.lattice`.

No codebook is learned and no loss is added: the nearest point of a fixed grid, with a
straight-through gradient (Q2D2, arXiv 2512.01537).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from q2d2_stream.config import CodecConfig
from q2d2_stream.lattice import Lattice

__all__ = ["Quantizer"]


class Quantizer(nn.Module):
    """Nearest lattice point of every pair; see :class:`q2d2_stream.lattice.Cosets`."""

    origin: Tensor
    pitch: Tensor
    last: Tensor
    stride: Tensor
    base: Tensor
    norm: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        lattice = Lattice(config.lattice, config.levels)
        for name, table in lattice.cosets._asdict().items():
            tensor = torch.tensor(table, dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer(
            "norm", torch.tensor(lattice.norm, dtype=torch.float32), persistent=False
        )

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Latents ``(..., 24)`` in grid units -> points in -1..1 with the latents' gradient, and
        indices ``(..., 12)``."""
        x = latent.detach()[..., None, :]  # one candidate per coset
        steps = torch.clamp(torch.round((x - self.origin) / self.pitch), min=0.0)
        steps = torch.minimum(steps, self.last)
        points = self.origin + steps * self.pitch
        pairs = (*points.shape[:-1], -1, 2)
        distance = ((points - x) ** 2).reshape(pairs).sum(-1)
        nearer = torch.argmin(distance, dim=-2, keepdim=True)  # (..., 1, pairs)
        index = self.base + (steps * self.stride).reshape(pairs).sum(-1)
        index = torch.gather(index, -2, nearer)[..., 0, :]
        point = torch.gather(points, -2, nearer.repeat_interleave(2, -1))[..., 0, :]
        return (latent + (point - latent).detach()) / self.norm, index.long()
