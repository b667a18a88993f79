"""Learned codebooks (VQ) in groups, with the usual remedies against codes that nothing uses.

Codes are moved to the means of what chose them (EMA: van den Oord et al., arXiv 1711.00937), or by
gradients through one linear layer that all of them share (SimVQ: Zhu et al., arXiv 2411.02038).
Those that are hardly chosen begin anew at a latent of the batch (restarts: Dhariwal et al., arXiv
2005.00341). Codes and latents may lie on a sphere (cosine: Yu et al., arXiv 2110.04627). The
gradient passes straight through, or turned with the code (rotation trick: Fifty et al., arXiv
2410.06424).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from research.experiments.harness.quantizers import GroupQuantizer, Quantized

__all__ = ["CodebookOptions", "Codebooks"]


@dataclass(frozen=True)
class CodebookOptions:
    """What is done about unused codes.

    Attributes:
        size: dimensions of a group.
        codes: codes of a group.
        groups: number of groups.
        restarts: codes hardly chosen begin anew.
        cosine: codes and latents have length 1.
        rotation: the gradient is turned as the latent is.
        shared: codes are fixed and pass one learned linear layer (SimVQ), in place of EMA.
        decay: of the means.
        commitment: weight of the loss that draws latents to their codes.
    """

    size: int
    codes: int
    groups: int
    restarts: bool = True
    cosine: bool = False
    rotation: bool = False
    shared: bool = False
    decay: float = 0.99
    commitment: float = 0.25


class Codebooks(GroupQuantizer):
    """One learned codebook for each group."""

    codes: Tensor
    count: Tensor
    total: Tensor
    begun: Tensor

    def __init__(self, options: CodebookOptions) -> None:
        super().__init__()
        self.options = options
        self.dims = options.size * options.groups
        self.sizes = (options.codes,) * options.groups
        shape = (options.groups, options.codes, options.size)
        self.register_buffer("codes", torch.randn(shape) * 0.8)
        self.register_buffer("count", torch.ones(shape[:2]))
        self.register_buffer("total", self.codes.clone())
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))
        if options.shared:
            weight = torch.eye(options.size).repeat(options.groups, 1, 1)
            self.weight = nn.Parameter(weight)

    def _book(self) -> Tensor:
        book = self.codes @ self.weight if self.options.shared else self.codes
        return functional.normalize(book, dim=-1) if self.options.cosine else book

    @torch.no_grad()
    def points(self, indices: Tensor) -> Tensor:
        """Codes of the first groups, ``(frames, groups)`` -> ``(frames, groups * size)``."""
        groups = torch.arange(indices.shape[1])
        return self._book()[groups, indices].flatten(1)

    def forward(self, latent: Tensor, sent: Tensor) -> Quantized:
        """As :meth:`GroupQuantizer.forward`."""
        opts = self.options
        x = latent.reshape(*latent.shape[:2], opts.groups, opts.size)
        x = functional.normalize(x, dim=-1) if opts.cosine else x
        rows = x.detach().flatten(0, 1).transpose(0, 1)  # (groups, n, size)
        if self.training and not self.begun and opts.restarts and not opts.shared:
            self._begin(rows)
        book = self._book()
        index = self._nearest(rows, book.detach())
        if self.training and not opts.shared:
            self._follow(rows, index)
        chosen = torch.gather(book, 1, index[..., None].expand(-1, -1, opts.size))
        chosen = chosen.transpose(0, 1).reshape(x.shape)
        loss = opts.commitment * functional.mse_loss(x, chosen.detach())
        if opts.shared:
            loss = loss + functional.mse_loss(chosen, x.detach())
        passed = _rotated(x, chosen.detach()) if opts.rotation else x + (chosen - x).detach()
        mask = torch.arange(opts.groups) < sent[:, None, None]
        points = (passed * mask[..., None]).flatten(-2)
        return Quantized(points, index.transpose(0, 1).reshape(x.shape[:3]), loss)

    @torch.no_grad()
    def _nearest(self, rows: Tensor, book: Tensor) -> Tensor:
        half = 0.5 * book.square().sum(-1)[:, None]
        return torch.baddbmm(half, rows, book.transpose(1, 2), alpha=-1.0).argmin(-1)

    @torch.no_grad()
    def _begin(self, rows: Tensor) -> None:
        """Codes begin at latents of the first batch."""
        drawn = torch.randint(rows.shape[1], self.count.shape)
        self.codes.copy_(torch.gather(rows, 1, drawn[..., None].expand_as(self.codes)))
        self.total.copy_(self.codes)
        self.begun.fill_(True)

    @torch.no_grad()
    def _follow(self, rows: Tensor, index: Tensor) -> None:
        """Move codes to the means of what chose them, and start those anew that hardly any did."""
        opts = self.options
        chosen = torch.zeros_like(self.count).scatter_add_(1, index, torch.ones_like(rows[..., 0]))
        wide = index[..., None].expand_as(rows)
        summed = torch.zeros_like(self.total).scatter_add_(1, wide, rows)
        self.count.lerp_(chosen, 1 - opts.decay)
        self.total.lerp_(summed, 1 - opts.decay)
        if opts.restarts:
            share = rows.shape[1] / opts.codes
            idle = self.count < 0.05 * share
            if bool(idle.any()):
                drawn = torch.randint(rows.shape[1], self.count.shape)
                fresh = torch.gather(rows, 1, drawn[..., None].expand_as(self.codes))
                self.count[idle] = 0.3 * share
                self.total[idle] = 0.3 * share * fresh[idle]
        self.codes.copy_(self.total / self.count.clamp(min=1e-5)[..., None])


def _rotated(x: Tensor, code: Tensor) -> Tensor:
    """``code``, as ``x`` turned and stretched by a fixed map: gradients turn with it."""
    length, wanted = (v.norm(dim=-1, keepdim=True).clamp(min=1e-6) for v in (x.detach(), code))
    start, end = x.detach() / length, code / wanted
    middle = functional.normalize(start + end, dim=-1)
    along = (x * middle).sum(-1, keepdim=True)
    first = (x * start).sum(-1, keepdim=True)
    turned: Tensor = wanted / length * (x - 2 * along * middle + 2 * first * end)
    return turned
