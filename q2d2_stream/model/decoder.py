"""The causal decoder: lattice points to PCM through a harmonic-plus-noise source."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from q2d2_stream.model.config import ModelConfig
from q2d2_stream.model.excitation import NoisePhase, PulseTrain
from q2d2_stream.model.layers import CausalStack
from q2d2_stream.model.transform import InverseRealDft, RealDft

__all__ = ["Decoder", "DecoderState", "Filters"]

UNHEARD = -2.0  # logit of voicing: pulses at an eighth of their gain


class DecoderState(NamedTuple):
    """What the decoder remembers."""

    blocks: tuple[Tensor, ...]  # one tensor per block
    phase: Tensor  # (batch, 1), cycles
    f0: Tensor  # (batch, 1), Hz
    pulses: Tensor  # (batch, 320), the last frame of the pulse train
    noise: Tensor  # (batch, bins), generator states
    tail: Tensor  # (batch, 320), second half of the last synthesis window


class Filters(NamedTuple):
    """What the trunk predicts, per frame; bins in ``bin_order``."""

    harmonic: Tensor  # (batch, frames, bins), log gain of the pulse train
    angle: Tensor  # (batch, frames, bins), phase added to the pulse train, radians
    noise: Tensor  # (batch, frames, bins), log gain of the noise
    pitch: Tensor  # (batch, frames, f0_bins), logits over log-spaced F0
    voicing: Tensor  # (batch, frames), logit
    refined: Tensor | None = None  # (batch, frames), one in frames with refinement, else zero


class Decoder(nn.Module):
    """Trunk of causal ConvNeXt blocks, then pulses and noise shaped by predicted filters.

        synthesis window of frame t    |<-- 320 -->|<-- 320 -->|
        pulses                           frame t-1    frame t
        output of frame t                samples t-1  (complete: overlap-add of two windows)

    so the output trails the input by 320 samples. A harmonic source gives the phase coherence
    of voiced speech that free phases take days of training to find (HiFTNet, arXiv 2309.09493;
    neural source-filter models, arXiv 1904.12088).
    """

    window: Tensor
    log_f0: Tensor
    classes: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config, self.hop = config, config.codec.hop
        size = 2 * self.hop
        self.bins = size // 2 + 1
        self.flags = len(config.codec.ladder) + 1
        dim = config.decoder_dim
        self.project_in = nn.Linear(len(config.codec.levels) + self.flags, dim)
        self.stack = CausalStack(dim, config.decoder_blocks, config.kernel, config.expansion)
        self.head = nn.Linear(dim, 3 * self.bins + config.f0_bins + 1)
        nn.init.normal_(self.head.weight, std=0.3 * dim**-0.5)
        nn.init.zeros_(self.head.bias)
        self.pulse_train = PulseTrain(config.codec.sample_rate, self.hop)
        self.noise_phase = NoisePhase(self.bins)
        self.dft, self.inverse = RealDft(size), InverseRealDft(size)
        window = torch.sqrt(torch.hann_window(size, periodic=True))
        self.register_buffer("window", window, persistent=False)
        f0 = torch.logspace(math.log10(config.f0_min), math.log10(config.f0_max), config.f0_bins)
        self.register_buffer("log_f0", torch.log(f0), persistent=False)
        self.step = math.log(config.f0_max / config.f0_min) / (config.f0_bins - 1)
        self.register_buffer("classes", torch.arange(config.f0_bins).float(), persistent=False)

    def initial_state(self, batch: int = 1) -> DecoderState:
        """The state before the first frame."""
        device = self.window.device
        phase, f0 = self.pulse_train.initial_state(batch, device)
        silence = torch.zeros(batch, self.hop, device=device)
        noise = self.noise_phase.initial_state(batch)
        blocks = self.stack.initial_state(batch)
        return DecoderState(blocks, phase, f0, silence, noise, silence.clone())

    def random_state(self, batch: int = 1) -> DecoderState:
        """The state before the first frame, but with sound sources as after many others: a
        discriminator must not find out speech by the one noise that every clip begins with."""
        state = self.initial_state(batch)
        noise = torch.randint_like(state.noise, self.noise_phase.MODULUS)
        return state._replace(phase=torch.rand_like(state.phase), noise=noise)

    def filters(
        self, points: Tensor, flags: Tensor, blocks: tuple[Tensor, ...]
    ) -> tuple[Filters, tuple[Tensor, ...]]:
        """The trunk alone: points ``(batch, frames, 24)``, flags ``(batch, frames, 5)``."""
        x, blocks = self.stack(self.project_in(torch.cat([points, flags], -1)), blocks)
        sizes = [self.bins] * 3 + [self.config.f0_bins, 1]
        raw = torch.split(self.head(x).float(), sizes, dim=-1)
        # -4.5 starts the gains near the level of quiet speech; the clamp keeps a bad frame
        # from ringing at full scale.
        harmonic, noise = (torch.clamp(g * 3.0 - 4.5, -14.0, 3.0) for g in (raw[0], raw[2]))
        rate = self.config.codec.refined_rate
        refined = flags[..., rate.index] if rate is not None else None
        filters = Filters(harmonic, raw[1] * math.pi, noise, raw[3], raw[4][..., 0], refined)
        return filters, blocks

    def decoded_f0(self, filters: Filters) -> Tensor:
        """F0 ``(batch, frames)`` in Hz, on a grid in frames with refinement: there the sender
        decodes, too, and both have to place their pulses alike."""
        f0 = self.exact_f0(filters.pitch)
        if filters.refined is None:
            return f0
        return torch.where(filters.refined > 0, self.pulse_train.on_grid(f0), f0)

    def exact_f0(self, pitch: Tensor) -> Tensor:
        """Logits ``(..., f0_bins)`` -> F0 in Hz: the mean over the two bins beside the peak."""
        peak = torch.argmax(pitch, dim=-1, keepdim=True).to(pitch.dtype)
        away = self.classes - peak
        weight = torch.softmax(pitch, dim=-1) * (torch.abs(away) < 2.5).to(pitch.dtype)
        # The mean is taken of the distance from the peak, not of log F0: that keeps rounding
        # ten times smaller, and the phase adds up what is left.
        fraction = (weight * away).sum(-1) / weight.sum(-1)
        f0 = torch.exp(math.log(self.config.f0_min) + self.step * peak[..., 0])
        return f0 * torch.exp(self.step * fraction)

    def spectrum(self, frames: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Real and imaginary parts of the synthesis windows that end with each frame: samples
        ``(batch, frames, 320)`` and the frame before them -> ``(batch, frames, bins)`` each."""
        earlier = torch.cat([before[:, None], frames[:, :-1]], dim=1)
        re, im = self.dft(torch.cat([earlier, frames], dim=-1) * self.window)
        return re, im

    def pulses(
        self, filters: Filters, f0: Tensor, angle: Tensor, state: DecoderState
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The pulse train ``(batch, frames, 320)`` at ``f0`` ``(batch, frames)``, beside noise at
        ``angle`` ``(batch, frames, bins)``; phase and F0 after it."""
        anew = None
        if filters.refined is not None:
            voicing = torch.where(filters.refined > 0, filters.voicing, 0.0)
            anew = voicing < UNHEARD, angle[..., 0] * (0.5 / math.pi)
        train: tuple[Tensor, tuple[Tensor, Tensor]]
        train = self.pulse_train(f0, (state.phase, state.f0), anew)
        return train

    def synthesize(
        self, filters: Filters, f0: Tensor, state: DecoderState, blocks: tuple[Tensor, ...]
    ) -> tuple[Tensor, DecoderState]:
        """Filters and F0 ``(batch, frames)`` -> PCM ``(batch, 320 * frames)``."""
        angle, noise = self.noise_phase(f0.shape[1], state.noise)
        pulses, (phase, last_f0) = self.pulses(filters, f0, angle, state)
        re, im = self.spectrum(pulses, state.pulses)
        gain = torch.exp(filters.harmonic) * torch.sigmoid(filters.voicing)[..., None]
        cos, sin = gain * torch.cos(filters.angle), gain * torch.sin(filters.angle)
        # sqrt(hop): the pulse train's own mean magnitude, so that both gains mean the same
        noise_gain = torch.exp(filters.noise) * math.sqrt(self.hop)
        out_re = re * cos - im * sin + noise_gain * torch.cos(angle)
        out_im = re * sin + im * cos + noise_gain * torch.sin(angle)
        windows = self.inverse(out_re, out_im) * self.window
        first, second = windows[..., : self.hop], windows[..., self.hop :]
        pcm = first + torch.cat([state.tail[:, None], second[:, :-1]], dim=1)
        after = DecoderState(blocks, phase, last_f0, pulses[:, -1], noise, second[:, -1])
        return pcm.reshape(pcm.shape[0], -1), after

    def forward(
        self, points: Tensor, flags: Tensor, state: DecoderState
    ) -> tuple[Tensor, DecoderState]:
        """Points and flags of some frames -> PCM.

        Args:
            points: normalised lattice points ``(batch, frames, 24)``, zero for pairs not sent.
            flags: ``(batch, frames, 5)``: one-hot of the rate, or of "lost" (the last).
            state: as returned by the call before, or ``initial_state``.

        Returns:
            PCM ``(batch, 320 * frames)``, 320 samples behind the encoder's input; and the state.
        """
        filters, blocks = self.filters(points, flags, state.blocks)
        return self.synthesize(filters, self.decoded_f0(filters), state, blocks)
