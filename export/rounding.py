"""What do int8 weights cost? Signal-to-noise ratios and how many indices stay the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from export.graphs import DecoderGraph
from export.parity import SPEECH
from q2d2_stream.engine.runner import ModelRunner
from q2d2_stream.model.net import CodecNet

__all__ = ["Rounding", "measure_rounding"]

WORST_LATENT_DB, WORST_SPECTRUM_DB = 20.0, 8.0


@dataclass(frozen=True)
class Rounding:
    """An engine of lower precision against torch, over a streamed clip.

    Attributes:
        frames: frames compared.
        latent_db: signal-to-noise ratio of the latents.
        indices: share of all indices that are the same.
        first_indices: the same for the three pairs of the lowest rate.
        neighbours: share of the differing indices whose point is at most one grid step away.
        spectrum_db: signal-to-noise ratio of the decoder's magnitude spectra, fed the same
            points. Not of the samples: the phase of the pulses is a running sum of F0, so that
            the least difference in pitch moves them, which nobody hears.
    """

    frames: int
    latent_db: float
    indices: float
    first_indices: float
    neighbours: float
    spectrum_db: float

    @property
    def passed(self) -> bool:
        """Whether the losses are those of rounding and not of a broken layer."""
        return self.latent_db >= WORST_LATENT_DB and self.spectrum_db >= WORST_SPECTRUM_DB


def _ratio_db(signal: NDArray[np.float64], noisy: NDArray[np.float64]) -> float:
    noise = np.square(signal - noisy).sum() + 1e-30
    return float(10.0 * np.log10(np.square(signal).sum() / noise))


def _spectra(frames: list[NDArray[np.float32]]) -> NDArray[np.float64]:
    pcm = np.concatenate(frames).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(pcm, 640)[::320] * np.hanning(640)
    return np.asarray(np.abs(np.fft.rfft(windows)))


@torch.no_grad()
def measure_rounding(
    net: CodecNet, encoder: ModelRunner, decoder: ModelRunner, frames: int = 300
) -> Rounding:
    """Stream ``frames`` of real speech through both."""
    pcm, _ = soundfile.read(SPEECH, dtype="float32")
    config = net.config.codec
    hop = config.hop
    batch = torch.from_numpy(pcm[None, : frames * hop])
    latents = net.encoder(batch, net.encoder.initial_state())[0][0]
    points, indices = net.quantizer(latents)
    theirs, state = [], encoder.initial_state()
    for n in range(frames):
        latent, state = encoder.step((pcm[None, n * hop : (n + 1) * hop],), state)
        theirs.append(latent[0])
    other = torch.from_numpy(np.array(theirs))
    other_points, other_indices = net.quantizer(other)
    same = (indices == other_indices).numpy()
    step = ((points - other_points) * net.quantizer.norm).reshape(frames, -1, 2).norm(dim=-1)

    flags = torch.zeros(frames, 1, len(config.ladder) + 1)
    flags[..., -2] = 1.0  # the highest rate
    mine, others = [], []
    graph = DecoderGraph(net.decoder)
    my_state: list[Tensor] = list(graph.example()[len(graph.input_names) :])
    their_state = decoder.initial_state()
    for point, flag in zip(points[:, None, None], flags[:, None], strict=True):
        sound, *my_state = graph(point, flag, *my_state)
        mine.append(sound[0].numpy())
        heard, their_state = decoder.step((point.numpy(), flag.numpy()), their_state)
        others.append(heard[0])
    return Rounding(
        frames=frames,
        latent_db=_ratio_db(latents.double().numpy(), other.double().numpy()),
        indices=float(same.mean()),
        first_indices=float(same[:, : config.rates[0]].mean()),
        neighbours=float((step.numpy()[~same] < 1.01).mean()) if not same.all() else 1.0,
        spectrum_db=_ratio_db(_spectra(mine), _spectra(others)),
    )
