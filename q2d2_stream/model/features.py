"""What the encoder hears: a fixed, untrained analysis of the last 40 ms, once per frame."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from q2d2_stream.model.config import ModelConfig
from q2d2_stream.model.transform import RealDft, bin_order

__all__ = ["Analysis"]


def _analysis_window(size: int, fall: int) -> Tensor:
    """Half a Hann window that rises for long and half a one that falls fast.

    A symmetric window hardly sees the newest 7 ms, and the decoder's envelope then lags by
    about 4 ms; low-delay speech coders use this shape for the same reason (ITU-T G.722.2, 5.2.1).
    """
    rise = size - fall
    up = 0.5 - 0.5 * torch.cos(math.pi * (torch.arange(rise) + 0.5) / rise)
    down = 0.5 + 0.5 * torch.cos(math.pi * (torch.arange(fall) + 0.5) / fall)
    return torch.cat([up, down])


def _windowed_drift(window: Tensor) -> Tensor:
    """An orthonormal basis of all straight lines over the window, windowed: ``(size, 2)``."""
    t = torch.linspace(-1.0, 1.0, len(window), dtype=torch.float64)
    lines = torch.stack([torch.ones_like(t), t], dim=1)
    basis: Tensor = torch.linalg.qr(window.double()[:, None] * lines).Q
    return basis


class Analysis(nn.Module):
    """PCM to log-magnitudes, compressed phasors and autocorrelation.

        samples   [ state: 640 ][ frame: 320 ]     an asymmetric 960-sample window per frame,
                  |<------ window of 960 ---->|    which ends with the frame: no look-ahead

    The autocorrelation of the compressed spectrum is what lets a small network find the pitch
    in minutes instead of days.

    What drifts slower than speech (wind, handling, a microphone's offset) is taken out first: the
    straight line that fits the windowed samples best, which holds 22 dB of 10 Hz, 10 of 20 and 2 of
    40. It would leak into the bins of the pitch. Every speech coder has a high-pass filter here;
    this one has no state and no delay.
    """

    window: Tensor
    drift: Tensor
    lags: Tensor
    weight: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        size = config.analysis_window
        self.hop, self.size = config.codec.hop, size
        self.dft = RealDft(size)
        window = _analysis_window(size, fall=self.hop // 2)
        self.register_buffer("window", window / window.sum() * 2.0, persistent=False)
        self.register_buffer("drift", _windowed_drift(window).float(), persistent=False)
        order = bin_order(size)
        lags = torch.arange(config.min_lag, config.max_lag + 1)
        weight = torch.where((order == 0) | (order == size // 2), 1.0, 2.0).double()
        table = torch.cos(torch.outer(order, lags) % size * (2.0 * math.pi / size)).double()
        self.register_buffer("lags", (table * weight[:, None]).float(), persistent=False)
        self.register_buffer("weight", weight.float(), persistent=False)
        # The phasors' bins, first the even ones, then the odd ones, as two slices: a gather
        # would cost more than it saves.
        self.even = slice(1, config.phasor_bins // 2 + 1)
        start = size // 4 + 1
        self.odd = slice(start, start + config.phasor_bins // 2)
        self.features = size // 2 + 1 + 2 * config.phasor_bins + len(lags)

    def initial_state(self, batch: int) -> Tensor:
        """The samples before the first frame, ``(batch, 640)``."""
        return torch.zeros(batch, self.size - self.hop, device=self.window.device)

    def forward(self, pcm: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """``(batch, 320 * frames)`` in -1..1 -> features ``(batch, frames, features)``."""
        samples = torch.cat([state, pcm], dim=1)
        hops = samples.reshape(samples.shape[0], -1, self.hop)
        frames = pcm.shape[1] // self.hop
        count = self.size // self.hop
        windows = torch.cat([hops[:, k : k + frames] for k in range(count)], dim=-1)
        windows = windows * self.window
        windows = windows - (windows @ self.drift) @ self.drift.T
        re, im = self.dft(windows)
        # A floor, not "+ 1e-12": the ONNX exporter's optimiser drops so small a term.
        magnitude = torch.sqrt(torch.clamp(re * re + im * im, min=1e-12))
        log = torch.log(magnitude + 1e-5)
        compressed = torch.exp(0.67 * log)
        correlation = compressed @ self.lags / (compressed * self.weight).sum(-1, keepdim=True)
        unit = torch.exp(-0.7 * log)  # magnitude^0.3 over magnitude
        low = [(x * unit)[..., part] for x in (re, im) for part in (self.even, self.odd)]
        features = torch.cat([log * 0.3 + 2.0, *[x * 2.0 for x in low], correlation * 2.0], -1)
        return features, samples[:, pcm.shape[1] :]
