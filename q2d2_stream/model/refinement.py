"""Closed-loop refinement in torch: what the top rate sends beside its pairs.

The sender decodes its pairs as the receiver will, compares the levels of 40 bands of the decoded
speech with those of the original, and sends the error; the receiver multiplies. A window is the
640 samples of two frames, overlapping by half:

    decoded frames        t-1        t
    window t           |<---- 640 ---->|
    refined frame         t-1            complete with windows t-1 and t

Both ends have decoded frame t when packet t is there, so the symbols of window t travel in it, and
refined speech is one frame (13.3 ms) later than speech without.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from q2d2_stream.model.decoder import Decoder
from q2d2_stream.model.transform import bin_order

__all__ = ["BANDS", "Refinement", "band_bank", "hold_gains"]

BANDS = 40
TOP_HZ = 8000.0
_FLOOR = 3e-4  # of a bin's magnitude: what is below is silence
_DEAD = 0.4  # rounding of the scalar quantizer: floor(|x| / step + _DEAD)
_LIMIT = 3.0  # of a log gain, nepers
_REACH = 30  # of a symbol
HELD_FRAMES, HELD_SHARE = 3, 0.7  # a lost window has this share of the last gains


def _hz_to_erbs(hz: float) -> float:
    return float(21.4 * np.log10(1 + 0.00437 * hz))


def band_bank(size: int, sample_rate: int, bands: int = BANDS) -> NDArray[np.float64]:
    """Triangles equally spaced on the ERB-rate scale (Glasberg and Moore 1990) from 50 Hz to
    8 kHz, ``(bands, size // 2 + 1)``. Columns sum to one; the last band goes on to the end."""
    erbs = np.linspace(_hz_to_erbs(50.0), _hz_to_erbs(TOP_HZ), bands + 1)
    edges = (10 ** (erbs / 21.4) - 1) / 0.00437 * size / sample_rate  # in bins
    mid, bins = (edges[1:] + edges[:-1]) / 2, np.arange(size // 2 + 1)
    columns = [np.interp(bins, mid, row) for row in np.eye(bands)]
    return np.stack(columns)


class Refinement(nn.Module):
    """Errors of levels, their symbols, and the gains that mend them. No gradient goes through the
    symbols, and nothing here is trained: the statistics are gathered.

    Attributes:
        mean: of the errors, ``(40,)``, nepers.
        basis: their Karhunen-Loeve transform, columns in falling order of variance, ``(40, 40)``.
        step: of the uniform quantizer behind it, nepers.
    """

    bank: Tensor
    share: Tensor
    floor: Tensor

    def __init__(self, sample_rate: int, hop: int) -> None:
        super().__init__()
        bank = band_bank(2 * hop, sample_rate)
        order = bin_order(2 * hop)
        tables = {
            "bank": torch.from_numpy(bank.T).float()[order],
            "share": torch.from_numpy(bank).float()[:, order],
            "floor": torch.from_numpy(_FLOOR**2 * BANDS * bank.sum(1)).float(),
        }
        for name, table in tables.items():
            self.register_buffer(name, table.contiguous(), persistent=False)
        still = {"requires_grad": False}
        self.mean = nn.Parameter(torch.zeros(BANDS), **still)
        self.basis = nn.Parameter(torch.eye(BANDS), **still)
        self.step = nn.Parameter(torch.tensor(0.7), **still)

    def levels(self, spectrum: tuple[Tensor, Tensor]) -> Tensor:
        """Real and imaginary parts ``(..., bins)`` -> log levels ``(..., 40)``, nepers."""
        re, im = spectrum
        levels: Tensor = 0.5 * torch.log((re * re + im * im) @ self.bank + self.floor)
        return levels

    def symbols(self, error: Tensor, coarser: Tensor | float = 1.0) -> Tensor:
        """Errors ``(..., 40)`` in nepers -> integers, with a step ``coarser`` times as large."""
        part = ((error - self.mean) @ self.basis) / (self.step * coarser)
        return torch.sign(part) * torch.floor(part.abs() + _DEAD).clamp(max=_REACH)

    def error(self, symbols: Tensor, coarser: Tensor | float = 1.0) -> Tensor:
        """Inverse of :meth:`symbols`, as far as there is one."""
        error: Tensor = (symbols * (self.step * coarser)) @ self.basis.T + self.mean
        return error

    def gains(self, error: Tensor) -> Tensor:
        """Errors ``(..., 40)`` -> factors of the spectrum ``(..., bins)``."""
        factors: Tensor = torch.exp(error.clamp(-_LIMIT, _LIMIT) @ self.share)
        return factors

    def refine(self, decoder: Decoder, frames: Tensor, error: Tensor) -> Tensor:
        """Decoded speech ``(batch, frames, 320)`` and the errors of its windows ``(batch, frames,
        40)`` -> refined speech ``(batch, frames - 1, 320)``, one frame behind."""
        re, im = decoder.spectrum(frames, torch.zeros_like(frames[:, 0]))
        factor = self.gains(error)
        windows = decoder.inverse(re * factor, im * factor) * decoder.window
        first, second = windows[..., : decoder.hop], windows[..., decoder.hop :]
        refined: Tensor = second[:, :-1] + first[:, 1:]
        return refined


def hold_gains(error: Tensor, arrived: Tensor, lost: Tensor) -> Tensor:
    """Errors as the receiver has them.

    Args:
        error: as sent, ``(batch, frames, 40)``.
        arrived: which of them arrived, ``(batch, frames)``.
        lost: which were sent and are lost; they have a falling share of the last that arrived.

    Where neither is true there is no refinement.
    """
    last, left = torch.zeros_like(error[:, 0]), torch.zeros_like(error[:, 0, :1])
    known = []
    for now, here, gone in zip(error.unbind(1), arrived.unbind(1), lost.unbind(1), strict=True):
        held = torch.where(gone[:, None] & (left > 0), HELD_SHARE * last, 0.0)
        last = torch.where(here[:, None], now, held)
        left = torch.where(here[:, None], float(HELD_FRAMES), left - 1)
        known.append(last)
    return torch.stack(known, 1)
