"""``python -m research.train.refinement_statistics IN.pt OUT.pt --data DIR``: how a decoder errs.

Gathers the errors of the rate with refinement on speech and puts what follows from them into the
checkpoint: their mean, their Karhunen-Loeve transform, the step with which their symbols take so
many bits, and the units of the fixed form. Before a campaign, and once more at its end.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from q2d2_stream.cli.failures import run_command
from q2d2_stream.config import REFINEMENT_LEVELS
from q2d2_stream.errors import InputError
from q2d2_stream.lattice import Lattice
from q2d2_stream.model.net import CodecNet
from q2d2_stream.refinement import BANDS, SYMBOL_ZERO, SYMBOLS, RefinementCode
from research.train.batches import draw_clips
from research.train.checkpoint import Average, Progress, net_of, read_checkpoint, save_checkpoint
from research.train.corpus import Corpus, open_corpus

__all__ = ["entropy_bits", "fit_code", "gather_errors", "sent_symbols"]

_CLIPS, _CLIP_FRAMES, _SETTLING_FRAMES = 4, 600, 8
_SILENCE_NEPERS = 4.6  # below the loudest window of a clip: such windows are left out

Errors = NDArray[np.float32]


@torch.no_grad()
def gather_errors(net: CodecNet, corpus: Corpus, minutes: float, seed: int = 0) -> Errors:
    """Log errors of windows of speech, ``(windows, 40)``, nepers.

    Raises InputError for a network without refinement.
    """
    codec, decoder = net.config.codec, net.decoder
    if net.refinement is None or codec.refined_rate is None:
        raise InputError("this network has no refinement, expected one of research.train.regrade")
    rng, kept = np.random.default_rng(seed), []
    batches = round(minutes * 60 * codec.frame_rate / (_CLIPS * _CLIP_FRAMES))
    for _ in range(max(1, batches)):
        pcm = draw_clips(corpus, _CLIPS, _CLIP_FRAMES, rng, codec.hop).pcm
        points, _ = net.encode(pcm)
        flags = torch.eye(decoder.flags)[codec.refined_rate.index].expand(*points.shape[:2], -1)
        heard, _ = decoder(points, flags, decoder.random_state(_CLIPS))
        frames = (each.view(_CLIPS, -1, codec.hop) for each in (pcm, heard))
        error, levels = net.refinement.errors(decoder, *frames)
        loudest = levels.amax(-1)
        active = loudest > loudest.amax(-1, keepdim=True) - _SILENCE_NEPERS
        active[:, :_SETTLING_FRAMES] = False
        kept.append(error[active].numpy())
    return np.concatenate(kept)


def entropy_bits(symbols: NDArray[np.uint8]) -> float:
    """Bits of a window's symbols ``(windows, 40)``, each component by itself."""
    bits = 0.0
    for column in symbols.T:
        share = np.bincount(column, minlength=SYMBOLS) / len(column)
        share = share[share > 0]
        bits -= float((share * np.log2(share)).sum())
    return bits


def fit_code(errors: Errors, bits: float, sharpening: float = 0.0) -> RefinementCode:
    """The code of ``errors`` ``(windows, 40)`` whose symbols take ``bits`` a window.

    Raises InputError where there are fewer windows than bands.
    """
    if len(errors) <= BANDS:
        raise InputError(f"there are {len(errors)} windows of speech, expected more than {BANDS}")
    values, vectors = np.linalg.eigh(np.cov(errors.T.astype(np.float64)))
    mean, basis = errors.mean(0), vectors[:, ::-1].astype(np.float32)
    spread = np.sqrt(np.maximum(values[::-1], 1e-6))
    unit = _units((errors - mean) @ basis, spread).astype(np.float32)
    low, high = 0.02, 8.0
    for _ in range(12):
        step = float(np.sqrt(low * high))
        code = RefinementCode(mean, basis, step, unit, sharpening)
        low, high = (step, high) if entropy_bits(sent_symbols(code, errors)) > bits else (low, step)
    return code


def sent_symbols(code: RefinementCode, errors: Errors) -> NDArray[np.uint8]:
    """The symbols of ``errors`` as a sender with tables of theirs chooses them."""
    symbols = code.symbols(errors)
    for _ in range(3):
        count = np.stack([np.bincount(column, minlength=SYMBOLS) for column in symbols.T])
        symbols = code.symbols(errors, 0, np.log2(len(symbols) / (count + 0.05)))
    return symbols


def _units(parts: NDArray[np.float64], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nepers to a grid unit of the fixed form's components: what leaves the least error."""
    units: list[float] = []
    for dim in range(0, len(REFINEMENT_LEVELS), 2):
        grid = Lattice("rhombic", REFINEMENT_LEVELS[dim : dim + 2])
        pair = parts[:40_000, dim : dim + 2]
        tried = [spread[dim : dim + 2] / scale for scale in np.arange(0.5, 1.6, 0.05)]
        missed = [np.square(grid.point(grid.nearest(pair / u)) * u - pair).mean() for u in tried]
        units.extend(tried[int(np.argmin(missed))])
    return np.array(units)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m research.train.refinement_statistics", description=__doc__
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of speech")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="of research.train")
    parser.add_argument("--minutes", type=float, default=10.0, help="of speech")
    parser.add_argument("--bits", type=float, default=38.5, help="of a window's symbols")
    parser.add_argument("--sharpening", type=float, default=0.0, help="of the refined spectrum")
    return run_command("refinement_statistics", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    checkpoint = read_checkpoint(args.checkpoint)
    net = net_of(checkpoint)
    corpus = open_corpus(args.data, args.cache, net.config.codec.sample_rate, net.config.codec.hop)
    errors = gather_errors(net, corpus, args.minutes)
    code = fit_code(errors, args.bits, args.sharpening)
    assert net.refinement is not None
    was, symbols = net.refinement.code(), sent_symbols(code, errors)
    net.refinement.load_code(code)
    decibels = 20 / np.log(10)
    left = np.sqrt(np.square(code.symbols_to_error(symbols) - errors).mean())
    print(
        f"{len(errors)} windows, {decibels * np.sqrt(np.square(errors).mean()):.2f} dB off, "
        f"{decibels * left:.2f} dB as sent; step {decibels * code.step:.2f} dB, "
        f"{entropy_bits(symbols):.1f} bits "
        f"(before: {entropy_bits(sent_symbols(was, errors)):.1f}); "
        f"{(symbols != SYMBOL_ZERO).sum(1).mean():.1f} symbols are not zero"
    )
    progress = Progress(**checkpoint["progress"])
    save_checkpoint(args.out, net, Average(net), checkpoint["stage_head"], {}, progress)
    return 0


if __name__ == "__main__":
    sys.exit(main())
