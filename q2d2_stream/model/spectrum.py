"""Windowed spectra of whole clips, for losses and the discriminator."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["power_spectrum", "windowed_spectrum"]


def windowed_spectrum(pcm: Tensor, window: Tensor, hop: int) -> Tensor:
    """Real and imaginary parts, ``(batch, samples)`` -> ``(batch, windows, bins, 2)``."""
    return torch.view_as_real(torch.fft.rfft(pcm.unfold(-1, len(window), hop) * window))


def power_spectrum(pcm: Tensor, window: Tensor, hop: int) -> Tensor:
    """Squared magnitudes of windowed spectra, ``(batch, samples)`` -> ``(batch, windows, bins)``.

    The sum of squares of a real view is several times cheaper than complex abs.
    """
    parts = windowed_spectrum(pcm, window, hop)
    return parts[..., 0].square() + parts[..., 1].square()
