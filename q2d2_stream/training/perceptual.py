"""What a listener would notice, as losses: loudness errors, lost modulation, smoothed spectra.

They compare spectra of 27 and 32 ms, coarser than the mel losses they accompany.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from q2d2_stream.training.losses import power_spectrum

__all__ = ["ContrastLoss", "EnvelopeLoss", "LoudnessLoss"]


class _Power(nn.Module):
    """Power in bands of a Hann-windowed spectrum: ``(batch, samples)`` -> ``(.., bands)``."""

    window: Tensor
    bank: Tensor

    def __init__(self, size: int, hop: int, bank: NDArray[np.float64]) -> None:
        super().__init__()
        self.hop = hop
        window = torch.hann_window(size)
        # a signal of mean square 1 has a total power of 1 over all bins
        scale = math.sqrt(2.0 / size / float(window.square().sum()))
        self.register_buffer("window", window * scale, persistent=False)
        self.register_buffer("bank", torch.from_numpy(bank.T).float(), persistent=False)

    def forward(self, pcm: Tensor) -> Tensor:
        return power_spectrum(pcm, self.window, self.hop) @ self.bank


def _bark(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """Critical-band rate (Traunmueller 1990)."""
    return 26.81 * hz / (1960.0 + hz) - 0.53


def _threshold_db(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quietest tone heard, dB SPL (Terhardt 1979)."""
    khz = np.maximum(hz, 60.0) / 1000.0
    quiet = 3.64 * khz**-0.8 - 6.5 * np.exp(-0.6 * (khz - 3.3) ** 2) + 1e-3 * khz**4
    return np.asarray(quiet)


def _share(edges: NDArray[np.float64], size: int, sample_rate: int) -> NDArray[np.float64]:
    """How much of each bin, one bin wide, lies in each band: ``(bands, bins)``."""
    centre = np.arange(size // 2 + 1) * sample_rate / size
    half = 0.5 * sample_rate / size
    low, high = edges[:-1, None], edges[1:, None]
    overlap = np.minimum(high, centre + half) - np.maximum(low, centre - half)
    return np.clip(overlap / (2.0 * half), 0.0, 1.0)


class LoudnessLoss(nn.Module):
    """Difference of specific loudness, after PESQ (ITU-T P.862, 10.2.7 to 10.2.10).

    Power in half-Bark bands becomes loudness by Zwicker's law above the threshold of hearing.
    Differences under a quarter of the weaker loudness are masked. What the codec adds counts
    beside it, up to twelve times, when it is several times the power that was there: added sound
    disturbs more than missing sound. Made differentiable as Martin-Donas et al. (PMSQE, IEEE SPL
    25(11), 2018) do, without PESQ's equalisation, on a clip brought to 79 dB SPL.
    """

    band_bark = 0.5
    speech_db_spl = 79.0
    faint = 10.0**2.3  # power added to faint bands before their ratio is taken: 23 dB SPL
    threshold: Tensor

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        size = sample_rate * 32 // 1000
        grid = np.arange(0.0, sample_rate / 2 + 1.0)
        barks = np.arange(_bark(grid[:1])[0], _bark(grid[-1:])[0], self.band_bark)
        edges = np.interp(barks, _bark(grid), grid)
        self.power = _Power(size, size // 2, _share(edges, size, sample_rate))
        centre = 0.5 * (edges[1:] + edges[:-1])
        threshold = 10.0 ** (_threshold_db(centre) / 10.0)
        self.register_buffer("threshold", torch.from_numpy(threshold).float(), persistent=False)

    def _loudness(self, power: Tensor) -> Tensor:
        above = (0.5 + 0.5 * power / self.threshold) ** 0.23 - 1.0
        return 1.15 * (self.threshold / 0.5) ** 0.23 * above.clamp(min=0.0)

    def forward(self, got: Tensor, wanted: Tensor) -> Tensor:
        """``(batch, samples)`` twice -> a scalar, about PESQ points lost."""
        with torch.no_grad():
            level = wanted.square().mean(-1).sqrt().clamp(min=3e-3)
            scale = (10.0 ** (self.speech_db_spl / 10.0) / level.square())[:, None, None]
            target = self.power(wanted) * scale
            loud_target = self._loudness(target)
        power = self.power(got) * scale
        loud = self._loudness(power)
        masked = 0.25 * torch.minimum(loud, loud_target)
        error = (torch.abs(loud - loud_target) - masked).clamp(min=0.0)
        added = ((power + self.faint) / (target + self.faint)) ** 1.2
        added = torch.where(added < 3.0, torch.zeros_like(added), added.clamp(max=12.0))
        symmetric = torch.sqrt((error.square() * self.band_bark).sum(-1) + 1e-6)
        asymmetric = (error * added * self.band_bark).sum(-1)
        # loud frames count a little less, as in P.862
        weight = (target.sum(-1) / scale[..., 0] / level[:, None].square() + 0.01) ** -0.04
        lost: Tensor = (0.1 * symmetric + 0.0309 * asymmetric) * weight
        return lost.mean()


class EnvelopeLoss(nn.Module):
    """One minus the correlation of third-octave envelopes over 0.4 s, after STOI (Taal et al.,
    IEEE TASLP 19(7), 2011) at the codec's own frame rate."""

    bands, lowest_hz, segment = 15, 150.0, 30

    def __init__(self, sample_rate: int, hop: int) -> None:
        super().__init__()
        centre = self.lowest_hz * 2.0 ** (np.arange(self.bands + 1) / 3.0)
        edges = centre * 2.0 ** (-1.0 / 6.0)
        self.power = _Power(2 * hop, hop, _share(edges, 2 * hop, sample_rate))

    def forward(self, got: Tensor, wanted: Tensor) -> Tensor:
        """``(batch, samples)`` twice, 31 frames or more -> a scalar, 0 to 2."""
        with torch.no_grad():
            target = torch.sqrt(self.power(wanted) + 1e-12)
            target = target.unfold(1, self.segment, 5)  # (batch, segments, bands, frames)
            energy = target.square().sum((-1, -2))
            active = (energy > 1e-4 * energy.amax()).float()[..., None]
        have = torch.sqrt(self.power(got) + 1e-12).unfold(1, self.segment, 5)
        have = have * (target.norm(dim=-1, keepdim=True) / (have.norm(dim=-1, keepdim=True) + 1e-8))
        have = torch.minimum(have, target * (1.0 + 10.0 ** (15.0 / 20.0)))
        a, b = have - have.mean(-1, keepdim=True), target - target.mean(-1, keepdim=True)
        correlation = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1) + 1e-8)
        lost: Tensor = (1.0 - correlation) * active
        return lost.sum() / (active.sum() * self.bands + 1e-8)


class ContrastLoss(nn.Module):
    """Difference of local contrast: how far log magnitudes spread around their mean, over bands of
    frequency (formants and what lies between them) and over short times (onsets, closures).

    Losses of distance are least for the mean of all that could have been said, which is smoother
    than anything that was. That the spread be right, too, is what statistical speech synthesis
    calls global variance (Toda and Tokuda, IEICE Trans. E90-D(5), 2007), here of every place by
    itself. It does not say where a peak should be; the mel losses do.
    """

    floor = 1e-5  # of a clip's mean power in a bin: what is 50 dB below that is silence
    bins, frames = (33, 65), (4, 8)  # of 37.5 Hz, and of 10 ms, that a contrast is of
    window: Tensor

    def __init__(self, sample_rate: int, hop: int) -> None:
        super().__init__()
        self.step = sample_rate // 100
        self.register_buffer("window", torch.hann_window(2 * hop), persistent=False)

    @staticmethod
    def _spread(log: Tensor, over: tuple[int, int], step: tuple[int, int]) -> Tensor:
        mean = functional.avg_pool2d(log, over, step)
        square = functional.avg_pool2d(log.square(), over, step)
        return torch.sqrt((square - mean.square()).clamp(min=0.0) + 1e-3)

    def _contrasts(self, power: Tensor, floor: Tensor) -> list[Tensor]:
        log = 0.5 * torch.log(power + floor)[:, None]
        bands = functional.avg_pool2d(log, (1, 5))
        return [self._spread(log, (1, width), (1, 8)) for width in self.bins] + [
            self._spread(bands, (length, 1), (1, 1)) for length in self.frames
        ]

    def forward(self, got: Tensor, wanted: Tensor) -> Tensor:
        """``(batch, samples)`` twice, 10 windows or more -> a scalar, nepers."""
        with torch.no_grad():
            target = power_spectrum(wanted, self.window, self.step)
            floor = self.floor * target.mean((1, 2), keepdim=True) + 1e-9
            targets = self._contrasts(target, floor)
        power = power_spectrum(got, self.window, self.step)
        pairs = zip(self._contrasts(power, floor), targets, strict=True)
        return torch.stack([torch.abs(have - want).mean() for have, want in pairs]).mean()
