"""How far decoded speech is from the original: what the decoder is trained on and indices are
chosen by."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from q2d2_stream.analysis_by_synthesis.losses import MelLoss, pitch_loss, voicing_loss
from q2d2_stream.analysis_by_synthesis.perceptual import (
    ContrastLoss,
    NsimLoss,
    PesqLoss,
    StoiLoss,
)
from q2d2_stream.config import CodecConfig
from q2d2_stream.model.decoder import Decoder, Filters

__all__ = ["Losses", "ReconstructionLoss", "source_loss", "source_losses"]

Losses = dict[str, Tensor]


def source_losses(decoder: Decoder, filters: Filters, f0: Tensor, voiced: Tensor) -> Losses:
    """How far pitch and voicing are from what they should be, ``(batch, frames)`` each."""
    return {
        "f0": pitch_loss(filters.pitch, f0, voiced, decoder.log_f0),
        "voicing": voicing_loss(filters.voicing, voiced),
    }


def source_loss(source: Losses) -> Tensor:
    """What a wrong pitch and a wrong voicing cost together, in every stage."""
    return 0.3 * source["f0"] + 0.1 * source["voicing"]


class ReconstructionLoss(nn.Module):
    """Spectra, PESQ, STOI, NSIM and local contrast, weighted.

    PESQ weighs more the more pairs a clip has. It punishes what was added more than what is
    missing, so where the decoder has to guess, it asks for silence, and words are lost.
    """

    weights: ClassVar[dict[str, float]] = {
        "mel": 1.0,
        "stoi": 1.0,
        "nsim": 0.3,
        "contrast": 0.3,
    }
    pesq_weight = 0.0018  # for every pair that is sent, and three more

    def __init__(self, codec: CodecConfig) -> None:
        super().__init__()
        self.mel = MelLoss(codec.sample_rate)
        self.pesq = PesqLoss(codec.sample_rate)
        self.stoi = StoiLoss(codec.sample_rate, codec.hop)
        self.nsim = NsimLoss(codec.sample_rate)
        self.contrast = ContrastLoss(codec.sample_rate, codec.hop)

    def forward(
        self, got: Tensor, wanted: Tensor, pairs: Tensor, rng: np.random.Generator
    ) -> Losses:
        """How far ``got`` is from ``wanted``, with so many ``pairs`` sent per frame of each clip;
        "loss" is the weighted sum."""
        pesq = self.pesq(got, wanted)
        losses: Losses = {
            "mel": self.mel(got, wanted, rng),
            "pesq": pesq.mean(),
            "stoi": self.stoi(got, wanted),
            "nsim": self.nsim(got, wanted),
            "contrast": self.contrast(got, wanted),
        }
        parts = [weight * losses[name] for name, weight in self.weights.items()]
        parts.append(self.pesq_weight * ((pairs + 3.0) * pesq).mean())
        return {"loss": torch.stack(parts).sum()} | losses
