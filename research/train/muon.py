"""Muon: momentum whose every matrix is made orthogonal before it is applied.

Jordan et al. 2024 (kellerjordan.github.io/posts/muon); the scale that lets it share AdamW's
learning rate is Liu et al. (arXiv 2502.16982). torch.optim.Muon is not used because it
orthogonalises in bfloat16, which most CPUs emulate, and all of it in every process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Muon", "orthogonalise"]

_QUINTIC = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrix, roughly: singular values end between 0.7 and 1.2.

    Newton-Schulz iterations of an odd quintic, ``(count, rows, columns)`` to the same shape. They
    run on the Gram matrix, whose side is the shorter one: all factors are polynomials of it and
    commute, so the long matrix is multiplied once, not ten times.
    """
    a, b, c = _QUINTIC
    tall = matrix.shape[1] > matrix.shape[2]
    x = matrix.mT if tall else matrix
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    gram, whole = x @ x.mT, None
    for step in range(steps):
        factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal(dim1=1, dim2=2).add_(a)
        whole = factor if whole is None else factor @ whole
        if step < steps - 1:
            gram = factor @ gram @ factor
    assert whole is not None
    x = torch.bmm(whole, x)
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """For the weight matrices of hidden layers; everything else belongs to AdamW.

    Under ``torch.distributed`` every process orthogonalises its share of the matrices and the
    results are summed: gradients must already be the same everywhere.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float | Tensor,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """One update of every matrix that has a gradient."""
        assert closure is None
        rank, world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        for group in self.param_groups:
            matrices = [p for p in group["params"] if p.grad is not None]
            updates = [torch.zeros_like(p) if world > 1 else p for p in matrices]
            shares: dict[torch.Size, list[int]] = {}  # matrices of one shape go together
            for number, p in enumerate(matrices):
                assert p.grad is not None
                average = self.state[p].setdefault("momentum", torch.zeros_like(p))
                average.lerp_(p.grad, 1.0 - group["momentum"])
                if number % world == rank:
                    updates[number] = p.grad.lerp(average, group["momentum"])  # Nesterov
                    shares.setdefault(p.shape, []).append(number)
            for numbers in shares.values():
                whole = orthogonalise(torch.stack([updates[number] for number in numbers]))
                for number, update in zip(numbers, whole, strict=True):
                    updates[number] = update
            if world > 1 and updates:
                flat = torch.cat([u.reshape(-1) for u in updates])
                dist.all_reduce(flat)
                sizes = [p.numel() for p in matrices]
                parts = torch.split(flat, sizes)
                updates = [part.view_as(p) for part, p in zip(parts, matrices, strict=True)]
            for p, update in zip(matrices, updates, strict=True):
                p.mul_(1.0 - group["lr"] * group["weight_decay"])
                p.add_(update * (group["lr"] * -0.2 * max(p.shape) ** 0.5))
