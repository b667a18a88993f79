"""Rhombic, hexagonal and rectangular grids at equal bits: which one should carry the latents?

    python -m research.experiments.lattices --data SPEECH --eval CLIPS --minutes 30 \\
        --cache runs/cache

For every seed, one small stage 0 (encoder, lattice, small head; see ``LatentStage``) per lattice is
trained from the same weights on the same clips, flags and number of steps, so that the lattice is
all that differs. Held-out clips then give the losses of stage 0 at each rate, nothing lost, and the
entropy of the indices. "no grid" is the loss of the same network with its latents as they are: the
gap to "loss" is roughly all that the grid costs. The last table has the paired differences to
rhombic with their standard deviation over the seeds.

Levels are chosen so that bits per frame agree within 0.1 at every rate. The first table says what
the grids do by themselves, to a source that fills them as a tanh does: no network, so no noise.
In a large grid, hexagonal cells are worth 0.16 dB (normalised second moment .0802 against .0833;
rhombic cells are squares turned by 45 degrees). These grids are small: what their edges waste
matters as much, and the tanh puts the outermost points on the border of its range.

Limits: a network, a corpus and a number of steps far smaller than those of the shipped models;
losses on mel spectra, pitch and voicing, not decoded speech; the grids' learning rate and
initialisation are those tuned with rhombic. With 3 seeds a mean difference below 2.5 of its
standard deviations is nothing (Student's t, 5 %), and one in twenty above it is chance too.
"""

from __future__ import annotations

import argparse
import logging
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from q2d2_stream.config import CodecConfig
from q2d2_stream.lattice import Lattice
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.features import Analysis
from q2d2_stream.model.net import CodecNet
from research.eval.clips import load_clips
from research.train.batches import (
    Batch,
    Clips,
    augment,
    draw_clips,
    draw_flags,
    fill_unvoiced,
)
from research.train.corpus import Corpus, open_corpus, voice_pitch
from research.train.optimizers import learning_rate, make_optimizers
from research.train.stages import LatentStage
from research.train.validate import entropy_bits

__all__ = ["LEVELS", "codecs", "grid_snr_db", "main", "new_stages"]

logger = logging.getLogger(__name__)

_BASELINE = "rhombic"
# 145 and 85 points; 144, 81 and 90; 143, 81 and 90: 20.0, 39.2 and 77.7 bits each
LEVELS: dict[str, tuple[int, ...]] = {
    "rhombic": (9, 9) + (7, 7) * 11,
    "hexagonal": (11, 13) + (9, 9, 9, 10) * 5 + (9, 9),
    "rectangular": (12, 12) + (9, 9, 9, 10) * 5 + (9, 9),
}
_LOSSES = ("loss", "mel", "time", "f0", "voicing")


class Row(NamedTuple):
    """What one trained network reached at one rate on the held-out clips."""

    seed: int
    lattice: str
    rate: int
    losses: NDArray[np.float64]  # in the order of _LOSSES
    entropy: float  # bits per frame, pair by pair
    no_grid: float = math.nan  # loss when the latents pass as they are


def codecs() -> dict[str, CodecConfig]:
    """One bitstream per lattice, of equal bits per frame at every rate."""
    return {kind: CodecConfig(lattice=kind, levels=levels) for kind, levels in LEVELS.items()}


def grid_snr_db(codec: CodecConfig, sigma: float | None, count: int = 20_000) -> float:
    """Mean SNR of the latent's dimensions for independent tanh(sigma * normal), or uniform ones."""
    lattice, rng = Lattice.of(codec), np.random.default_rng(0)
    shape = (count, len(codec.levels))
    unit = rng.uniform(-1, 1, shape) if sigma is None else np.tanh(sigma * rng.normal(size=shape))
    latent = unit * lattice.scale
    error = lattice.point(lattice.nearest(latent)) - latent
    return float((10 * np.log10(latent.var(0) / (error**2).mean(0))).mean())


class _NoGrid(nn.Module):
    """A quantizer that lets latents pass."""

    def __init__(self, norm: Tensor) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """As Quantizer, without indices."""
        return latent / self.norm, latent.new_zeros(0, dtype=torch.long)

    shaped = forward  # there are no errors


class _SharedAnalysis(Analysis):
    """The encoder's untrained front end, computed once for all networks that see a batch."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__(config)
        self._given: Tensor | None = None
        self._result: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def forward(self, pcm: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Always from the initial state, as in training."""
        if self._result is None or pcm is not self._given:
            self._given, self._result = pcm, super().forward(pcm, state)
        return self._result


def new_stages(config: ModelConfig, seed: int) -> dict[str, LatentStage]:
    """One network per lattice, with the same weights."""
    analysis = _SharedAnalysis(config)
    stages = {}
    for kind, codec in codecs().items():
        torch.manual_seed(seed)
        stages[kind] = LatentStage(CodecNet(replace(config, codec=codec)))
        stages[kind].net.encoder.analysis = analysis
    return stages


def train(
    stages: dict[str, LatentStage],
    corpus: Corpus,
    steps: int,
    args: argparse.Namespace,
    seed: int,
    stop_after: int | None = None,
) -> None:
    """All networks side by side, on the same batches."""
    rng = np.random.default_rng([seed, 1])
    parts = {}
    for kind, stage in stages.items():
        parameters = stage.trained()[0]
        parts[kind] = (stage, parameters, make_optimizers(parameters, stage.net, args.lr))
    codec = codecs()[_BASELINE]
    mean = dict.fromkeys(stages, 0.0)
    for step in range(steps if stop_after is None else stop_after):
        clips = draw_clips(corpus, args.batch, args.frames, rng, codec.hop)
        clips = clips._replace(pcm=augment(clips.pcm, rng, None, codec.sample_rate))
        batch = Batch(*clips, *draw_flags(codec, args.batch, args.frames, rng))
        rate = args.lr * learning_rate(step / steps, step, warmup=max(1, steps // 10))
        for kind, (stage, parameters, optimizers) in parts.items():
            for parameter in parameters:
                parameter.grad = None
            losses = stage.backward(batch, rng)
            nn.utils.clip_grad_norm_(parameters, 1.0)
            for optimizer in optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = rate
                optimizer.step()
            mean[kind] += (
                0.04 * (float(losses["loss"]) - mean[kind]) if step else float(losses["loss"])
            )
        if (step + 1) % 50 == 0:
            shown = " ".join(f"{kind}={value:.3f}" for kind, value in mean.items())
            logger.info("seed %d step %d: %s", seed, step + 1, shown)


def held_out(folder: Path, codec: CodecConfig) -> tuple[Clips, list[NDArray[np.float32]]]:
    """The middle of every clip, as long as the shortest clip; as a batch and as a list."""
    clips = [clip.pcm for clip in load_clips(folder)]
    frames = min(len(pcm) for pcm in clips) // codec.hop
    cut, labels = [], []
    for pcm in clips:
        first = (len(pcm) // codec.hop - frames) // 2
        cut.append(pcm[first * codec.hop : (first + frames) * codec.hop])
        f0 = voice_pitch(pcm.astype(np.float64), codec.sample_rate, codec.hop)
        labels.append(f0[first + 1 : first + frames + 1])
    f0s = np.stack(labels)
    batch = Clips(
        torch.from_numpy(np.stack(cut)),
        torch.from_numpy(np.stack([fill_unvoiced(f0) for f0 in f0s])),
        torch.from_numpy((f0s > 0).astype(np.float32)),
    )
    return batch, cut


@torch.no_grad()
def measure(
    stages: dict[str, LatentStage], speech: Clips, clips: list[NDArray[np.float32]], seed: int
) -> list[Row]:
    """Losses at every rate, and entropies."""
    rng = np.random.default_rng(0)  # LatentStage draws nothing from it
    rows = []
    for kind, stage in stages.items():
        codec = stage.net.config.codec
        bits = entropy_bits(stage.net, clips)
        for rate, pairs in enumerate(codec.rates):
            mask = (torch.arange(len(codec.levels)) < 2 * pairs).float()
            flags = torch.eye(len(codec.rates) + 1)[rate].expand(*speech.f0.shape, -1)
            at = torch.full_like(speech.f0, rate, dtype=torch.long)
            none = torch.zeros_like(speech.f0)
            batch = Batch(*speech, flags, mask, at, none, torch.ones(len(speech.f0)))
            losses = stage(batch, rng)
            values = np.array([float(losses[name]) for name in _LOSSES])
            grid = stage.net.quantizer
            stage.net.quantizer = _NoGrid(grid.norm)  # type: ignore[assignment]
            no_grid = float(stage(batch, rng)["loss"])
            stage.net.quantizer = grid
            rows.append(Row(seed, kind, rate, values, float(bits[:pairs].sum()), no_grid))
            logger.info("%s", rows[-1])
    return rows


def grid_table() -> str:
    """Bits of the grids, and what they do to latents without any network."""
    lines = [
        "| lattice | bits per frame | SNR, tanh(0.8 n) | less 6.02 dB a bit | uniform | less |",
        "|---|---|---|---|---|---|",
    ]
    for kind, codec in codecs().items():
        bits = [rate.bits_per_frame for rate in codec.ladder]
        worth = 20 * math.log10(2) * bits[-1] / len(codec.levels)
        each = [grid_snr_db(codec, sigma) for sigma in (0.8, None)]
        lines.append(
            f"| {kind} | {' / '.join(f'{b:.2f}' for b in bits)} | "
            + " | ".join(f"{snr:.2f} dB | {snr - worth:+.2f} dB" for snr in each)
            + " |"
        )
    return "\n".join(lines)


def result_tables(rows: Sequence[Row]) -> str:
    """Means over the seeds, then paired differences to rhombic."""
    head = " | ".join(_LOSSES)
    means = [f"| lattice | bits | entropy | of log2 | {head} | no grid |", "|---" * 10 + "|"]
    pairs = [f"| minus {_BASELINE} | pairs | {head} |", "|---" * 7 + "|"]
    seeds = sorted({row.seed for row in rows})
    for rate, sent in enumerate(codecs()[_BASELINE].rates):
        base = np.stack([r.losses for r in rows if (r.lattice, r.rate) == (_BASELINE, rate)])
        for kind, codec in codecs().items():
            mine = [r for r in rows if (r.lattice, r.rate) == (kind, rate)]
            values, bits = np.stack([r.losses for r in mine]), codec.ladder[rate].bits_per_frame
            entropy = float(np.mean([r.entropy for r in mine]))
            no_grid = float(np.mean([r.no_grid for r in mine]))
            means.append(
                f"| {kind} | {bits:.2f} | {entropy:.2f} | {entropy / bits:.3f} | "
                + " | ".join(f"{v:.4f}" for v in values.mean(0))
                + f" | {no_grid:.4f} |"
            )
            if kind == _BASELINE:
                continue
            gap = values - base
            mean, spread = gap.mean(0), gap.std(0, ddof=1) if len(seeds) > 1 else gap[0] * np.nan
            cells = zip(mean, spread, strict=True)
            pairs.append(
                f"| {kind} | {sent} | " + " | ".join(f"{m:+.4f} ± {s:.4f}" for m, s in cells) + " |"
            )
    return "\n".join([*means, "", *pairs])


def main(argv: list[str] | None = None) -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of training speech")
    parser.add_argument("--eval", type=Path, required=True, help="folder of held-out clips")
    parser.add_argument("--cache", type=Path, required=True, help="decoded training speech")
    parser.add_argument("--minutes", type=float, default=30.0, help="about this long in all")
    parser.add_argument("--steps", type=int, help="of every network, instead of --minutes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=8, help="clips per step")
    parser.add_argument("--frames", type=int, default=60, help="frames per clip")
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--dim", type=int, default=64, help="width of encoder and head")
    parser.add_argument("--blocks", type=int, default=2, help="depth of the encoder")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    # the decoder is not trained and only holds the pitch classes
    config = ModelConfig(
        encoder_dim=args.dim, encoder_blocks=args.blocks, decoder_dim=16, decoder_blocks=1
    )
    print(grid_table(), flush=True)
    corpus = open_corpus(args.data, args.cache)
    batch, clips = held_out(args.eval, codecs()[_BASELINE])
    steps = args.steps
    if steps is None:
        trial = new_stages(config, 0)
        train(trial, corpus, 100, args, 0, stop_after=2)
        begun = time.monotonic()
        train(trial, corpus, 100, args, 0, stop_after=8)
        each = (time.monotonic() - begun) / 8
        begun = time.monotonic()
        measure(trial, batch, clips, -1)
        left = args.minutes * 60 / args.seeds - (time.monotonic() - begun)
        logger.info("%.2f s per step of all lattices", each)
        steps = max(20, int(left / each))
    spoken = steps * args.batch * args.frames / codecs()[_BASELINE].frame_rate
    print(
        f"\n{args.seeds} seeds, {steps} steps of {args.batch} x {args.frames} frames "
        f"({spoken / 60:.0f} minutes of speech each), lr {args.lr:g}, encoder {args.blocks} blocks "
        f"of {args.dim}; {len(clips)} held-out clips, {batch.f0.numel()} frames\n",
        flush=True,
    )
    rows: list[Row] = []
    for seed in range(args.seeds):
        stages = new_stages(config, seed)
        train(stages, corpus, steps, args, seed)
        rows += measure(stages, batch, clips, seed)
        print(f"after seed {seed}:\n\n{result_tables(rows)}\n", flush=True)


if __name__ == "__main__":
    main()
