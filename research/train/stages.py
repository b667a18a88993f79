"""What is trained when.

0  latents: encoder and lattice, through a small head, on mel spectra, pitch and voicing. All
   matrix products, so it runs at several times the speed of stage 1 and settles the bitstream.
1  waveform: the decoder on spectral losses, the encoder frozen (``train_encoder`` trains both).
2  adversarial: the decoder on those losses and against a discriminator; the bitstream stays
   (``train_encoder`` trains that too, which does not hear the discriminator; then it does not).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from q2d2_stream.analysis_by_synthesis.losses import (
    MelSpectrum,
    pitch_loss,
    spectral_distance,
    voicing_loss,
)
from q2d2_stream.analysis_by_synthesis.reconstruction import (
    Losses,
    ReconstructionLoss,
    source_loss,
    source_losses,
)
from q2d2_stream.model import Decoder
from q2d2_stream.model.decoder import DecoderState, Filters
from q2d2_stream.model.discriminator import (
    Discriminator,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)
from q2d2_stream.model.layers import CausalStack
from q2d2_stream.model.net import CodecNet
from research.train.batches import REFINED_SHARE, Batch
from research.train.closed_loop import ClosedLoop, Predicted, pairs_sent
from research.train.phase import PhaseLoss
from research.train.whisper import WhisperLoss

__all__ = [
    "AdversarialStage",
    "LatentStage",
    "Stage",
    "WaveStage",
]

AuxiliaryLoss = tuple[
    float | Tensor, Tensor
]  # a share of the gradient's size, and a loss that asks for it
Gradients = list[Tensor]  # one to each of several tensors


class Stage(nn.Module):
    """A network with what it takes to train it.

    Attributes:
        net: the network.
        refined_share: of the clips, those that are sent with refinement where there is one.
    """

    net: CodecNet
    refined_share: ClassVar[float] = REFINED_SHARE

    def begin(self) -> None:
        """Called once in a stage's life, when the weights it starts from are in place."""

    def prepare(self) -> str:
        """Called before every step; returns the name of the kind of step that comes. Steps of
        one kind differ in nothing but the values of tensors and what is drawn at random."""
        return ""

    def count(self) -> None:
        """Called after every step."""

    def warmed(self, step: int) -> int:
        """For how many of a run's ``step`` steps what moves at the next one has moved already: the
        learning rate warms up over them."""
        return step

    def trained(self) -> list[list[nn.Parameter]]:
        """Groups of parameters; the gradient of each is clipped by itself."""
        raise NotImplementedError

    def backward(self, batch: Batch, rng: np.random.Generator) -> Losses:
        """Losses by name, their gradients added to the parameters."""
        losses: Losses = self(batch, rng)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        return losses


class LatentStage(Stage):
    """Stage 0: can a small causal network tell spectrum, pitch and voicing from the points?

    The spectra are those of the decoder's synthesis window, the 640 samples that end with the
    frame: one long window, and seven short ones for the time structure inside it.
    """

    def __init__(self, net: CodecNet) -> None:
        super().__init__()
        self.net = net
        codec = net.config.codec
        dim, self.hop = net.config.encoder_dim, codec.hop
        self.wide = MelSpectrum(640, 96, 320, codec.sample_rate)
        self.fine = MelSpectrum(160, 24, 80, codec.sample_rate)
        self.bands = [96, 7 * 24, net.config.f0_bins, 1]
        self.project_in = nn.Linear(len(codec.levels) + len(codec.ladder) + 1, dim)
        self.stack = CausalStack(dim, 3, net.config.kernel, net.config.expansion)
        self.head = nn.Linear(dim, sum(self.bands))

    def trained(self) -> list[list[nn.Parameter]]:
        """Encoder and head."""
        parts = (self.net.encoder, self.net.quantizer, self.project_in, self.stack, self.head)
        return [[p for part in parts for p in part.parameters()]]

    def _spectra(self, pcm: Tensor) -> tuple[Tensor, Tensor]:
        padded = nn.functional.pad(pcm, (self.hop, 0))
        wide, fine = self.wide(padded), self.fine(padded)
        frames = wide.shape[1]
        # seven windows of 160 every 80 samples lie in one synthesis window
        fine = torch.stack([fine[:, k : k + 4 * frames : 4][:, :frames] for k in range(7)], 2)
        return wide, fine.flatten(2)

    def forward(self, batch: Batch, rng: np.random.Generator) -> Losses:
        """Losses by name; "loss" is their weighted sum."""
        points, _ = self.net.encode(batch.pcm)
        x = self.project_in(torch.cat([points * batch.mask, batch.flags], -1))
        x, _ = self.stack(x, self.stack.initial_state(x.shape[0]))
        wide, fine, pitch, voicing = torch.split(self.head(x).float(), self.bands, -1)
        with torch.no_grad():
            want_wide, want_fine = self._spectra(batch.pcm)
        mel = spectral_distance(torch.exp(wide.clamp(-6, 3) * 2.0 - 5.0), want_wide)
        time = spectral_distance(torch.exp(fine.clamp(-6, 3) * 2.0 - 5.0), want_fine)
        source = {
            "f0": pitch_loss(pitch, batch.f0, batch.voiced, self.net.decoder.log_f0),
            "voicing": voicing_loss(voicing[..., 0], batch.voiced),
        }
        loss = mel + 0.5 * time + source_loss(source)
        return {"loss": loss, "mel": mel, "time": time} | source


class WaveStage(Stage):
    """Stage 1: the decoder's output against the clip. The true F0 drives the pulses, so that the
    spectral losses see harmonics where they belong while the pitch is still being learned.
    """

    def __init__(self, net: CodecNet, train_encoder: bool = False) -> None:
        super().__init__()
        self.net, self.train_encoder = net, train_encoder
        codec = net.config.codec
        self.reconstruction = ReconstructionLoss(codec)
        self.closed_loop = ClosedLoop(net) if codec.refined else None

    def trained(self) -> list[list[nn.Parameter]]:
        """The decoder, and the encoder with ``train_encoder``."""
        parts: list[nn.Module] = [self.net.decoder]
        if self.train_encoder:
            parts += [self.net.encoder, self.net.quantizer]
        return [[p for part in parts for p in part.parameters()]]

    def pitch(self, filters: Filters, true_f0: Tensor, first: int = 0) -> Tensor:
        """The F0 that drives the pulses, ``(batch, frames)``, of the clips from ``first`` on."""
        return true_f0

    def predict(self, batch: Batch) -> Predicted:
        """The codec up to the filters."""
        with torch.set_grad_enabled(self.train_encoder and torch.is_grad_enabled()):
            points, _ = self.net.encode(batch.pcm)
        decoder: Decoder = self.net.decoder
        state = decoder.random_state(points.shape[0])
        filters, _ = decoder.filters(points * batch.mask, batch.flags, state.blocks)
        source = source_losses(decoder, filters, batch.f0, batch.voiced)
        return Predicted(filters, state, source, points.detach())

    def synthesize(
        self, batch: Batch, filters: Filters, f0: Tensor, said: Predicted
    ) -> tuple[Tensor, Tensor, Losses]:
        """Decoded speech beside what it should have been, ``(batch, samples)`` each; and what the
        refinement had to mend."""
        delay = self.net.config.codec.lookahead
        pcm, _ = self.net.decoder.synthesize(filters, f0, said.state, said.state.blocks)
        if self.closed_loop is None:
            return pcm[:, delay:], batch.pcm[:, :-delay], {}
        frames = pcm.reshape(len(pcm), -1, self.net.decoder.hop)
        better, errors = self.closed_loop(batch, frames, said, self.pitch)
        return better[:, 1:].flatten(1), batch.pcm[:, : -2 * delay], errors

    def forward(self, batch: Batch, rng: np.random.Generator) -> Losses:
        """Losses by name; "loss" is their weighted sum."""
        said = self.predict(batch)
        f0 = self.pitch(said.filters, batch.f0)
        got, wanted, errors = self.synthesize(batch, said.filters, f0, said)
        losses: Losses = self.reconstruction(got, wanted, pairs_sent(batch), rng) | said.source
        losses["loss"] = losses["loss"] + source_loss(said.source) + errors.get("bits_cost", 0.0)
        return losses | errors


class AdversarialStage(WaveStage):
    """Stage 2: the decoder against a discriminator, on a frozen encoder unless it is trained too.

    Gradients are balanced where they meet: the adversarial gradient is scaled to a fixed fraction
    of the reconstruction losses' gradient, whatever the scale of a loss; so are those of the
    pulses' phases and, where there is one, of a recogniser. They meet at the filters (as VQGAN's at
    its last layer, arXiv 2012.09841), not at the waveform (EnCodec, arXiv 2210.13438): there the
    near silence between words holds most of a logarithm's gradient, and the filters hear little of
    it.
    """

    adversarial_weight, feature_matching_weight = 0.5, 6.0
    # A new discriminator learns alone first, then its weight ramps up.
    alone_steps, ramp_steps = 500, 400
    whisper_weight = 0.8
    phase_weight = 0.1
    steps: Tensor  # stays on the CPU: it decides what comes next
    ramp: Tensor

    def __init__(self, net: CodecNet, train_encoder: bool = False, whisper: bool = False) -> None:
        super().__init__(net, train_encoder)
        self.discriminator = Discriminator()
        self.phase = PhaseLoss(net.config.codec.sample_rate, net.config.codec.hop)
        self.whisper = WhisperLoss() if whisper else None
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("ramp", torch.zeros(()), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AdversarialStage:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.steps = self.steps.cpu()
        return self

    @property
    def _joined(self) -> int:
        """Steps since the decoder joined the discriminator; negative while that learns alone."""
        return int(self.steps) - self.alone_steps

    def prepare(self) -> str:
        """ "alone" while only the discriminator learns, then "together"."""
        self.ramp.fill_(min(1.0, max(0.0, self._joined / self.ramp_steps)))
        return "alone" if self._joined < 0 else "together"

    def count(self) -> None:
        """Of a discriminator's life, over several runs."""
        self.steps += 1

    def trained(self) -> list[list[nn.Parameter]]:
        """The decoder, and the encoder with ``train_encoder``; the discriminator."""
        return [*super().trained(), list(self.discriminator.parameters())]

    def warmed(self, step: int) -> int:
        """The decoder begins to move when a new discriminator has had its steps alone."""
        return step if self._joined < 0 else min(step, self._joined)

    def pitch(self, filters: Filters, true_f0: Tensor, first: int = 0) -> Tensor:
        """The decoded F0, as in a call, for every other clip."""
        decoded = self.net.decoder.decoded_f0(filters).detach()
        clip = torch.arange(first, first + len(true_f0), device=true_f0.device)
        odd = clip[:, None] % 2 == 1
        return torch.where(odd, decoded, true_f0)

    def judge(self, got: Tensor, wanted: Tensor) -> tuple[Losses, slice]:
        """The discriminator's losses on a part of every clip, and which: half, for it costs more
        than the decoder."""
        # every process draws the same resolutions: their gradients are averaged
        drawn = np.random.default_rng(int(self.steps))
        start = int(drawn.integers(0, got.shape[1] // 2 + 1))
        part = slice(start, start + got.shape[1] // 2)
        fake, real = self.discriminator(got[:, part], wanted[:, part], drawn)
        said = {
            "discriminator": discriminator_loss(fake, real),
            "adversarial": adversarial_loss(fake),
            "feature_matching": feature_matching_loss(fake, real),
        }
        return said, part

    def pulse_shape(
        self, batch: Batch, filters: Filters, f0: Tensor, state: DecoderState
    ) -> Tensor:
        """How wrong the shape of the pulses is."""
        decoder: Decoder = self.net.decoder
        with torch.no_grad():
            noise, _ = decoder.noise_phase(f0.shape[1], state.noise)
            frames, _ = decoder.pulses(filters, f0, noise, state)
            pulses = decoder.spectrum(frames, state.pulses)
            said = batch.pcm.reshape(frames.shape)
            speech = decoder.spectrum(said, torch.zeros_like(said[:, 0]))
        loss: Tensor = self.phase(filters.angle, pulses, speech, f0, batch.voiced)
        return loss

    def teach(self, batch: Batch) -> Losses:
        """The discriminator's part of a step: a third of its cost, and no harm to the decoder."""
        with torch.no_grad():
            said = self.predict(batch)
            f0 = self.pitch(said.filters, batch.f0)
            got, wanted, _ = self.synthesize(batch, said.filters, f0, said)
        losses, _ = self.judge(got, wanted)
        losses["discriminator"].backward()  # type: ignore[no-untyped-call]
        return losses | said.source

    def backward(self, batch: Batch, rng: np.random.Generator) -> Losses:
        """One forward pass serves both sides."""
        if self._joined < 0:
            return self.teach(batch)
        said = self.predict(batch)
        filters, source = said.filters, said.source
        heard = _detached(filters)
        f0 = self.pitch(filters, batch.f0)
        got, wanted, errors = self.synthesize(batch, heard, f0, said)
        losses: Losses = self.reconstruction(got, wanted, pairs_sent(batch), rng)
        losses["loss"] = losses["loss"] + errors.get("bits_cost", 0.0)
        opinion, part = self.judge(got, wanted)
        losses |= opinion
        adversarial = (
            losses["adversarial"] + self.feature_matching_weight * losses["feature_matching"]
        )
        losses["phase"] = self.pulse_shape(batch, heard, f0, said.state)
        auxiliaries: list[AuxiliaryLoss] = [
            (self.ramp * self.adversarial_weight, adversarial),
            (self.phase_weight, losses["phase"]),
        ]
        if self.whisper is not None:
            losses["whisper"] = self.whisper(got[:, part], wanted[:, part])
            auxiliaries.append((self.whisper_weight, losses["whisper"]))
        reconstruction, texture, phase, *words = balanced(
            losses["loss"], auxiliaries, _shaping(heard)
        )
        torch.autograd.backward(
            losses["discriminator"], inputs=list(self.discriminator.parameters())
        )
        self.descend(filters, source_loss(source), [reconstruction, *words], [texture, phase])
        return losses | source | errors

    def descend(
        self, filters: Filters, side: Tensor, content: list[Gradients], texture: list[Gradients]
    ) -> None:
        """Add gradients at the filters, and those of the loss ``side``, to the parameters'.

        The encoder hears of the content alone: what is to be told does not depend on the texture
        that the decoder gives it ("universal representations", arXiv 2106.10311). Of the
        discriminator little reaches it but noise, and the rest is the opposite of what the spectral
        losses ask.
        """
        shaping, decoder = _shaping(filters), list(self.net.decoder.parameters())
        if self.train_encoder:
            torch.autograd.backward(shaping, _sum(texture), retain_graph=True, inputs=decoder)
        else:  # nothing before the decoder listens: one way back is enough
            content = [*content, *texture]
        torch.autograd.backward([*shaping, side], [*_sum(content), torch.ones_like(side)])


def _detached(filters: Filters) -> Filters:
    """The same, where the gradients of what is made of them meet."""
    predicted = (filters.harmonic, filters.angle, filters.noise, filters.pitch, filters.voicing)
    leaves = (each.detach().requires_grad_() for each in predicted)
    return Filters(*leaves)._replace(refined=filters.refined)


def _shaping(filters: Filters) -> list[Tensor]:
    """What a waveform's gradient reaches: the pitch drives the pulses apart from it."""
    return [filters.harmonic, filters.angle, filters.noise, filters.voicing]


def balanced(
    loss: Tensor, auxiliaries: list[AuxiliaryLoss], inputs: list[Tensor]
) -> list[Gradients]:
    """Gradients of ``loss`` for ``inputs``, then those of every auxiliary loss, scaled to its
    weight times their norm; an auxiliary loss need not reach all inputs. The graph is kept."""

    def gradients(of: Tensor) -> tuple[Gradients, Tensor]:
        found = list(torch.autograd.grad(of, inputs, retain_graph=True, materialize_grads=True))
        return found, torch.stack([each.norm() for each in found]).norm()

    own, size = gradients(loss)
    brought = [own]
    for share, auxiliary in auxiliaries:
        found, norm = gradients(auxiliary)
        brought.append([each * (share * size / (norm + 1e-12)) for each in found])
    return brought


def _sum(several: list[Gradients]) -> Gradients:
    return [torch.stack(same).sum(0) for same in zip(*several, strict=True)]
