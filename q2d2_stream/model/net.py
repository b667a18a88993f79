"""Encoder, quantizer and decoder in one module."""

from __future__ import annotations

from torch import Tensor, nn

from q2d2_stream.model.config import ModelConfig
from q2d2_stream.model.decoder import Decoder
from q2d2_stream.model.encoder import Encoder
from q2d2_stream.model.quantizer import Quantizer
from q2d2_stream.model.refinement import Refinement

__all__ = ["CodecNet"]


class CodecNet(nn.Module):
    """Encoder, lattice and decoder, and the refinement if there is one: what a checkpoint
    holds."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder, self.decoder = Encoder(config), Decoder(config)
        self.quantizer = Quantizer(config.codec)
        codec = config.codec
        self.refinement = Refinement(codec.sample_rate, codec.hop) if codec.refined else None

    def encode(self, pcm: Tensor) -> tuple[Tensor, Tensor]:
        """PCM -> points and indices of every frame, from the initial state."""
        latent, _ = self.encoder(pcm, self.encoder.initial_state(pcm.shape[0]))
        return self.quantizer.shaped(latent)
