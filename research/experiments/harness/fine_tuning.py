"""The shipped codec with another quantizer in its middle, trained on for a few hundred steps.

The encoder's blocks stay as they are, so what they make of the training speech is computed once.
Trained are the layer after them, the quantizer where it learns, and the decoder, on the losses of
stage 1 (:class:`research.train.stages.WaveStage`): decoded speech against the original. Without
noise shaping, refinement, augmentation and loss of frames.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from q2d2_stream.analysis_by_synthesis.reconstruction import (
    ReconstructionLoss,
    source_loss,
    source_losses,
)
from q2d2_stream.model import Decoder
from q2d2_stream.model.encoder import EncoderState
from q2d2_stream.model.net import CodecNet
from research.experiments.harness.quantizers import GroupQuantizer, JoinedQuantizer, Quantized
from research.experiments.harness.training import make_optimizers
from research.train.batches import fill_unvoiced
from research.train.corpus import Corpus
from research.train.optimizers import learning_rate

__all__ = ["Arm", "FineTuned", "Material", "Settings", "fine_tune", "hidden", "prepare"]

logger = logging.getLogger(__name__)

Pcm = NDArray[np.float32]
_CHUNK = 4500  # frames at a time
_QUIETEST = 0.005  # rms
_FULL_SCALE = 32767.0


@dataclass(frozen=True)
class Settings:
    """Length of a run; the same for all that are compared."""

    steps: int = 120
    batch: int = 3
    frames: int = 60
    lr: float = 5e-4
    minutes: float = 1.5  # of every source


@dataclass(frozen=True)
class Arm:
    """A quantizer to be tried.

    Attributes:
        quantizer: makes it.
        sent: groups sent at rates of the shipped ladder, by the rate's index.
        new_layers: the layers at the latents begin anew: for latents of other dimensions than the
            shipped ones, and for what is compared with these.
    """

    quantizer: Callable[[], GroupQuantizer]
    sent: dict[int, int]
    new_layers: bool = False


class Material(NamedTuple):
    """Recordings, one after the other, as the shipped encoder's blocks leave them.

    Attributes:
        hidden: float16 ``(frames, dim)``.
        pcm: int16 ``(frames, 320)``.
        f0: float32 ``(frames,)``, Hz at the end of each frame, interpolated where unvoiced.
        voiced: bool ``(frames,)``.
    """

    hidden: NDArray[np.float16]
    pcm: NDArray[np.int16]
    f0: NDArray[np.float32]
    voiced: NDArray[np.bool_]


@torch.no_grad()
def hidden(net: CodecNet, pcm: Tensor, state: EncoderState) -> tuple[Tensor, EncoderState]:
    """``(batch, 320 * frames)`` -> what the encoder's last layer is given."""
    features, samples = net.encoder.analysis(pcm, state.samples)
    x, blocks = net.encoder.stack(net.encoder.project_in(features), state.blocks)
    return x, EncoderState(samples, blocks)


def prepare(net: CodecNet, corpus: Corpus, cache: Path, minutes: float, model_id: str) -> Material:
    """The first ``minutes`` of every source; kept in ``cache``."""
    hop = net.config.codec.hop
    limit = int(minutes * 60 * net.config.codec.sample_rate) // hop
    known = json.dumps([[s.name, len(s.pcm)] for s in corpus.sources] + [limit, model_id])
    path = cache / f"hidden-{hashlib.sha256(known.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        parts = []
        for source in corpus.sources:
            frames = min(limit, len(source.pcm) // hop)
            pcm = np.asarray(source.pcm[: frames * hop]).reshape(frames, hop)
            f0 = np.asarray(source.f0[1 : frames + 1])
            parts.append(Material(_hidden_of(net, pcm), pcm, fill_unvoiced(f0), f0 > 0))
            logger.info("encoded %s", source.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        whole: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in Material._fields
        }
        np.savez(path, **whole)
    with np.load(path) as kept:
        return Material(*(kept[name] for name in Material._fields))


def _hidden_of(net: CodecNet, pcm: NDArray[np.int16]) -> NDArray[np.float16]:
    state, found = net.encoder.initial_state(1), []
    for first in range(0, len(pcm), _CHUNK):
        part = pcm[first : first + _CHUNK].astype(np.float32).reshape(1, -1) / _FULL_SCALE
        x, state = hidden(net, torch.from_numpy(part), state)
        found.append(x[0].numpy().astype(np.float16))
    return np.concatenate(found)


class FineTuned(nn.Module):
    """What is trained: the layer that gives latents, the quantizer, and the decoder."""

    def __init__(self, shipped: CodecNet, arm: Arm, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.sent, self.quantizer = dict(arm.sent), arm.quantizer()
        was, dims = shipped.config.codec, self.quantizer.dims
        self.pairs = [rate.pairs for rate in was.ladder if not rate.refined]
        codec = replace(was, levels=(7,) * dims, rates=was.rates, refined=False)
        self.decoder = Decoder(replace(shipped.config, codec=codec))
        old = shipped.decoder.state_dict()
        into, latents = old["project_in.weight"], len(was.levels)
        flags = [latents + n for n in range(len(self.pairs))] + [into.shape[1] - 1]
        self.project_out = nn.Linear(shipped.config.encoder_dim, dims)
        nn.init.normal_(self.project_out.weight, std=0.8 * shipped.config.encoder_dim**-0.5)
        nn.init.zeros_(self.project_out.bias)
        columns = self.decoder.project_in.weight.detach()[:, :dims]
        if not arm.new_layers:
            columns = into[:, :latents]
            self.project_out.load_state_dict(shipped.encoder.project_out.state_dict())
        old["project_in.weight"] = torch.cat([columns, into[:, flags]], 1)
        self.decoder.load_state_dict(old)

    def quantize(self, x: Tensor, rates: Tensor) -> tuple[Quantized, Tensor]:
        """What the encoder's blocks gave of clips, ``(batch, frames, dim)``, and the rate of each
        -> what is sent, and the decoder's flags."""
        sent = torch.tensor([self.sent[rate] for rate in rates.tolist()])
        flags = torch.eye(self.decoder.flags)[rates][:, None].expand(-1, x.shape[1], -1)
        return self.quantizer(self.project_out(x), sent), flags

    @torch.no_grad()
    def indices(self, x: Tensor) -> NDArray[np.int64]:
        """What the encoder's blocks gave, ``(frames, dim)``, as ``(frames, groups)``."""
        sent = torch.tensor([self.quantizer.groups])
        found: NDArray[np.int64]
        found = self.quantizer(self.project_out(x[None]), sent).indices[0].numpy()
        return found

    @torch.no_grad()
    def decode(self, indices: Tensor) -> Pcm:
        """Indices of the first groups, ``(frames, groups)``, as of the lowest rate -> samples.

        For codebooks alone: a code is looked up for each index.
        """
        assert isinstance(self.quantizer, JoinedQuantizer)
        points = self.quantizer.points(indices)[None]
        flags = torch.eye(self.decoder.flags)[min(self.sent)].expand(1, len(indices), -1)
        out, _ = self.decoder(points, flags, self.decoder.initial_state())
        return out[0].clamp(-1, 1).numpy()  # type: ignore[no-any-return]

    @torch.no_grad()
    def roundtrip(self, shipped: CodecNet, pcm: Pcm, rate: int) -> tuple[Pcm, NDArray[np.int64]]:
        """Samples ``(n,)`` coded and decoded, the delay removed; and the indices of all groups."""
        codec = shipped.config.codec
        frames = -(-(len(pcm) + codec.lookahead) // codec.hop)
        given = torch.from_numpy(np.pad(pcm, (0, frames * codec.hop - len(pcm))))[None]
        x, _ = hidden(shipped, given, shipped.encoder.initial_state(1))
        quantized, flags = self.quantize(x, torch.tensor([rate]))
        out, _ = self.decoder(quantized.points, flags, self.decoder.initial_state())
        said: Pcm = out[0, codec.lookahead :][: len(pcm)].clamp(-1, 1).numpy()
        return said, quantized.indices[0].numpy()


def fine_tune(
    shipped: CodecNet, arm: Arm, material: Material, settings: Settings, seed: int
) -> tuple[FineTuned, dict[str, Any]]:
    """A trained codec, and what is to be told of the training. Seeds give equal clips and rates
    to all that are sent at as many rates."""
    codec = FineTuned(shipped, arm, seed)
    loss_of = ReconstructionLoss(shipped.config.codec)
    rng, delay = np.random.default_rng(seed), shipped.config.codec.lookahead
    optimizers = make_optimizers(codec, settings.lr)
    history, recent, every = [], 0.0, max(1, settings.steps // 10)
    begun = time.process_time()
    codec.train()
    for step in range(settings.steps):
        share = learning_rate(step / settings.steps, step, warmup=20, decay=0.5)
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = settings.lr * share
        clips = _draw(material, settings, rng)
        rates = torch.from_numpy(rng.choice(list(arm.sent), settings.batch))
        quantized, flags = codec.quantize(clips.hidden, rates)
        decoder, state = codec.decoder, codec.decoder.random_state(settings.batch)
        filters, blocks = decoder.filters(quantized.points, flags, state.blocks)
        pcm, _ = decoder.synthesize(filters, clips.f0, state, blocks)
        pairs = torch.tensor(codec.pairs)[rates].float()
        loss = loss_of(pcm[:, delay:], clips.pcm[:, :-delay], pairs, rng)["loss"]
        loss = loss + source_loss(source_losses(decoder, filters, clips.f0, clips.voiced))
        codec.zero_grad(set_to_none=True)
        (loss + quantized.loss).backward()
        nn.utils.clip_grad_norm_(codec.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
        recent += float(loss.detach())
        if (step + 1) % every == 0:
            history.append(recent / every)
            logger.info("step %d: %.4f", step + 1, history[-1])
            recent = 0.0
    return codec.eval(), {
        "seconds": time.process_time() - begun,
        "history": history,
    }


class _Clips(NamedTuple):
    """As of :class:`Material`, for some clips; ``pcm`` is ``(batch, 320 * frames)``."""

    hidden: Tensor
    pcm: Tensor
    f0: Tensor
    voiced: Tensor


def _draw(material: Material, settings: Settings, rng: np.random.Generator) -> _Clips:
    """Clips from anywhere; those of near silence are drawn again, up to a few times."""
    parts = []
    for _ in range(settings.batch):
        for _ in range(4):
            first = int(rng.integers(0, len(material.f0) - settings.frames))
            part = slice(first, first + settings.frames)
            pcm = material.pcm[part].astype(np.float32).ravel() / np.float32(_FULL_SCALE)
            if np.sqrt(np.mean(pcm**2)) > _QUIETEST:
                break
        x, f0, voiced = material.hidden[part], material.f0[part], material.voiced[part]
        parts.append((x.astype(np.float32), pcm, f0, voiced.astype(np.float32)))
    return _Clips(*(torch.from_numpy(np.stack(each)) for each in zip(*parts, strict=True)))
