"""Real Fourier transforms as small matrix products, which export to ONNX and TFLite alike.

A real DFT of length N is folded twice, first about N/2 (even and odd part of the signal), then
about N/4 (even and odd bins), so that it costs about N*N/4 multiply-adds instead of N*N. The
price is the order of the bins: even bins first, then odd ones. ``bin_order`` says which is where;
everything between a transform and its inverse works bin by bin and does not care.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

__all__ = ["InverseRealDft", "RealDft", "bin_order"]


def bin_order(size: int) -> Tensor:
    """Bin numbers in the order used here: 0, 2, 4 ... then 1, 3, 5 ..., ``(size // 2 + 1,)``."""
    half = size // 2
    return torch.cat([torch.arange(0, half + 1, 2), torch.arange(1, half, 2)])


def _angles(size: int, bins: Tensor, samples: Tensor) -> Tensor:
    product = torch.outer(samples, bins) % size  # exact in integers, so the tables are too
    return product.double() * (2.0 * math.pi / size)


class _Folded(nn.Module):
    """The four tables that both directions share; ``size`` is a multiple of four."""

    cos_even: Tensor
    cos_odd: Tensor
    sin_even: Tensor
    sin_odd: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        if size % 4:
            raise ValueError(f"size is {size}, expected a multiple of 4")
        self.size = size
        quarter = size // 4
        even, odd = torch.arange(0, size // 2 + 1, 2), torch.arange(1, size // 2, 2)
        n = torch.arange(quarter + 1)
        tables = {
            "cos_even": torch.cos(_angles(size, even, n)),
            "cos_odd": torch.cos(_angles(size, odd, n[:-1])),
            "sin_even": torch.sin(_angles(size, even[1:-1], n[1:-1])),
            "sin_odd": torch.sin(_angles(size, odd, n[1:])),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.float(), persistent=False)


class RealDft(_Folded):
    """``(..., size)`` -> real and imaginary parts ``(..., size // 2 + 1)`` in ``bin_order``."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        half, quarter = self.size // 2, self.size // 4
        first, last = x[..., 1:half], x[..., half + 1 :].flip(-1)
        even = torch.cat([x[..., :1], first + last, x[..., half : half + 1]], -1)  # 0..half
        odd = first - last  # 1..half-1
        mirror = even[..., quarter + 1 :].flip(-1)  # half-0 .. down to quarter+1, for 0..quarter-1
        middle = even[..., quarter : quarter + 1]
        re_even = torch.cat([even[..., :quarter] + mirror, middle], -1) @ self.cos_even
        re_odd = (even[..., :quarter] - mirror) @ self.cos_odd
        low, high = odd[..., : quarter - 1], odd[..., quarter:].flip(-1)
        middle = odd[..., quarter - 1 : quarter]
        im_even = (high - low) @ self.sin_even
        im_odd = -(torch.cat([low + high, middle], -1) @ self.sin_odd)
        edge = torch.zeros_like(im_even[..., :1])
        return torch.cat([re_even, re_odd], -1), torch.cat([edge, im_even, edge, im_odd], -1)


class InverseRealDft(_Folded):
    """Inverse of :class:`RealDft`: two ``(..., size // 2 + 1)`` -> ``(..., size)``."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        weight = torch.full((size // 4 + 1,), 2.0 / size)
        weight[0] = weight[-1] = 1.0 / size  # bins 0 and size/2 stand alone
        self.cos_even = (self.cos_even * weight).T.contiguous()
        self.cos_odd = (self.cos_odd * (2.0 / size)).T.contiguous()
        self.sin_even = (self.sin_even * (2.0 / size)).T.contiguous()
        self.sin_odd = (self.sin_odd * (2.0 / size)).T.contiguous()

    def forward(self, re: Tensor, im: Tensor) -> Tensor:
        evens, quarter = self.size // 4 + 1, self.size // 4
        a = re[..., :evens] @ self.cos_even  # 0..quarter, symmetric about quarter
        b = re[..., evens:] @ self.cos_odd  # 0..quarter-1, antisymmetric
        c = im[..., 1 : evens - 1] @ self.sin_even  # 1..quarter-1, antisymmetric
        d = im[..., evens:] @ self.sin_odd  # 1..quarter, symmetric
        even = torch.cat([a[..., :-1] + b, a[..., -1:], (a[..., :-1] - b).flip(-1)], -1)  # 0..half
        low, high = c + d[..., :-1], (d[..., :-1] - c).flip(-1)
        odd = torch.cat([low, d[..., -1:], high], -1)  # 1..half-1
        inner = even[..., 1:-1]
        assert odd.shape[-1] == 2 * quarter - 1
        return torch.cat([even[..., :1], inner - odd, even[..., -1:], (inner + odd).flip(-1)], -1)
