"""Pairs, triples, fours or eights: does a lattice of more dimensions carry the latents better?

    python -m research.experiments.dimensions --data CLIPS [--seeds 3]

Lattices alone, no training: latents are quantized, and the signal-to-noise ratio compared at equal
bits. Three sources: uniform in the cube (what a grid is made for), tanh of a Gaussian (sigma 0.7:
what a network's latents look like before training), and the real latents of the shipped encoder on
clips. A finite grid has few sizes: the one nearest to the bits of the rhombic 7 x 7 pair (85
points) is measured, and its ratio moved along 6.02 dB a bit to those bits. "cell" is what the
lattice is worth in an infinite grid. Each source is measured twice: with the outermost points on
the border of the cube, where the codec has them ("border"), and with the whole grid shrunk by the
factor that suits the source best ("shrunk", x factor), as the edges waste less then.

The nearest point costs one rounding for each coset and dimension; the time is that of numpy.

Limits: the shipped latents were trained with rhombic pairs, so they
have learned to suit them; a lattice that loses here may win after training, not the reverse.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine import load_codec
from q2d2_stream.lattice import Lattice
from research.eval.clips import load_clips
from research.experiments.box_lattices import KINDS, SECOND_MOMENTS, BoxLattice

__all__ = ["main", "real_latents", "snr_db", "source", "table"]

Array = NDArray[np.float64]

_BITS = math.log2(85) / 2  # of the rhombic 7 x 7 pair
_COUNT = 40_320  # divisible by 2, 3, 4 and 8
_STRETCHES = tuple(float(x) for x in np.arange(0.6, 1.001, 0.025).round(3))


def source(name: str, seed: int, latents: Array | None = None) -> Array:
    """Numbers within -1 to 1, ``(n,)``, n divisible by 24."""
    rng = np.random.default_rng(seed)
    if name == "uniform":
        return rng.uniform(-1.0, 1.0, _COUNT)
    if name == "tanh":
        return np.tanh(0.7 * rng.normal(size=_COUNT))
    assert latents is not None
    # as many frames as make 24 numbers stay together: two of twelve
    rows = latents[: len(latents) // 2 * 2].reshape(-1, 24)
    return rows[rng.permutation(len(rows))[: _COUNT // 24]].reshape(-1)


def snr_db(lattice: BoxLattice, x: Array) -> float:
    """Signal-to-noise ratio of ``x`` in the groups that it comes in."""
    groups = x.reshape(-1, lattice.dims)
    error = np.square(lattice.quantize(groups) - groups).mean()
    return float(10 * np.log10(x.var() / error))


def nearest_size(kind: str) -> BoxLattice:
    """The size of a lattice whose bits are nearest to those of the rhombic pair."""
    sizes = [BoxLattice(kind, steps) for steps in range(2, 25)]
    return min(sizes, key=lambda each: abs(each.bits_per_dim - _BITS))


def ratio_db(lattice: BoxLattice, x: Array) -> float:
    """The ratio at the bits of the rhombic pair."""
    return snr_db(lattice, x) + 6.02 * (_BITS - lattice.bits_per_dim)


def shrunk(lattice: BoxLattice, x: Array) -> BoxLattice:
    """The lattice shrunk to suit ``x``."""
    found = [BoxLattice(lattice.kind, lattice.steps, stretch) for stretch in _STRETCHES]
    return max(found, key=lambda each: snr_db(each, x))


def frame_us(lattice: BoxLattice, frames: int = 2000) -> float:
    """Processor time of the nearest points of a frame's 24 latents in numpy, many frames at once:
    the least of five times, microseconds."""
    x = source("uniform", 0)[: 24 * frames].reshape(-1, lattice.dims)
    times = []
    for _ in range(5):
        begun = time.process_time()
        lattice.quantize(x)
        times.append(time.process_time() - begun)
    return min(times) / (len(x) * lattice.dims / 24) * 1e6


def table(names: Sequence[str], seeds: int, latents: Array | None) -> str:
    """The comparison with the rhombic pair on the border, as Markdown."""
    columns = [f"{name}, {how}" for name in names for how in ("border", "shrunk")]
    lines = [
        f"| lattice | dims | cell, dB | points | bits/dim | roundings, µs a frame | "
        f"{' | '.join(columns)} |",
        "|---|---|---|---|---|---|" + "---|" * len(columns),
    ]
    reference = nearest_size("rhombic")
    for kind, found in KINDS.items():
        gain = 10 * math.log10(SECOND_MOMENTS["rhombic"] / SECOND_MOMENTS[kind])
        lattice = nearest_size(kind)
        cells = []
        for name in names:
            drawn = [source(name, seed, latents) for seed in range(seeds)]
            better = shrunk(lattice, drawn[0])
            for each, mark in ((lattice, ""), (better, f" x{better.stretch:g}")):
                gains = [ratio_db(each, x) - ratio_db(reference, x) for x in drawn]
                spread = float(np.std(gains, ddof=1)) if seeds > 1 else 0.0
                cells.append(f"{np.mean(gains):+.2f} +- {spread:.2f}{mark}")
        head = f"{kind} | {found.dims} | {gain:+.2f} | {lattice.points}"
        cost = f"{24 * len(found.shifts)}, {frame_us(lattice):.2f}"
        lines.append(f"| {head} | {lattice.bits_per_dim:.3f} | {cost} | {' | '.join(cells)} |")
    return "\n".join(lines)


def real_latents(folder: Path) -> Array:
    """The shipped encoder's latents on clips, within -1 to 1, ``(frames, 12)``."""
    codec = load_codec()
    scale = Lattice.of(codec.config).scale
    rows = []
    for clip in load_clips(folder):
        pcm = clip.pcm[: len(clip.pcm) // 320 * 320]
        rows.append(codec.encoder().latents(pcm) / scale)
    return np.concatenate(rows).astype(np.float64)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="research.experiments.dimensions", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of clips, for real latents")
    parser.add_argument("--seeds", type=int, default=3)
    return run_command("dimensions", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    names = ["uniform", "tanh"]
    latents = None
    if args.data is not None:
        names.append("real")
        latents = real_latents(args.data)
    print(table(names, args.seeds, latents))
    return 0


if __name__ == "__main__":
    sys.exit(main())
