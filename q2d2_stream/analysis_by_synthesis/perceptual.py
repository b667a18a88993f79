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

from q2d2_stream.analysis_by_synthesis.pesq_tables import BARK, BINS, CORRECTION, THRESHOLD, WIDTH
from q2d2_stream.model.spectrum import power_spectrum

__all__ = ["ContrastLoss", "NsimLoss", "PesqLoss", "StoiLoss"]


def _share(edges: NDArray[np.float64], size: int, sample_rate: int) -> NDArray[np.float64]:
    """How much of each bin, one bin wide, lies in each band: ``(bands, bins)``."""
    centre = np.arange(size // 2 + 1) * sample_rate / size
    half = 0.5 * sample_rate / size
    low, high = edges[:-1, None], edges[1:, None]
    overlap = np.minimum(high, centre + half) - np.maximum(low, centre - half)
    return np.clip(overlap / (2.0 * half), 0.0, 1.0)


class PesqLoss(nn.Module):
    """Points of MOS that PESQ would take off, before its mapping: 0.1 and 0.0309 of its symmetric
    and asymmetric disturbance (ITU-T P.862, 10.2, with the wide band input filter of P.862.2).

    A filter between the two signals that stays the same and gains that change slowly are equalised;
    power in Bark bands becomes loudness by Zwicker's law; differences under a quarter of the weaker
    loudness are masked; what was added counts more than what is missing; and bad frames count
    more than others, by a norm of order 6 over 0.3 s. Differentiable as in torch-pesq (Fraunhofer
    IIS, 2022); without the time alignment, and the level is measured between two sharp edges.
    """

    level, band_hz = 1e7, (325.0, 3250.0)
    # Its own spectra are scaled by this; clips are taken to be 8 s long where it pads them.
    sound_power, padded = 6.910853e-006, 1.04684 * (1.0 + 5120 / 128_000)
    loudness = 0.1866055
    bank: Tensor
    window: Tensor
    threshold: Tensor
    exponent: Tensor
    width: Tensor

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        size = sample_rate * 32 // 1000
        self.hop, self.sample_rate = size // 2, sample_rate
        bank = np.zeros((size // 2 + 1, len(BINS)))
        bank[np.arange(256), np.repeat(np.arange(len(BINS)), BINS)] = 1.0
        # (512 / size)^2: its windows are of 512 samples
        bank *= CORRECTION * self.sound_power * (512 / size) ** 2
        exponent = 0.23 * np.clip(6.0 / (BARK + 2.0), 1.0, 2.0) ** 0.15
        # the lowest band is left out of the sums
        tables = {"bank": bank, "threshold": THRESHOLD, "exponent": exponent, "width": WIDTH}
        for name, table in tables.items():
            self.register_buffer(name, torch.from_numpy(table[..., 1:]).float(), persistent=False)
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def _input_filter(self, hz: Tensor) -> Tensor:
        """Gain for wide bands, by two poles and two zeros at 16 kHz, after the resampling to it."""
        turn = torch.exp(-2j * math.pi / 16_000 * hz.clamp(max=8000.0))
        rise = 2.740826 * (1.0 - turn) ** 2 / (1.0 - 1.9444777 * turn + 0.94597794 * turn**2)
        return torch.abs(rise) * ((8000.0 - hz) / 700.0).clamp(0.0, 1.0)

    def _power(self, pcm: Tensor) -> Tensor:
        """Power in Bark bands at the standard's level, ``(batch, windows, bands)``."""
        count = pcm.shape[-1]
        spectrum = torch.fft.rfft(pcm)
        step = self.sample_rate / count
        low, high = (round(hz / step) for hz in self.band_hz)
        inside = torch.view_as_real(spectrum[:, low:high]).square().sum((-1, -2))
        scale = self.level * self.padded / (2.0 * inside / count**2 + 1e-7)
        hz = step * torch.arange(spectrum.shape[-1], device=pcm.device)
        heard = torch.fft.irfft(spectrum * self._input_filter(hz), n=count)
        return (power_spectrum(heard, self.window, self.hop) @ self.bank) * scale[:, None, None]

    def _audible(self, power: Tensor, factor: float = 1.0) -> Tensor:
        return (power * (power > factor * self.threshold)).sum(-1)

    def _heard(self, power: Tensor) -> Tensor:
        above = (0.5 + 0.5 * power / self.threshold) ** self.exponent - 1.0
        return self.loudness * (2.0 * self.threshold) ** self.exponent * above.clamp(min=0.0)

    @staticmethod
    def _over_time(disturbance: Tensor) -> Tensor:
        parts = (disturbance + 1e-3).unfold(-1, 20, 10)  # 0.32 s each
        return ((parts**6).mean(-1) ** (1.0 / 3.0)).mean(-1).sqrt()

    def forward(self, got: Tensor, wanted: Tensor) -> Tensor:
        """``(batch, samples)`` twice, 0.4 s or more -> ``(batch,)``."""
        power, target = self._power(got), self._power(wanted)
        spoken = (self._audible(target, 100.0) > 1e7)[..., None]
        mean, mean_target = (
            (each * (each > 100.0 * self.threshold) * spoken).mean(1, keepdim=True)
            for each in (power, target)
        )
        target = target * ((mean + 1e3) / (mean_target + 1e3)).clamp(0.01, 100.0)
        gain = (self._audible(target) + 5e3) / (self._audible(power) + 5e3)
        gain = torch.cat([gain[:, :1], 0.8 * gain[:, 1:] + 0.2 * gain[:, :-1]], 1)
        power = power * gain.clamp(3e-4, 5.0)[..., None]
        loud, loud_target = self._heard(power), self._heard(target)
        masked = 0.25 * torch.minimum(loud, loud_target)
        error = (torch.abs(loud - loud_target) - masked).clamp(min=0.0) * self.width
        added = ((power + 50.0) / (target + 50.0)) ** 1.2
        added = torch.where(added < 3.0, torch.zeros_like(added), added.clamp(max=12.0))
        symmetric = torch.sqrt(self.width.sum() * error.square().sum(-1) + 1e-6)
        asymmetric = (error * added).sum(-1)
        # loud frames count a little less
        weight = ((self._audible(target) + 1e5) / 1e7) ** -0.04
        lost = [self._over_time((x * weight).clamp(max=45.0)) for x in (symmetric, asymmetric)]
        return 0.1 * lost[0] + 0.0309 * lost[1]


class StoiLoss(nn.Module):
    """One minus STOI (Taal et al., IEEE TASLP 19(7), 2011): the correlation of third-octave
    envelopes over 0.4 s, at the codec's own frame rate.

    Frames 40 dB below the loudest are taken out before, as the standard does: without that it
    says as much of the pauses as of the speech (correlation with STOI .72 over decoded clips, with
    it .99).
    """

    bands, lowest_hz, segment, step, floor = 15, 150.0, 30, 5, 1e-8
    window: Tensor
    bank: Tensor

    def __init__(self, sample_rate: int, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("window", torch.hann_window(2 * hop), persistent=False)
        centre = self.lowest_hz * 2.0 ** (np.arange(self.bands + 1) / 3.0)
        bank = _share(centre * 2.0 ** (-1.0 / 6.0), 2 * hop, sample_rate)
        energy = np.ones_like(bank[:1])  # of the frame, half of a real spectrum's edges
        energy[:, [0, -1]] = 0.5
        bank = np.concatenate([bank, energy])
        self.register_buffer("bank", torch.from_numpy(bank.T).float(), persistent=False)

    def _envelopes(self, power: Tensor, order: Tensor, floor: Tensor) -> Tensor:
        ordered = torch.gather(power, 1, order.expand(-1, -1, self.bands))
        return torch.sqrt(ordered + floor).unfold(1, self.segment, self.step)

    def forward(self, got: Tensor, wanted: Tensor) -> Tensor:
        """``(batch, samples)`` twice, 31 frames or more -> a scalar, 0 to 2."""
        power = power_spectrum(got, self.window, self.hop) @ self.bank[:, :-1]
        with torch.no_grad():
            target = power_spectrum(wanted, self.window, self.hop) @ self.bank
            loudest = target[..., -1].amax(1, keepdim=True)
            active = target[..., -1] > 1e-4 * loudest
            floor = self.floor * loudest[..., None] + 1e-9  # bands with nothing in them
            # active frames first, in order; segments of nothing but them count
            order = torch.argsort(~active, dim=1, stable=True)[..., None]
            want = self._envelopes(target[..., :-1], order, floor)
            ends = self.segment + self.step * torch.arange(want.shape[1], device=got.device)
            whole = (ends <= active.sum(1, keepdim=True)).float()[..., None]
        have = self._envelopes(power, order, floor)
        have = have * (want.norm(dim=-1, keepdim=True) / (have.norm(dim=-1, keepdim=True) + 1e-8))
        have = torch.minimum(have, want * (1.0 + 10.0 ** (15.0 / 20.0)))
        a, b = have - have.mean(-1, keepdim=True), want - want.mean(-1, keepdim=True)
        correlation = (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1) + 1e-8)
        lost: Tensor = (1.0 - correlation) * whole
        return lost.sum() / (whole.sum() * self.bands + 1e-8)


class NsimLoss(nn.Module):
    """One minus NSIM (Hines and Harte, Speech Communication 54(2), 2012), as ViSQOL has it: the
    correlation of two spectrograms within every 3 x 3 cells, of 80 ms every 20 ms in 21 bands.

    The gammatone filters of order 4 are their magnitudes; parts with no speech within 0.2 s do not
    count; speech is taken to be in step, so nothing is searched for.
    """

    bands, lowest_hz, highest_hz = 21, 50.0, 8000.0
    ear_q, narrowest_hz = 9.26449, 24.7  # of equivalent rectangular bandwidths
    floor_db, voice = -45.0, 0.15  # of log10 of the level times 10; of a clip's peak
    near = (0.0838251475442633, 0.619485845753726, 0.0113033910173052)  # beside, centre, corner
    window: Tensor
    bank: Tensor
    weights: Tensor

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        size = sample_rate * 8 // 100
        self.hop = size // 4
        offset = self.ear_q * self.narrowest_hz
        low, high = np.log(self.lowest_hz + offset), np.log(self.highest_hz + offset)
        centre = np.exp(low + (high - low) * np.arange(self.bands) / self.bands) - offset
        width = 1.019 * (centre / self.ear_q + self.narrowest_hz)
        hz = np.arange(size // 2 + 1)[:, None] * sample_rate / size
        bank = (1.0 + ((hz - centre) / width) ** 2) ** -4.0 * (hz <= self.highest_hz)
        self.register_buffer("bank", torch.from_numpy(bank * 2.0 / size**2).float(), False)
        self.register_buffer("window", torch.hann_window(size, periodic=False), persistent=False)
        beside, middle, corner = self.near
        weights = [corner, beside, corner, beside, middle, beside, corner, beside, corner]
        self.register_buffer("weights", torch.tensor(weights)[:, None], persistent=False)

    def _decibels(self, pcm: Tensor) -> Tensor:
        power = power_spectrum(pcm, self.window, self.hop) @ self.bank
        return (5.0 * torch.log10(power + 1e-10)).clamp(min=self.floor_db)

    def _around(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted mean of every cell's neighbourhood, and how the nine are away from it."""
        padded = functional.pad(cells[:, None], (1, 1, 1, 1), mode="replicate")
        nine = functional.unfold(padded, 3).view(len(cells), 9, *cells.shape[1:])
        mean = (nine * self.weights[..., None]).sum(1)
        return mean, nine - mean[:, None]

    def _spoken(self, pcm: Tensor, count: int) -> Tensor:
        level = pcm.unfold(-1, self.hop, self.hop).square().mean(-1).sqrt()[:, :count]
        voiced = (level > self.voice * pcm.abs().amax(-1, keepdim=True)).float()
        return functional.max_pool1d(voiced[:, None], 21, 1, 10)[:, 0, :, None]

    def forward(self, got: Tensor, wanted: Tensor) -> Tensor:
        """``(batch, samples)`` twice, 0.14 s or more -> a scalar, 0 to 2."""
        a, b = self._decibels(wanted), self._decibels(got)
        lowest = torch.minimum(a.amin((1, 2), True), b.amin((1, 2), True)).detach()
        a, b = a - lowest, b - lowest
        (mean_a, away_a), (mean_b, away_b) = self._around(a), self._around(b)
        level = (2.0 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
        pairs = ((away_a, away_a), (away_b, away_b), (away_a, away_b))
        var_a, var_b, together = ((x * y * self.weights[..., None]).sum(1) for x, y in pairs)
        spread = torch.sqrt(var_a * var_b + 1e-10)
        lost = 1.0 - level * (together + 4.5e-4) / (spread + 4.5e-4)
        spoken = self._spoken(wanted, a.shape[1])
        return (lost * spoken).sum() / (spoken.sum() * self.bands + 1e-8)


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
