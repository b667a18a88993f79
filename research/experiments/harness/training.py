"""Training the small codec, and what it reaches on speech that it never heard."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from research.experiments.harness.codec import SmallCodec, errors
from research.experiments.harness.features import DIMS
from research.experiments.harness.quantizers import GroupQuantizer, PassingQuantizer
from research.train.muon import Muon
from research.train.optimizers import learning_rate

__all__ = [
    "CodesUsed",
    "Settings",
    "curve",
    "indices",
    "make_optimizers",
    "train",
    "train_trunk",
    "usage",
    "windows",
]

logger = logging.getLogger(__name__)

Frames = NDArray[np.float16]
_WARM_UP = 20  # frames at the start of a window that are not measured
_WINDOW = 150
_MUON = ("up.weight", "down.weight")  # as in the codec's own training


@dataclass(frozen=True)
class Settings:
    """Size and length of a run: the same for all that are compared.

    Attributes:
        trunk_steps: of the network without any quantizer, once for each seed.
        steps: of each quantizer's own copy of it, with new layers at the latents.
        new_layers: the layers at the latents begin with numbers of their own. Without, they begin
            with those that the trunk began with, which fits it better: to compare lattices in the
            trunk's 24 dimensions behind a tanh, and nothing else.
        lowest_bits, highest_bits: every clip is sent at bits per frame between these, uniform in
            their logarithm.
    """

    trunk_steps: int = 400
    steps: int = 150
    batch: int = 16
    frames: int = 64
    lr: float = 6e-3
    dim: int = 64
    blocks: int = 2
    lowest_bits: float = 18.0
    highest_bits: float = 78.0
    new_layers: bool = True


def train_trunk(speech: Frames, settings: Settings, seed: int) -> SmallCodec:
    """A network whose latents pass as they are: where all quantizers of a seed begin, so that
    minutes of training are shared, and chance is, too."""
    codec = SmallCodec(PassingQuantizer(24), settings.dim, settings.blocks, seed)
    _optimize(codec, speech, settings, settings.trunk_steps, np.random.default_rng([seed, 0]))
    return codec


def train(
    quantizer: GroupQuantizer, trunk: SmallCodec, speech: Frames, settings: Settings, seed: int
) -> tuple[SmallCodec, dict[str, Any]]:
    """A trained codec, and what is to be told of the training. It begins with the trunk's blocks
    and layers of its own at the latents; seeds give equal clips and equal bits."""
    own_seed = seed + 1000 if settings.new_layers else seed
    codec = SmallCodec(quantizer, settings.dim, settings.blocks, own_seed)
    for part in ("encoder_in", "encoder", "decoder", "decoder_out"):
        getattr(codec, part).load_state_dict(getattr(trunk, part).state_dict())
    begun = time.process_time()
    history = _optimize(codec, speech, settings, settings.steps, np.random.default_rng([seed, 1]))
    return codec, {
        "parameters": sum(p.numel() for p in codec.parameters()),
        "seconds": time.process_time() - begun,
        "history": history,
    }


def make_optimizers(codec: nn.Module, lr: float) -> tuple[torch.optim.Optimizer, ...]:
    """Muon for the matrices inside the blocks, AdamW for all else."""
    inner = [p for name, p in codec.named_parameters() if name.endswith(_MUON)]
    outer = [p for name, p in codec.named_parameters() if not name.endswith(_MUON)]
    adamw = torch.optim.AdamW(outer, lr=lr, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
    return Muon(inner, lr=lr), adamw


def _optimize(
    codec: SmallCodec, speech: Frames, settings: Settings, steps: int, rng: np.random.Generator
) -> list[dict[str, float]]:
    """Ten times in between: step, loss, and the share of the codes used since the last time."""
    optimizers = make_optimizers(codec, settings.lr)
    quantizer = codec.quantizer
    history: list[dict[str, float]] = []
    recent, used, every = 0.0, CodesUsed(quantizer.sizes), max(1, steps // 10)
    low, high = math.log(settings.lowest_bits), math.log(settings.highest_bits)
    codec.train()
    for step in range(steps):
        rate = settings.lr * learning_rate(step / steps, step, warmup=10, decay=0.5)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        clips = _draw(speech, settings, rng)
        sent = quantizer.draw_sent(np.exp(rng.uniform(low, high, settings.batch)), rng)
        got, quantized = codec(clips, sent)
        error = errors(got, clips)
        codec.zero_grad(set_to_none=True)
        (error.loss + quantized.loss).backward()
        nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        recent += float(error.loss.detach())
        used.add(quantized.indices)
        if (step + 1) % every == 0:
            history.append({"step": step + 1, "loss": recent / every, "used": used.share()})
            logger.info("step %d: %.4f, used %.2f", *history[-1].values())
            recent, used = 0.0, CodesUsed(quantizer.sizes)
    codec.eval()
    return history


class CodesUsed:
    """Which codes were chosen; for groups too large to count, nothing."""

    def __init__(self, sizes: tuple[int, ...]) -> None:
        self.counts = [np.zeros(size if size <= 1 << 14 else 0, np.int64) for size in sizes]

    def add(self, index: Tensor) -> None:
        for group, counts in enumerate(self.counts):
            if len(counts):
                counts += np.bincount(index[..., group].numpy().ravel(), minlength=len(counts))

    def share(self) -> float:
        """Mean over the groups; NaN where they were too large."""
        shares = [float((c > 0).mean()) for c in self.counts if len(c)]
        return float(np.mean(shares)) if shares else math.nan

    def entropy(self) -> list[float]:
        """Bits of each group; NaN where it was too large."""
        found = []
        for counts in self.counts:
            share = counts[counts > 0] / max(1, int(counts.sum()))
            found.append(float(-(share * np.log2(share)).sum()) if len(counts) else math.nan)
        return found


def _draw(speech: Frames, settings: Settings, rng: np.random.Generator) -> Tensor:
    starts = rng.integers(0, len(speech) - settings.frames, settings.batch)
    clips = np.stack([speech[start : start + settings.frames] for start in starts])
    return torch.from_numpy(clips.astype(np.float32))


def windows(speech: Frames, length: int = _WINDOW) -> Tensor:
    """Features cut into windows, ``(windows, length, DIMS)``."""
    count = len(speech) // length
    cut = speech[: count * length].reshape(count, length, DIMS).astype(np.float32)
    return torch.from_numpy(cut)


@torch.no_grad()
def curve(codec: SmallCodec, speech: Frames) -> list[dict[str, float]]:
    """Errors on speech at every number of groups."""
    clips = windows(speech)
    latents = codec.latents(clips)
    found = []
    for groups in range(1, codec.quantizer.groups + 1):
        sent = torch.full((len(clips),), groups)
        got = codec.decode(codec.quantizer(latents, sent).points, sent)
        error = errors(got[:, _WARM_UP:], clips[:, _WARM_UP:])
        found.append(
            {
                "groups": groups,
                "bits": codec.quantizer.bits[groups - 1],
                "loss": float(error.loss),
                "mel_db": float(error.mel) * 20 / math.log(10),
                "pitch_cents": float(error.pitch) * 1200,
                "voicing": float(error.voicing),
            }
        )
    return found


@torch.no_grad()
def indices(codec: SmallCodec, speech: Frames, batch: int = 64) -> NDArray[np.int64]:
    """What is sent of speech, ``(frames, groups)``, in windows that begin in silence."""
    found = []
    for clips in torch.split(windows(speech, 600), batch):
        sent = torch.full((len(clips),), codec.quantizer.groups)
        found.append(codec.quantizer(codec.latents(clips), sent).indices.flatten(0, 1).numpy())
    return np.concatenate(found)


def usage(codec: SmallCodec, speech: Frames) -> dict[str, Any]:
    """Share of the codes used, and entropy of the indices, bits per group."""
    used = CodesUsed(codec.quantizer.sizes)
    used.add(torch.from_numpy(indices(codec, speech)))
    return {"used": used.share(), "entropy": used.entropy(), "sizes": codec.quantizer.sizes}
