"""Quantizers of the small codec: grids of any dimension, and residual grids.

Every quantizer cuts its latents into groups, of which the first few are sent. Learned codebooks
are in :mod:`research.experiments.harness.codebooks`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from research.experiments.box_lattices import KINDS, BoxLattice

__all__ = [
    "BoxQuantizer",
    "GroupQuantizer",
    "JoinedQuantizer",
    "PassingQuantizer",
    "Quantized",
    "ResidualQuantizer",
]


class Quantized(NamedTuple):
    """What a quantizer made of latents.

    Attributes:
        points: ``(..., dims)``, zero where nothing was sent, with a gradient to the latents.
        indices: ``(..., groups)``, int64.
        loss: what it wants added to the codec's.
    """

    points: Tensor
    indices: Tensor
    loss: Tensor


class GroupQuantizer(nn.Module, ABC):
    """A quantizer of groups.

    Attributes:
        dims: latent dimensions.
        sizes: number of points of each group.
    """

    dims: int
    sizes: tuple[int, ...]

    @property
    def groups(self) -> int:
        """How many there are."""
        return len(self.sizes)

    @property
    def bits(self) -> list[float]:
        """Bits of the first group, of the first two, ..."""
        return list(np.cumsum([math.log2(size) for size in self.sizes]))

    @abstractmethod
    def forward(self, latent: Tensor, sent: Tensor) -> Quantized:
        """Latents ``(batch, frames, dims)`` as the encoder's last layer gives them; groups sent of
        each clip, ``(batch,)``."""

    def draw_sent(self, bits: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Numbers of groups whose bits are ``bits`` on average, ``(n,) -> (n,)``."""
        place = np.interp(bits, [0.0, *self.bits], np.arange(self.groups + 1))
        drawn = np.floor(place + rng.random(len(bits)))
        return torch.from_numpy(np.clip(drawn, 1, self.groups).astype(np.int64))


class BoxQuantizer(GroupQuantizer):
    """The nearest point of a box of a lattice, for all groups at once: Q2D2's quantizer in any
    dimension. Latents pass a tanh; the gradient goes straight through."""

    origin: Tensor
    last: Tensor
    scale: Tensor
    stride: Tensor
    base: Tensor

    def __init__(self, lattices: Sequence[BoxLattice]) -> None:
        """Lattices of one kind, one to each group."""
        super().__init__()
        kind = KINDS[lattices[0].kind]
        self.size, self.pitch = kind.dims, kind.pitch
        self.sizes = tuple(lattice.points for lattice in lattices)
        self.dims = self.size * len(lattices)
        origins, lasts, strides, bases = [], [], [], []
        for lattice in lattices:
            origin, last = map(np.stack, zip(*lattice.boxes, strict=True))
            count = last + 1
            origins.append(origin)
            lasts.append(last)
            strides.append(np.cumprod(count, 1) / count)
            bases.append(np.concatenate([[0], np.cumsum(count.prod(1))[:-1]]))
        named = {"origin": origins, "last": lasts, "stride": strides, "base": bases}
        for name, tables in named.items():  # cosets come first
            table = torch.from_numpy(np.stack(tables, 1))
            table = table.long() if name in ("stride", "base") else table.float()
            self.register_buffer(name, table, persistent=False)
        scale = torch.tensor([[lattice.scale] for lattice in lattices], dtype=torch.float32)
        self.register_buffer("scale", scale, persistent=False)

    def forward(self, latent: Tensor, sent: Tensor) -> Quantized:
        """As :meth:`GroupQuantizer.forward`."""
        x = torch.tanh(latent).reshape(*latent.shape[:-1], self.groups, self.size) * self.scale
        point, index = self.nearest(x)
        straight = (x + (point - x).detach()) / self.scale
        mask = torch.arange(self.groups) < sent[:, None, None]
        return Quantized((straight * mask[..., None]).flatten(-2), index, latent.new_zeros(()))

    @torch.no_grad()
    def nearest(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(..., groups, size)`` in the lattice's units -> points of that shape, and indices."""
        each = x[..., None, :, :]
        steps = torch.round((each - self.origin) / self.pitch)
        steps = torch.minimum(steps.clamp_(min=0.0), self.last)
        points = self.origin + steps * self.pitch
        nearer = (points - each).square().sum(-1).argmin(-2, keepdim=True)  # (..., 1, groups)
        index = torch.gather(self.base + (steps.long() * self.stride).sum(-1), -2, nearer)
        chosen = nearer[..., None].expand(*nearer.shape, self.size)
        return torch.gather(points, -3, chosen).squeeze(-3), index.squeeze(-2)


class PassingQuantizer(GroupQuantizer):
    """None at all: pairs behind a tanh, counted as those of 85 points."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims, self.sizes = dims, (85,) * (dims // 2)

    def forward(self, latent: Tensor, sent: Tensor) -> Quantized:
        """As :meth:`GroupQuantizer.forward`; all indices are 0."""
        mask = torch.arange(self.dims) // 2 < sent[:, None, None]
        none = torch.zeros(*latent.shape[:2], self.groups, dtype=torch.long)
        return Quantized(torch.tanh(latent) * mask, none, latent.new_zeros(()))


class JoinedQuantizer(GroupQuantizer):
    """Several quantizers side by side: groups of different kinds or sizes."""

    def __init__(self, parts: Sequence[GroupQuantizer], bounded: bool = False) -> None:
        """``bounded``: latents pass a tanh before any of the parts, which then should have none of
        their own."""
        super().__init__()
        self.parts, self.bounded = nn.ModuleList(parts), bounded
        self.widths = [part.dims for part in parts]
        self.counts = [part.groups for part in parts]
        self.dims = sum(self.widths)
        self.sizes = tuple(size for part in parts for size in part.sizes)

    def points(self, indices: Tensor) -> Tensor:
        """Points of the first groups, ``(frames, groups)`` -> ``(frames, dims)``, zero for those
        after them; where all parts are codebooks."""
        found, before = [], 0
        for part, width, count in zip(self.parts, self.widths, self.counts, strict=True):
            given = part.points(indices[:, before : before + count])  # type: ignore[operator]
            found.append(nn.functional.pad(given, (0, width - given.shape[1])))
            before += count
        return torch.cat(found, -1)

    def forward(self, latent: Tensor, sent: Tensor) -> Quantized:
        """As :meth:`GroupQuantizer.forward`."""
        x = torch.tanh(latent) if self.bounded else latent
        found, before = [], 0
        for part, width, count in zip(
            self.parts, torch.split(x, self.widths, -1), self.counts, strict=True
        ):
            found.append(part(width, (sent - before).clamp(0, count)))
            before += count
        points, indices, losses = zip(*found, strict=True)
        return Quantized(torch.cat(points, -1), torch.cat(indices, -1), torch.stack(losses).sum())


class ResidualQuantizer(GroupQuantizer):
    """Residual FSQ: a rectangular grid, then a finer one of the same size for what it left.

    The first ``dims / 2`` groups are pairs on the coarse grid, the others refine them in the same
    order.
    """

    def __init__(self, dims: int, levels: int) -> None:
        super().__init__()
        self.dims, self.levels = dims, levels
        self.sizes = (levels**2,) * dims

    def forward(self, latent: Tensor, sent: Tensor) -> Quantized:
        """As :meth:`GroupQuantizer.forward`."""
        half = (self.levels - 1) / 2
        x = torch.tanh(latent)
        with torch.no_grad():
            coarse = torch.round(x * half) / half
            fine = torch.round((x - coarse) * 2 * half * half).clamp(-half, half)
            codes = torch.cat([coarse * half, fine], -1) + half
            pairs = codes.reshape(*codes.shape[:-1], -1, 2).long()
            index = pairs[..., 0] * self.levels + pairs[..., 1]
            fine = fine / (2 * half * half)
            order = torch.arange(self.dims) // 2
            counts = sent[:, None, None]
            point = coarse + fine * (order + self.dims // 2 < counts)
        straight = (x + (point - x).detach()) * (order < counts)
        return Quantized(straight, index, latent.new_zeros(()))
