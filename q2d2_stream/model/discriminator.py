"""A discriminator that tells decoded speech from the original, made of matrix products.

Spectrogram discriminators of neural codecs are 2-D convolutions (EnCodec, arXiv 2210.13438):
under 4 seconds of audio a second on a CPU core. Here a spectrum is cut into four bands, each band
of each frame becomes one vector, and the codec's own ConvNeXt blocks look along time. A judgement
for every band and frame keeps one easy flaw from hiding all the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from q2d2_stream.model.layers import CausalStack
from q2d2_stream.model.spectrum import windowed_spectrum

__all__ = [
    "Discriminator",
    "Judgement",
    "adversarial_loss",
    "discriminator_loss",
    "feature_matching_loss",
    "phase_turns",
]

SIZES = (256, 512, 1024, 2048)  # windows, samples; hop a quarter


class Judgement(NamedTuple):
    """What one resolution says: positive logits mean "original"."""

    logits: Tensor  # (batch * bands, frames)
    features: list[Tensor]  # (batch * bands, frames, dim) after every layer


class _HeardStack(CausalStack):
    """A stack that shows its hidden states, from silence on."""

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:  # type: ignore[override]
        """``(batch, frames, dim)`` -> the same shape, and what comes before every layer."""
        hidden = [x]
        x = self.norm_in(x)
        for block in self.blocks:
            x, _ = block(x, block.initial_state(x.shape[0]))  # type: ignore[operator]
            hidden.append(x)
        return self.norm_out(x), hidden


def phase_turns(spectrum: Tensor) -> Tensor:
    """How far the phase turns from bin to bin: neighbours' products, one conjugated, their size
    at the power 0.15. It tells where in the window the energy of a band lies (its group
    delay), which magnitudes do not; ``(..., bins + 1, 2)`` -> ``(..., 2 * bins)``."""
    (a, b), (c, d) = spectrum[..., 1:, :].unbind(-1), spectrum[..., :-1, :].unbind(-1)
    real, imag = a * c + b * d, b * c - a * d
    size = (real.square() + imag.square() + 1e-8) ** -0.425
    return torch.stack([real * size, imag * size], -1).flatten(-2)


class _Resolution(nn.Module):
    """One window size: log-magnitudes and turns of phase, in ``bands`` bands with projections of
    their own."""

    window: Tensor

    def __init__(self, size: int, bands: int = 4, dim: int = 64, blocks: int = 3) -> None:
        super().__init__()
        self.size, self.bands = size, bands
        window = torch.hann_window(size)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)
        self.width = size // 2 // bands
        self.project = nn.Parameter(torch.randn(bands, self.width, dim) * self.width**-0.5)
        self.project_phase = nn.Parameter(torch.zeros(bands, 2 * self.width, dim))
        self.bias = nn.Parameter(torch.zeros(bands, 1, dim))
        self.stack = _HeardStack(dim, blocks, kernel=5, expansion=2)
        self.head = nn.Linear(dim, 1)

    def forward(self, pcm: Tensor) -> Judgement:
        """``(batch, samples)`` of unit level -> a judgement."""
        spectrum = windowed_spectrum(pcm, self.window, self.size // 4)
        power = spectrum[..., 1:, :].square().sum(-1)
        log = 0.5 * torch.log(power + 1e-6)
        batch, count = log.shape[:2]
        banded = (log * 0.3 + 0.5).view(batch, count, self.bands, self.width).transpose(1, 2)
        turn = phase_turns(spectrum).view(batch, count, self.bands, 2 * self.width).transpose(1, 2)
        x = torch.matmul(banded, self.project) + torch.matmul(turn, self.project_phase)
        x = (x + self.bias).flatten(0, 1)
        x, features = self.stack(x)
        return Judgement(self.head(x)[..., 0], features)


class Discriminator(nn.Module):
    """Four resolutions, of which two are drawn per step."""

    def __init__(self, draw: int = 2) -> None:
        super().__init__()
        self.draw = draw
        self.resolutions = nn.ModuleList(_Resolution(size) for size in SIZES)

    def forward(
        self, got: Tensor, wanted: Tensor, rng: np.random.Generator
    ) -> tuple[list[Judgement], list[Judgement]]:
        """Logits on ``(batch, samples)`` of decoded and of original speech, the same
        resolutions for both, at the original's level."""
        level = wanted.square().mean(-1, keepdim=True).sqrt() + 1e-3
        drawn = rng.choice(len(self.resolutions), self.draw, replace=False)
        chosen = [self.resolutions[int(number)] for number in drawn]
        return [each(got / level) for each in chosen], [each(wanted / level) for each in chosen]


def discriminator_loss(got: list[Judgement], wanted: list[Judgement]) -> Tensor:
    """Hinge: 2 for a discriminator that knows nothing, 0 for one that is never fooled."""
    terms = [
        functional.relu(1.0 - real.logits).mean() + functional.relu(1.0 + fake.logits).mean()
        for fake, real in zip(got, wanted, strict=True)
    ]
    return torch.stack(terms).mean()


def adversarial_loss(got: list[Judgement]) -> Tensor:
    """What the decoder minimises: falls as its speech passes for original."""
    return torch.stack([-fake.logits.mean() for fake in got]).mean()


def feature_matching_loss(got: list[Judgement], wanted: list[Judgement]) -> Tensor:
    """Distance of the discriminator's features, relative to their size (arXiv 1512.09300)."""
    terms = [
        functional.l1_loss(a, b.detach()) / (b.detach().abs().mean() + 1e-4)
        for fake, real in zip(got, wanted, strict=True)
        for a, b in zip(fake.features, real.features, strict=True)
    ]
    return torch.stack(terms).mean()
