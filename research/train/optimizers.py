"""Optimizers of a run: Muon and AdamW, their learning rate, and gradients of several processes."""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from q2d2_stream.model.net import CodecNet
from research.train.muon import Muon

__all__ = ["clip_gradients", "learning_rate", "make_optimizers", "set_learning_rate"]


def learning_rate(done: float, step: int, warmup: int = 200, decay: float = 0.35) -> float:
    """Warm up, hold, then fall linearly over the last ``decay`` of the budget (0 to 1)."""
    return min(1.0, (step + 1) / warmup) * min(1.0, max(0.0, 1.0 - done) / decay + 0.01)


def clip_gradients(groups: list[list[nn.Parameter]], world: int) -> Tensor:
    """Average the gradients over the processes and bring the norm of each group to at most one, or
    to zero where it is not finite; returns the norm of the first."""
    norms = []
    for group in groups:
        parameters = [p for p in group if p.grad is not None]
        if not parameters:  # not trained at this step
            norms.append(torch.zeros((), device=group[0].device))
            continue
        flat = torch.cat([cast(Tensor, p.grad).reshape(-1) for p in parameters])
        if world > 1:
            dist.all_reduce(flat)
            flat /= world
        norm = flat.norm()
        scaled = (flat / norm.clamp(min=1.0)).masked_fill(~torch.isfinite(norm), 0.0)
        parts = scaled.split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = part.view_as(parameter)
        norms.append(norm)
    return norms[0]


def make_optimizers(
    parameters: list[nn.Parameter], net: CodecNet, rate: float | Tensor
) -> dict[str, torch.optim.Optimizer]:
    """Muon for the matrices inside the stacks, AdamW for all else. A rate that is a tensor is on
    the GPU, where steps are recorded."""
    hidden = {
        id(p)
        for name, p in net.named_parameters()
        if p.ndim == 2 and name.endswith(("up.weight", "down.weight"))
    }
    inner = [p for p in parameters if id(p) in hidden]
    outer = [p for p in parameters if id(p) not in hidden]
    adamw = torch.optim.AdamW(
        outer, lr=rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True,
        capturable=isinstance(rate, Tensor),
    )  # fmt: skip
    return {"muon": Muon(inner, lr=rate), "adamw": adamw}


def set_learning_rate(optimizers: dict[str, torch.optim.Optimizer], rate: float) -> None:
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
