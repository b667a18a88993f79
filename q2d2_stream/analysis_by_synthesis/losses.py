"""Spectral losses, pitch and voicing."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from q2d2_stream.model.spectrum import power_spectrum

__all__ = [
    "MelLoss",
    "MelSpectrum",
    "pitch_loss",
    "voicing_loss",
]

SCALES = ((256, 40), (512, 80), (1024, 128), (2048, 256))  # window, bands


def _mel_bank(size: int, bands: int, sample_rate: int) -> NDArray[np.float32]:
    """Triangles equally spaced in mel (O'Shaughnessy), never narrower than a bin, rows sum to 1."""
    top = 2595.0 * math.log10(1.0 + sample_rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, bands + 2) / 2595.0) - 1.0)
    edges *= size / sample_rate  # in bins
    centre = edges[1:-1, None]
    low = np.maximum(centre - edges[:-2, None], 1.0)
    high = np.maximum(edges[2:, None] - centre, 1.0)
    bins = np.arange(size // 2 + 1)[None]
    rise, fall = 1.0 - (centre - bins) / low, 1.0 - (bins - centre) / high
    bank = np.clip(np.minimum(rise, fall), 0.0, None)
    normalised: NDArray[np.float32] = (bank / bank.sum(1, keepdims=True)).astype(np.float32)
    return normalised


class MelSpectrum(nn.Module):
    """Mel magnitudes, ``(batch, samples)`` -> ``(batch, windows, bands)``; a sine of amplitude A
    has magnitude A in its bin."""

    window: Tensor
    bank: Tensor

    def __init__(self, size: int, bands: int, hop: int, sample_rate: int) -> None:
        super().__init__()
        self.hop = hop
        window = torch.hann_window(size)
        self.register_buffer("window", window / window.sum() * 2.0, persistent=False)
        bank = torch.from_numpy(_mel_bank(size, bands, sample_rate).T.copy())
        self.register_buffer("bank", bank, persistent=False)

    def forward(self, pcm: Tensor) -> Tensor:
        power = power_spectrum(pcm, self.window, self.hop)
        return torch.sqrt(power + 1e-12) @ self.bank


def spectral_distance(got: Tensor, wanted: Tensor) -> Tensor:
    """Mean error of mel magnitudes: L1 of logarithms, which hears quiet parts, and of a power
    law near loudness, which hears loud ones."""
    log = functional.l1_loss(torch.log(got + 3e-5), torch.log(wanted + 3e-5))
    loud = functional.l1_loss((got + 1e-6) ** 0.3, (wanted + 1e-6) ** 0.3)
    return log + 5.0 * loud


class MelLoss(nn.Module):
    """Spectral distance at several resolutions, of which ``draw`` are computed per call."""

    def __init__(self, sample_rate: int, draw: int = 2) -> None:
        super().__init__()
        self.draw = draw
        self.scales = nn.ModuleList(
            MelSpectrum(size, bands, size // 4, sample_rate) for size, bands in SCALES
        )

    def forward(self, got: Tensor, wanted: Tensor, rng: np.random.Generator) -> Tensor:
        """``(batch, samples)`` twice -> a scalar."""
        drawn = rng.choice(len(self.scales), self.draw, replace=False)
        total = torch.zeros((), device=got.device)
        for scale in drawn:
            spectrum = self.scales[int(scale)]
            with torch.no_grad():
                target = spectrum(wanted)
            total = total + spectral_distance(spectrum(got), target)
        return total / self.draw


def pitch_loss(logits: Tensor, f0: Tensor, voiced: Tensor, log_f0: Tensor) -> Tensor:
    """Cross-entropy against labels smoothed by a Gaussian of one class; unvoiced frames, whose
    pitch is interpolated, count a tenth."""
    step = log_f0[1] - log_f0[0]
    distance = (torch.log(f0)[..., None] - log_f0) / step
    label = torch.softmax(-0.5 * distance.square(), dim=-1)
    error = -(label * torch.log_softmax(logits, dim=-1)).sum(-1)
    weight = 0.1 + 0.9 * voiced
    return (error * weight).sum() / weight.sum()


def voicing_loss(logit: Tensor, voiced: Tensor) -> Tensor:
    """Binary cross-entropy."""
    return functional.binary_cross_entropy_with_logits(logit, voiced)
