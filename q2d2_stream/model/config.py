"""The network's shape."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import ModelError

__all__ = ["FORMAT", "ModelConfig"]

# Raised whenever a checkpoint written before cannot be read by the code after.
FORMAT = 1


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of the encoder and decoder.

    Attributes:
        codec: the bitstream's parameters.
        encoder_dim, encoder_blocks: width and depth of the encoder's ConvNeXt stack.
        decoder_dim, decoder_blocks: the same for the decoder.
        kernel: taps of every causal depthwise convolution, in frames.
        expansion: width of a block's hidden layer over the stack's width.
        analysis_window: samples the encoder looks at per frame.
        phasor_bins: lowest analysis bins that are also given as compressed phasors (25 Hz each).
        min_lag, max_lag: autocorrelation lags given to the encoder, samples (500 to 60 Hz).
        f0_bins, f0_min, f0_max: the decoder's pitch classes, log-spaced, Hz.
    """

    codec: CodecConfig = field(default_factory=CodecConfig)
    encoder_dim: int = 192
    encoder_blocks: int = 6
    decoder_dim: int = 216
    decoder_blocks: int = 8
    kernel: int = 7
    expansion: int = 3
    analysis_window: int = 960
    phasor_bins: int = 128
    min_lag: int = 48
    max_lag: int = 400
    f0_bins: int = 64
    f0_min: float = 60.0
    f0_max: float = 500.0

    def to_json(self) -> str:
        """Canonical JSON with the format number, as stored in checkpoints and model metadata."""
        codec = json.loads(self.codec.to_json())
        return json.dumps({"format": FORMAT, **asdict(self), "codec": codec}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelConfig:
        """Inverse of :meth:`to_json`; raises ModelError for another format."""
        try:
            fields = json.loads(text)
            found = fields.pop("format")
            if found != FORMAT:
                raise ModelError(
                    f"this model has format {found}, this version of q2d2-stream reads format "
                    f"{FORMAT}; export it again with the version that trained it, or retrain"
                )
            codec = CodecConfig.from_json(json.dumps(fields.pop("codec")))
            return cls(codec=codec, **fields)
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise ModelError(f"this is not a model configuration: {error}") from error
