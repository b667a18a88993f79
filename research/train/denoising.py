"""Stage 3: an encoder that hears a noisy room and says what was said.

It starts as a copy of the trained encoder, which becomes its teacher: the teacher hears the clip,
the student the clip in noise, and the student's latents shall be the teacher's. No decoder takes
part, so this is the cheapest stage, and the bitstream and every decoder stay as they are.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from q2d2_stream.analysis_by_synthesis.reconstruction import Losses
from q2d2_stream.errors import ModelError
from q2d2_stream.model import Encoder
from q2d2_stream.model.net import CodecNet
from research.train.batches import Batch, coloured_noise, draw_clips
from research.train.checkpoint import net_of, read_checkpoint
from research.train.corpus import Corpus
from research.train.stages import Stage

__all__ = ["DenoisingStage", "add_noise", "load_denoiser"]

_QUIET = 0.25  # share of clips without noise: what is clean shall stay as it is
_BABBLE, _COLOURED = 0.1, 0.3  # shares of the rest; what is left are recordings
_VOICES = 4


def _hubbub(corpus: Corpus, samples: int, rng: np.random.Generator) -> Tensor:
    return draw_clips(corpus, _VOICES, samples // 320, rng).pcm.sum(0)


def add_noise(
    pcm: Tensor, rng: np.random.Generator, speech: Corpus, noise: Corpus | None = None
) -> tuple[Tensor, Tensor]:
    """Clips, and the same clips in noise.

    Signal-to-noise ratios are normal around 10 dB, with 8 dB of standard deviation. Noise is of
    ``noise`` where there is one, coloured noise, or a few voices of ``speech`` at once; both clips
    are turned down where the noisy one would be clipped.

    Args:
        pcm: ``(batch, 320 * frames)``, -1 to 1.
        rng: decides everything.
        speech, noise: corpora to draw from.

    Returns:
        clean and noisy clips of the shape of ``pcm``.
    """
    clean, noisy = pcm.clone(), pcm.clone()
    samples = pcm.shape[1]
    for row in range(len(pcm)):
        if rng.random() < _QUIET:
            continue
        kind = rng.random()
        if kind < _BABBLE:
            added = _hubbub(speech, samples, rng)
        elif kind < _BABBLE + _COLOURED or noise is None:
            added = coloured_noise(samples, rng)
        else:
            added = draw_clips(noise, 1, samples // 320, rng).pcm[0]
        added = added.to(pcm.device)
        snr_db = float(np.clip(rng.normal(10.0, 8.0), -8.0, 35.0))
        level = pcm[row].square().mean().sqrt() * 10 ** (-snr_db / 20)
        noisy[row] += added * (level / (added.square().mean().sqrt() + 1e-4))
        down = min(1.0, 0.99 / (float(noisy[row].abs().max()) + 1e-6))
        clean[row] *= down
        noisy[row] *= down
    return clean, noisy


class DenoisingStage(Stage):
    """The distance of the student's latents from the teacher's, in grid steps.

    A pair that every rate sends counts more than one that only the highest does.
    """

    clean = True
    weights: Tensor

    def __init__(
        self, net: CodecNet, speech: Corpus, noise: Corpus | None, student: Path | None = None
    ) -> None:
        super().__init__()
        self.net, self.speech, self.noise, self.earlier = net, speech, noise, student
        self.teacher = copy.deepcopy(net.encoder).requires_grad_(False)
        codec = net.config.codec
        sent_by = sum((np.arange(codec.pairs) < pairs).astype(np.float32) for pairs in codec.rates)
        weights = torch.from_numpy(np.repeat(sent_by / np.mean(sent_by), 2).astype(np.float32))
        self.register_buffer("weights", weights, persistent=False)

    def begin(self) -> None:
        """The weights a run starts from are the teacher's for good. An earlier teacher's student
        is a head start: what it had learned is added to the new teacher's weights."""
        self.teacher.load_state_dict(self.net.encoder.state_dict())
        if self.earlier is None:
            return
        content = read_checkpoint(self.earlier, self.net.config)
        taught_by, learned = _teacher(content, self.earlier), net_of(content).encoder
        with torch.no_grad():
            for name, value in self.net.encoder.named_parameters():
                value.add_(learned.get_parameter(name) - taught_by[name])

    def trained(self) -> list[list[nn.Parameter]]:
        """The encoder."""
        return [list(self.net.encoder.parameters())]

    def forward(self, batch: Batch, rng: np.random.Generator) -> Losses:
        """Losses by name; "same" is the share of equal indices."""
        clean, noisy = add_noise(batch.pcm, rng, self.speech, self.noise)
        with torch.no_grad():
            wanted, _ = self.teacher(clean, self.teacher.initial_state(len(clean)))
        encoder: Encoder = self.net.encoder
        latent, _ = encoder(noisy, encoder.initial_state(len(noisy)))
        distance = nn.functional.smooth_l1_loss(latent, wanted, reduction="none")
        with torch.no_grad():
            same = (self.net.quantizer(latent)[1] == self.net.quantizer(wanted)[1]).float().mean()
        return {"loss": (distance * self.weights).mean(), "same": same}


def _teacher(checkpoint: dict[str, Any], path: Path) -> dict[str, Tensor]:
    head = checkpoint["stage_head"]
    taught_by = {k.removeprefix("teacher."): v for k, v in head.items() if k.startswith("teacher.")}
    if not taught_by:
        raise ModelError(f"{path} is of another stage; expected one of research.train --stage 3")
    return taught_by


def load_denoiser(path: Path, net: CodecNet) -> Encoder:
    """The encoder of a checkpoint of this stage, for the decoder of ``net``.

    Raises ModelError when the checkpoint is of another stage, or its teacher was not ``net``'s
    encoder: the decoder would hear words of another language.
    """
    checkpoint = read_checkpoint(path)
    taught_by = _teacher(checkpoint, path)
    for name, value in net.encoder.named_parameters():
        if name not in taught_by or not torch.equal(taught_by[name].half(), value.half()):
            raise ModelError(
                f"{path} was taught by another encoder; train it anew with --stage 3 and --init "
                "the checkpoint that is exported"
            )
    return net_of(checkpoint).encoder
