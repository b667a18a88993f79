"""A loss for the phases that shape the pulses."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from q2d2_stream.model.transform import bin_order

__all__ = ["PhaseLoss"]

Spectrum = tuple[Tensor, Tensor]  # real and imaginary parts


class PhaseLoss(nn.Module):
    """How far the phases that the decoder gives its pulses are from those of speech, but for a
    delay: 0 where they are the same, 1 where they have nothing to do with each other.

    Where pulses fall is the decoder's own affair. Nobody hears a delay of a few milliseconds, but
    it turns the phase of every harmonic, so no waveform can be compared; and losses on spectra
    know of a phase only what it does to magnitudes, which above 1 kHz is next to nothing. Here
    each frame of speech is compared with the pulses as they fell, the delay that fits best is
    taken off, and what remains is how the harmonics stand to each other, the pulse's shape. With
    W and P the spectra of speech and pulses in a synthesis window and a the decoder's angle,

        loss = 1 - sum w cos(arg W - arg P - a - 2 pi f d) / sum w,    w = |W P| ^ (1/2),

    over the bins of voiced frames, d being for each frame the delay of at most half a period that
    makes the sum over the bins below 4 kHz largest.
    """

    LOWEST_HZ, FITTED_HZ, TOP_HZ = 60.0, 4000.0, 8000.0
    radians: Tensor
    heard: Tensor
    delays: Tensor
    turn_re: Tensor
    turn_im: Tensor

    def __init__(self, sample_rate: int, hop: int) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        hz = bin_order(2 * hop) * (sample_rate / (2 * hop))
        heard = (hz >= self.LOWEST_HZ) & (hz < self.TOP_HZ)
        fitted = heard & (hz < self.FITTED_HZ)
        longest = sample_rate / self.LOWEST_HZ / 2.0
        delays = torch.arange(-longest, longest + 0.5, 0.5)  # samples: at most 15 degrees off
        radians = hz * (2.0 * math.pi / sample_rate)  # per sample
        turn = delays[:, None] * radians
        for name, table in {
            "radians": radians,
            "heard": heard.float(),
            "delays": delays,
            "turn_re": torch.cos(turn) * fitted,
            "turn_im": torch.sin(turn) * fitted,
        }.items():
            self.register_buffer(name, table, persistent=False)

    def forward(
        self, angle: Tensor, pulses: Spectrum, speech: Spectrum, f0: Tensor, voiced: Tensor
    ) -> Tensor:
        """A scalar.

        Args:
            angle: what the decoder adds to the pulses' phases, radians ``(batch, frames, bins)``.
            pulses, speech: spectra by :meth:`~q2d2_stream.model.Decoder.spectrum`.
            f0: what drives the pulses, Hz ``(batch, frames)``.
            voiced: 1 where there is a pitch, else 0, ``(batch, frames)``.
        """
        target, weight = self._target(angle.detach(), pulses, speech, f0)
        both = voiced * nn.functional.pad(voiced, (1, 0))[:, :-1]  # a window is two frames long
        weight = weight * both[..., None]
        return 1.0 - (weight * torch.cos(angle - target)).sum() / (weight.sum() + 1e-6)

    @torch.no_grad()
    def _target(
        self, angle: Tensor, pulses: Spectrum, speech: Spectrum, f0: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What the angles should be, and how much each counts, ``(batch, frames, bins)``."""
        p_re, p_im = pulses
        w_re, w_im = speech
        re, im = w_re * p_re + w_im * p_im, w_im * p_re - w_re * p_im
        phase = torch.atan2(im, re)
        weight = (re.square() + im.square()) ** 0.25 * self.heard
        rest = phase - angle
        fit = (weight * torch.cos(rest)) @ self.turn_re.T
        fit += (weight * torch.sin(rest)) @ self.turn_im.T
        too_far = torch.abs(self.delays) > 0.5 * self.sample_rate / f0[..., None]
        delay = self.delays[fit.masked_fill(too_far, -torch.inf).argmax(-1)]
        return phase - delay[..., None] * self.radians, weight
