"""``python -m research.train.validate CHECKPOINT``: how good is it, before any export?

Scores the network itself, in torch, on a folder of clips: PESQ-WB and STOI at every rate, pitch
error, entropy of every pair, and how much better the true F0 would do. ``--csv`` keeps them as a
run's validation curve, with its picture.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from q2d2_stream.cli.failures import run_command
from q2d2_stream.model.net import CodecNet
from research.eval.clips import load_clips
from research.eval.quick import quick_scores
from research.train.batches import fill_unvoiced
from research.train.checkpoint import Progress, net_of, read_checkpoint
from research.train.corpus import voice_pitch
from research.train.curves import append_row, try_curves

__all__ = ["append_scores", "entropy_bits", "roundtrip"]

Pcm = NDArray[np.float32]


def _pad(pcm: Pcm, hop: int, extra: int) -> torch.Tensor:
    frames = -(-(len(pcm) + extra) // hop)
    return torch.from_numpy(np.pad(pcm, (0, frames * hop - len(pcm))))[None]


@torch.no_grad()
def roundtrip(net: CodecNet, pcm: Pcm, rate: int, true_f0: bool = False) -> Pcm:
    """``(n,)`` samples through the whole network at ``rate``, the delay removed."""
    return roundtrip_with_symbols(net, pcm, rate, true_f0)[0]


@torch.no_grad()
def roundtrip_with_symbols(
    net: CodecNet, pcm: Pcm, rate: int, true_f0: bool = False
) -> tuple[Pcm, NDArray[np.int64]]:
    """The same, and the refinement's symbols of windows within 40 dB of the loudest, ``(windows,
    40)``; none at other rates."""
    config = net.config.codec
    given = _pad(pcm, config.hop, 2 * config.lookahead)
    points, _ = net.encode(given)
    mask = (torch.arange(points.shape[-1]) < 2 * config.ladder[rate].pairs).float()
    flags = torch.eye(net.decoder.flags)[rate].expand(1, points.shape[1], -1)
    state = net.decoder.initial_state()
    filters, blocks = net.decoder.filters(points * mask, flags, state.blocks)
    f0 = net.decoder.decoded_f0(filters)
    if true_f0:
        track = voice_pitch(given[0].numpy().astype(np.float64), config.sample_rate, config.hop)
        f0 = torch.from_numpy(fill_unvoiced(track[1:]))[None]
    out, _ = net.decoder.synthesize(filters, f0, state, blocks)
    sent = np.zeros((0, 40), np.int64)
    if config.ladder[rate].refined:
        assert net.refinement is not None
        original, decoded = (each.view(1, -1, config.hop) for each in (given, out))
        error, levels = net.refinement.errors(net.decoder, original, decoded)
        symbols = net.refinement.symbols(error)
        loudest = levels.amax(-1)
        sent = symbols[loudest > loudest.max() - 4.6].long().numpy()
        told = net.refinement.error(symbols)
        refined = net.refinement.refine(net.decoder, decoded, told, sharpened=True)
        out = refined.flatten(1)
    result: Pcm = out[0, config.lookahead :][: len(pcm)].clamp(-1, 1).numpy()
    return result, sent


@torch.no_grad()
def entropy_bits(net: CodecNet, clips: list[Pcm]) -> NDArray[np.float64]:
    """Entropy of every pair's indices over ``clips``, in bits, ``(pairs,)``."""
    indices = torch.cat([net.encode(_pad(pcm, net.config.codec.hop, 0))[1][0] for pcm in clips])
    entropies = []
    for column, codes in zip(indices.numpy().T, net.config.codec.codebook_sizes, strict=True):
        share = np.bincount(column, minlength=codes) / len(column)
        share = share[share > 0]
        entropies.append(float(-(share * np.log2(share)).sum()))
    return np.array(entropies)


def _entropy(column: NDArray[np.int64]) -> float:
    share = np.unique(column, return_counts=True)[1] / len(column)
    return float(-(share * np.log2(share)).sum())


def append_scores(table: Path, progress: Progress, scores: dict[str, float]) -> None:
    """Add a checkpoint's scores to a run's table (made if need be), and draw it anew."""
    row: dict[str, float] = {
        "stage": progress.stage,
        "step": progress.step,
        "audio_hours": round(progress.audio_seconds / 3600, 3),
    }
    row |= {name: round(value, 4) for name, value in scores.items()}
    append_row(table, row)
    try_curves(table)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m research.train.validate")
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of clips")
    parser.add_argument("--limit", type=int, default=10, help="clips, spread over the sources")
    parser.add_argument("--last", action="store_true", help="the last weights, not the average")
    parser.add_argument("--csv", type=Path, help="add the scores there, and draw it as PNG")
    args = parser.parse_args(argv)
    return run_command("validate", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    kept: dict[str, float] = {}
    checkpoint = read_checkpoint(args.checkpoint)
    net = net_of(checkpoint, averaged=not args.last)
    clips = [clip.pcm for clip in load_clips(args.data, limit=args.limit)]
    for rate in net.config.codec.ladder:
        if rate.refined:
            sent = [roundtrip_with_symbols(net, pcm, rate.index)[1] for pcm in clips]
            bits = sum(_entropy(column) for column in np.concatenate(sent).T)
            print(f"refinement, entropy coded: {bits:.1f} bits a frame")
        for true_f0 in (False, True):
            codec: Callable[[Pcm], Pcm] = lambda x, r=rate.index, t=true_f0: roundtrip(net, x, r, t)  # type: ignore[misc]  # noqa: E731
            scores = quick_scores(codec, clips)
            pitch = "true F0" if true_f0 else "decoded"
            said = f"PESQ {scores['pesq']:.3f} STOI {scores['stoi']:.3f}"
            print(f"{rate.kbps:.2f} kbps, {pitch}: {said}")
            if not true_f0:
                kept |= {f"{name} {rate.kbps:.2f} kbps": value for name, value in scores.items()}
    if args.csv is not None:
        progress = Progress(**checkpoint["progress"])
        append_scores(args.csv, progress, kept)
    share = entropy_bits(net, clips) / np.log2(net.config.codec.codebook_sizes)
    print("entropy over log2 size:", " ".join(f"{x:.2f}" for x in share))
    return 0


if __name__ == "__main__":
    sys.exit(main())
