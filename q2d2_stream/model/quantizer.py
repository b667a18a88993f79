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
    scale: Tensor

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        lattice = Lattice(config.lattice, config.levels)
        for name, table in lattice.cosets._asdict().items():
            tensor = torch.tensor(table, dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        for name, sizes in (("norm", lattice.norm), ("scale", lattice.scale)):
            tensor = torch.tensor(sizes, dtype=torch.float32)
            self.register_buffer(name, tensor, persistent=False)
        self.feedback = nn.Parameter(torch.zeros(LAGS, len(config.levels)))

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

    def shaped(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`forward`, for all frames of some clips, ``(batch, frames, 24)``, each of them
        told of the errors before it."""
        with torch.no_grad():
            errors = self._errors(latents)
        told = latents + (errors * self.feedback).sum(-2)
        within = told + (torch.clamp(told, -self.scale, self.scale) - told).detach()
        result: tuple[Tensor, Tensor] = self(within)
        return result

    def _errors(self, latents: Tensor) -> Tensor:
        """What each frame is told: the errors of the frames before it, the newest first,
        ``(batch, frames, LAGS, 24)``."""
        told = torch.zeros_like(latents[:, 0, None].expand(-1, LAGS, -1))
        history = []
        for latent in latents.unbind(1):
            history.append(told)
            aimed = latent + (told * self.feedback).sum(-2)
            aimed = torch.clamp(aimed, -self.scale, self.scale)
            error = aimed - self(aimed)[0] * self.norm
            told = torch.cat([error[:, None], told[:, :-1]], dim=1)
        return torch.stack(history, dim=1)
