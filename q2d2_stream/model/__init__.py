"""The network, in torch: causal layers that are pure functions of (input, state).

Offline is streaming from the initial state: there is one class per layer and one code path, so
what is trained is what is exported. Needs the extra ``[train]`` or ``[export]``.
"""

from __future__ import annotations

from q2d2_stream.model.config import ModelConfig
from q2d2_stream.model.decoder import Decoder, DecoderState
from q2d2_stream.model.encoder import Encoder, EncoderState

__all__ = ["Decoder", "DecoderState", "Encoder", "EncoderState", "ModelConfig"]
