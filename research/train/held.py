"""Stages in which the rate with refinement alone learns, and the others are held where they were.

One decoder serves all rates, and what is a gain for one is a loss for another: each joint training
lowered the lower rates. Here half of the clips are refined and learn as in any stage; of the others
nothing but the filters is computed, and they are to be those of the decoder that the run began
with.
"""

from __future__ import annotations

import copy
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from q2d2_stream.analysis_by_synthesis.reconstruction import Losses, source_loss
from q2d2_stream.errors import ModelError
from q2d2_stream.model.decoder import Filters
from q2d2_stream.model.net import CodecNet
from research.train.batches import Batch
from research.train.closed_loop import Predicted, clips_refined
from research.train.stages import AdversarialStage, WaveStage

__all__ = ["HeldAdversarialStage", "HeldWaveStage"]


class _HeldStage(WaveStage):
    """Holds the filters of plain rates; the stages below say how the refined one learns."""

    refined_share: ClassVar[float] = 0.5
    held_weight = 10.0  # .07 of a loss where both gains are half a decibel off

    def __init__(self, net: CodecNet, **stage: bool) -> None:
        if not net.config.codec.refined:
            raise ModelError(
                "the network has no rate with refinement, so no rate would learn; expected one "
                "made by research.train.regrade"
            )
        super().__init__(net, **stage)
        self.teacher = copy.deepcopy(net.decoder).requires_grad_(False)

    def begin(self) -> None:
        """The decoder as it is now is the one to hold to."""
        super().begin()
        self.teacher.load_state_dict(self.net.decoder.state_dict())

    def backward(self, batch: Batch, rng: np.random.Generator) -> Losses:
        """Losses by name, their gradients added to the parameters."""
        rows = clips_refined(batch, self.net.config.codec.ladder)
        losses = super().backward(Batch(*(each[:rows] for each in batch)), rng)
        if all(p.grad is None for p in self.net.decoder.parameters()):
            return losses  # the discriminator learns alone
        held = self.held(Batch(*(each[rows:] for each in batch)))
        (self.held_weight * held).backward()  # type: ignore[no-untyped-call]
        return losses | {"held": held}

    def predict(self, batch: Batch) -> Predicted:
        """The codec up to the filters. Pitch and voicing are held at every rate: they were learned
        from many more clips than this run has, and what is left of their loss is chance."""
        said = super().predict(batch)
        return said._replace(source=_source(said.filters, self._wanted(batch, said)))

    def held(self, batch: Batch) -> Tensor:
        """How far the filters of a batch are from the teacher's: squared nepers of both gains, one
        less the cosine of the angle, pitch and voicing. Squares, for they rest where all is equal:
        the gradient of an absolute value is as large there as anywhere, and drowned the speech."""
        said = super().predict(batch)
        got, wanted = said.filters, self._wanted(batch, said)
        parts = [
            (got.harmonic - wanted.harmonic).square().mean(),
            (got.noise - wanted.noise).square().mean(),
            (1.0 - torch.cos(got.angle - wanted.angle)).mean(),
            source_loss(_source(got, wanted)),
        ]
        return torch.stack(parts).sum()

    @torch.no_grad()
    def _wanted(self, batch: Batch, said: Predicted) -> Filters:
        """What the teacher makes of the same."""
        points = said.points * batch.mask
        wanted, _ = self.teacher.filters(points, batch.flags, said.state.blocks)
        return wanted


class HeldWaveStage(_HeldStage):
    """Stage 1 of the refined rate alone."""

    def pitch(self, filters: Filters, true_f0: Tensor, first: int = 0) -> Tensor:
        """The decoded F0: it is learned already."""
        return self.net.decoder.decoded_f0(filters).detach()


class HeldAdversarialStage(_HeldStage, AdversarialStage):
    """Stage 2 of the refined rate alone."""


def _source(got: Filters, wanted: Filters) -> Losses:
    """How far pitch and voicing are from the teacher's."""
    pitch = nn.functional.kl_div(
        torch.log_softmax(got.pitch, -1),
        torch.log_softmax(wanted.pitch, -1),
        reduction="none",
        log_target=True,
    )
    voicing = nn.functional.binary_cross_entropy_with_logits(
        got.voicing, torch.sigmoid(wanted.voicing)
    )
    return {"f0": pitch.sum(-1).mean(), "voicing": voicing}
