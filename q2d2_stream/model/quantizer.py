"""The lattice in torch: the training-time twin of :mod:`q2d2_stream.lattice` and
:mod:`q2d2_stream.quantizer`.

No codebook is learned and no loss is added: the nearest point of a fixed grid, with a
straight-through gradient (Q2D2, arXiv 2512.01537). What is learned is how much of a frame's error
the next frames make up for.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from q2d2_stream.config import CodecConfig
from q2d2_stream.lattice import Lattice
from q2d2_stream.quantizer import LAGS

__all__ = ["Quantizer"]


class Quantizer(nn.Module):
    """Nearest lattice point of every pair; see :class:`q2d2_stream.lattice.Cosets`.

    Attributes:
        feedback: ``(LAGS, 24)``, see :class:`q2d2_stream.quantizer.NoiseShaper`.
    """

    origin: Tensor
    pitch: Tensor
    last: Tensor
    stride: Tensor
    base: Tensor
    norm: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        lattice = Lattice(config.lattice, config.levels)
        for name, table in (*lattice.cosets._asdict().items(), ("norm", lattice.norm)):
            tensor = torch.tensor(table, dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        self.feedback = nn.Parameter(torch.zeros(LAGS, len(config.levels)))

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Latents ``(..., 24)`` in grid units -> points in -1..1 with the latents' gradient, and
        indices ``(..., 12)``."""
        point, index = self.nearest(latent)
        return self._straight_through(latent, point), index

    @torch.no_grad()
    def nearest(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """Latents ``(..., 24)`` -> the nearest points ``(..., 24)``, both in grid units, and their
        indices ``(..., 12)``."""
        x = latent[..., None, :]  # one candidate per coset
        steps = torch.clamp(torch.round((x - self.origin) / self.pitch), min=0.0)
        steps = torch.minimum(steps, self.last)
        points = self.origin + steps * self.pitch
        pairs = (*points.shape[:-1], -1, 2)
        distance = ((points - x) ** 2).reshape(pairs).sum(-1)
        nearer = torch.argmin(distance, dim=-2, keepdim=True)  # (..., 1, pairs)
        index = self.base + (steps * self.stride).reshape(pairs).sum(-1)
        index = torch.gather(index, -2, nearer)[..., 0, :]
        point = torch.gather(points, -2, nearer.repeat_interleave(2, -1))[..., 0, :]
        return point, index.long()

    def shaped(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`forward`, for all frames of some clips, ``(batch, frames, 24)``, with the
        errors of the frames before added to each."""
        errors, points, indices = self._shape(latents)
        target = latents + (errors * self.feedback).sum(-2)
        # What is cut off at the grid's edge keeps its gradient.
        within = target + (self._within(target) - target).detach()
        return self._straight_through(within, points), indices

    @torch.no_grad()
    def _shape(self, latents: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The errors that are added to each frame, the newest first, ``(batch, frames, LAGS, 24)``;
        then its points and indices, as of :meth:`nearest`."""
        errors = torch.zeros_like(latents[:, 0, None].expand(-1, LAGS, -1))
        frames = []
        for latent in latents.unbind(1):
            target = self._within(latent + (errors * self.feedback).sum(-2))
            point, index = self.nearest(target)
            frames.append((errors, point, index))
            errors = torch.cat([(target - point)[:, None], errors[:, :-1]], dim=1)
        before, points, indices = zip(*frames, strict=True)
        return torch.stack(before, 1), torch.stack(points, 1), torch.stack(indices, 1)

    def _within(self, latent: Tensor) -> Tensor:
        """Cut to where the outermost points are."""
        edge = (self.origin + self.last * self.pitch).amax(0)
        return torch.clamp(latent, -edge, edge)

    def _straight_through(self, latent: Tensor, point: Tensor) -> Tensor:
        return (latent + (point - latent).detach()) / self.norm
