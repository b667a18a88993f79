"""Do pairs of latents belong together? Correlation, mutual information, broken pairs, KLT.

    python -m research.experiments.pairs --data CLIPS

The paper's first reason for 2-D grids is that they capture the correlation between channels. Here
the latents of the shipped encoder are asked: how much do the two dimensions of a pair know of each
other, more than any other two? What would it save to code them together? And what do the grids
lose when the pairs are broken, or gain when the latents are rotated before (Karhunen-Loeve
transform, KLT), in a pair or over all dimensions?

Mutual information is that of histograms of 16 x 16 equally filled bins, less what chance puts there
(Miller and Madow). Points of a rhombic grid tell of each other by themselves: both of their
coordinates are whole, or both halves. So what is left after quantization stands beside the same for
latents whose partner was taken from another frame. The picture's last panel is a t-SNE (van der
Maaten and Hinton, 2008) of some frames, where scikit-learn is installed.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from q2d2_stream.cli.failures import run_command
from q2d2_stream.config import BITSTREAM_1
from q2d2_stream.engine import load_codec
from q2d2_stream.errors import MissingExtra
from q2d2_stream.lattice import Lattice
from research.experiments.box_lattices import BoxLattice
from research.experiments.dimensions import real_latents, snr_db
from research.experiments.harness.results import FOLDER, PICTURES, Results, newest, spread
from research.experiments.harness.tables import save

__all__ = ["klt", "main", "mutual_information", "study", "to_points"]

Array = NDArray[np.float64]

_BINS = 16
_SHOWN = 600  # frames in the picture
_GRID = BoxLattice("rhombic", 7)


def mutual_information(x: Array, y: Array, bins: int = _BINS) -> float:
    """Bits that one of two series ``(n,)`` tells of the other; values of series that take few are
    told apart one by one."""
    places = [_bins(v, bins) for v in (x, y)]
    joint = np.zeros([int(place.max()) + 1 for place in places])
    np.add.at(joint, tuple(places), 1.0)
    share = joint / len(x)
    alone = share.sum(1)[:, None] * share.sum(0)[None]
    known = share > 0
    found = (share[known] * np.log2(share[known] / alone[known])).sum()
    used = [int((share.sum(axis) > 0).sum()) for axis in (0, 1)]
    chance = (int(known.sum()) - sum(used) + 1) / (2 * len(x) * np.log(2))
    return float(found - chance)


def _bins(values: Array, bins: int) -> NDArray[np.intp]:
    different, place = np.unique(values, return_inverse=True)
    if len(different) <= 2 * bins:
        return place
    inner = np.quantile(values, np.arange(1, bins) / bins)
    return np.searchsorted(inner, values, side="right")


def klt(latents: Array) -> Array:
    """The rotation onto the axes of the latents' covariance, ``(dims, dims)``: rows of latents
    are multiplied by it."""
    values, axes = np.linalg.eigh(np.cov(latents.T))
    found: Array = axes[:, ::-1] if values[0] <= values[-1] else axes
    return found


def _pairwise(latents: Array) -> Array:
    """Rotations in every pair, as one matrix."""
    whole = np.zeros((latents.shape[1],) * 2)
    for first in range(0, latents.shape[1], 2):
        part = slice(first, first + 2)
        whole[part, part] = klt(latents[:, part])
    return whole


def to_points(latents: Array) -> Array:
    """The codec's points nearest to latents within -1 to 1, within -1 to 1 too."""
    lattice = Lattice.of(BITSTREAM_1)
    return lattice.normalised(lattice.nearest(latents * lattice.scale)).astype(np.float64)


def _grid_snr_db(latents: Array) -> float:
    """Signal-to-noise ratio behind rhombic pairs of 7 levels, each dimension stretched by itself
    to the range that suits the grid best."""
    wide = latents / np.sqrt((latents**2).mean(0))
    ranges = [snr_db(_GRID, wide / reach) for reach in np.arange(1.2, 3.3, 0.1)]
    reach = float(np.arange(1.2, 3.3, 0.1)[int(np.argmax(ranges))])
    pairs = (wide / reach).reshape(-1, 2)
    error = ((_GRID.quantize(pairs) - pairs) ** 2).reshape(latents.shape).mean(0)
    power = (latents**2).mean(0)
    return float(10 * np.log10(power.sum() / (error * reach**2 * power).sum()))


def _allocation_gain_db(latents: Array) -> float:
    """What bits spent by variance would gain over equal bits: arithmetic over geometric mean."""
    power = latents.var(0)
    return float(10 * (np.log10(power.mean()) - np.log10(power).mean()))


def study(latents: Array, seed: int) -> dict[str, Any]:
    """Everything that is asked of latents within -1 to 1, ``(frames, dims)``.

    A seed draws half of the frames, in pieces of one second, and the partners of broken pairs.
    """
    rng = np.random.default_rng(seed)
    pieces = rng.permutation(len(latents) // 75)[: len(latents) // 150]
    rows = (pieces[:, None] * 75 + np.arange(75)).ravel()
    x = latents[rows]
    dims = x.shape[1]
    table = np.zeros((dims, dims))
    for i, j in itertools.combinations(range(dims), 2):
        table[i, j] = table[j, i] = mutual_information(x[:, i], x[:, j])
    own = [(i, i + 1) for i in range(0, dims, 2)]
    correlation = np.abs(np.corrcoef(x.T))
    apart = [p for p in itertools.combinations(range(dims), 2) if p not in own]
    mixed = x.copy()
    mixed[:, 1::2] = x[rng.permutation(len(x)), 1::2]
    coded, chance = (
        [mutual_information(q[:, i], q[:, j]) for i, j in own] for q in map(to_points, (x, mixed))
    )
    before = [mutual_information(latents[rows, i], latents[rows - 1, i]) for i in range(dims)]
    broken = rng.permutation(dims)
    rotated, turned = x @ klt(x), x @ _pairwise(x)
    return {
        "correlation_pairs": float(np.mean([correlation[p] for p in own])),
        "correlation_others": float(np.mean([correlation[p] for p in apart])),
        "information_pairs": float(np.mean([table[p] for p in own])),
        "information_others": float(np.mean([table[p] for p in apart])),
        "information_best": float(np.mean(np.sort(table, 1)[:, -1])),
        "information_points": float(np.mean(coded)),
        "information_points_by_chance": float(np.mean(chance)),
        "information_frame_before": float(np.mean(before)),
        "snr_own_db": _grid_snr_db(x),
        "snr_broken_db": _grid_snr_db(x[:, broken]),
        "snr_rotated_pairs_db": _grid_snr_db(turned),
        "snr_klt_db": _grid_snr_db(rotated),
        "allocation_db": _allocation_gain_db(x),
        "allocation_klt_db": _allocation_gain_db(rotated),
        "table": table,
    }


_ROWS = {
    "correlation_pairs": "correlation, two of a pair",
    "correlation_others": "correlation, any other two",
    "information_pairs": "mutual information, two of a pair, bits",
    "information_others": "mutual information, any other two",
    "information_best": "mutual information, a dimension and the one that knows most of it",
    "information_frame_before": "mutual information, a dimension and itself one frame before",
    "information_points": "mutual information of the points' coordinates",
    "information_points_by_chance": "the same, partner of each latent from another frame",
    "snr_own_db": "SNR of rhombic 7 x 7, own pairs, dB",
    "snr_broken_db": "SNR, broken pairs",
    "snr_rotated_pairs_db": "SNR, each pair rotated by its own KLT",
    "snr_klt_db": "SNR, all rotated by the KLT",
    "allocation_db": "what bits by variance would gain, dB",
    "allocation_klt_db": "the same after the KLT",
}


def embedded(latents: Array, seed: int = 0) -> Array:
    """Two numbers for each frame, so that near frames stay near: a t-SNE, ``(frames, 2)``."""
    try:
        from sklearn.manifold import TSNE
    except ImportError as error:
        raise MissingExtra("scikit-learn", "eval", "A t-SNE") from error
    found: Array = TSNE(init="pca", random_state=seed).fit_transform(latents)
    return found


def draw(latents: Array, table: Array) -> Figure:
    """Joint histograms of three pairs, information between all dimensions, a PCA and a t-SNE."""
    figure = Figure(figsize=(9, 5.6), layout="constrained")
    panels = figure.subplots(2, 3).ravel()
    edges = np.linspace(-1, 1, 31)
    for place, pair in enumerate((0, 1, 5)):
        x, y = latents[:, 2 * pair], latents[:, 2 * pair + 1]
        panels[place].hist2d(x, y, bins=[edges, edges], cmap="viridis", rasterized=True)
        found = mutual_information(x, y)
        panels[place].set_title(f"pair {pair + 1}, {found:.2f} bits", fontsize="medium")
    image = panels[3].imshow(table, cmap="magma")
    figure.colorbar(image, ax=panels[3], shrink=0.8)
    panels[3].set_title("mutual information, bits", fontsize="medium")
    some = latents[:: max(1, len(latents) // _SHOWN)]
    speed = np.abs(np.diff(latents, axis=0, prepend=latents[:1])).mean(1)
    speed = speed[:: max(1, len(latents) // _SHOWN)]
    few = colormaps["viridis"].resampled(5)
    views = {
        "latents, first two axes of the PCA": (some - latents.mean(0)) @ klt(latents)[:, :2],
        "latents, t-SNE": embedded(some),
    }
    for panel, (title, spot) in zip(panels[4:], views.items(), strict=True):
        # few colours on a coarse bitmap: the picture is to be small
        dots = panel.scatter(*spot.T, c=speed, s=6, cmap=few, rasterized=True, linewidths=0)
        dots.set_antialiased(False)
        panel.set_title(title, fontsize="medium")
    return figure


def table_of(records: Sequence[Mapping[str, Any]]) -> str:
    """Means and spreads over the seeds, as Markdown."""
    lines = ["| measured | value |", "|---|---|"]
    for name, title in _ROWS.items():
        digits = 2 if name.endswith("_db") else 3
        lines.append(f"| {title} | {spread([r[name] for r in records], digits)} |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table and draw the picture."""
    parser = argparse.ArgumentParser(
        prog="research.experiments.pairs",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of clips, for what is not recorded")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the records")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder of the pictures")
    return run_command("pairs", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    results = Results.of("pairs", args.results)
    records = newest(results.read())
    if args.data is not None:
        latents, model = real_latents(args.data), load_codec().model_id
        records = [
            results.measure({"model_id": model, "seed": seed}, partial(study, latents, seed))
            for seed in range(args.seeds)
        ]
        save(draw(latents, np.array(records[0]["table"])), "pairs", args.pictures)
    print(table_of(records))
    return 0


if __name__ == "__main__":
    sys.exit(main())
