"""``q2d2 grid``: a picture of a lattice, its cells, and where the latents of a sound fall."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError, MissingExtra
from q2d2_stream.files.output import open_output
from q2d2_stream.lattice import KINDS, Lattice

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from q2d2_stream.engine import Codec

from q2d2_stream.cli.options import add_models_argument, codec_of

__all__ = ["DESCRIPTION", "add_arguments", "draw_cells", "run"]

DESCRIPTION = "Draw a lattice, its cells, and where the latents of a sound fall."
_RASTER = 400  # points on either axis of the raster that the cells are drawn from
_MARGIN = 0.8  # grid units around the grid: cells go on outside of it


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("output", help="the PNG file, - for stdout")
    parser.add_argument("--wav", help="show where the latents of this sound fall")
    parser.add_argument("--pair", type=int, help="the one pair to show, from 0 (default: all)")
    parser.add_argument("--lattice", choices=KINDS, help="another lattice, without a sound")
    parser.add_argument(
        "--levels", type=int, nargs=2, metavar=("LX", "LY"), help="its levels (default: 7 7)"
    )
    add_models_argument(parser)


def run(args: argparse.Namespace) -> int:
    """Draw one panel to each pair, or one for a lattice on its own."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "plot", "drawing a grid") from error

    latents = None
    if args.wav is None:
        default = CodecConfig()
        lattice = Lattice(args.lattice or default.lattice, args.levels or (7, 7))
    elif args.lattice or args.levels:
        raise InputError("a sound is shown on the model's own lattice: drop --lattice and --levels")
    else:
        lattice, latents = _latents(codec_of(args), args.wav)
    pairs = list(range(lattice.pairs))
    if args.pair is not None:
        if args.pair not in pairs:
            raise InputError(f"pair is {args.pair}, expected 0 to {lattice.pairs - 1}")
        pairs = [args.pair]

    columns = min(4, len(pairs))
    rows = -(-len(pairs) // columns)
    size = 6.0 if len(pairs) == 1 else 3.2
    figure = Figure(figsize=(size * columns, size * rows), layout="constrained")
    for place, pair in enumerate(pairs, start=1):
        axes = figure.add_subplot(rows, columns, place)
        single = Lattice(lattice.kind, lattice.levels[2 * pair : 2 * pair + 2])
        title = f"{single.kind} {single.levels[0]} x {single.levels[1]}, {single.codes[0]} points"
        if latents is None:
            draw_cells(axes, single)
        else:
            points = latents[:, 2 * pair : 2 * pair + 2]
            share = _shares(single, points)
            draw_cells(axes, single, share)
            axes.scatter(points[:, 0], points[:, 1], s=3, c="#c0392b", alpha=0.5, lw=0)
            most = np.log2(single.codes[0])
            title = f"pair {pair}: {_bits(share):.2f} of {most:.2f} bits"
        axes.set_title(title, fontsize="medium")
    with open_output(args.output) as out:
        figure.savefig(out, format="png")
    return 0


def draw_cells(axes: Axes, lattice: Lattice, share: NDArray[np.float64] | None = None) -> None:
    """Draw the points of a one-pair lattice and the Voronoi cells that ``nearest`` makes of them.

    The cells are what the quantiser does, found by asking it at every point of a raster.

    Args:
        axes: where to draw.
        lattice: a lattice of one pair.
        share: how often each index is used, ``(codes,)``; the often used cells are darker.
    """
    half = lattice.scale + _MARGIN
    x, y = (np.linspace(-h, h, _RASTER) for h in half)
    index = lattice.nearest(np.stack(np.meshgrid(x, y), axis=-1))[..., 0]
    used = np.full(lattice.codes[0], 0.25) if share is None else np.sqrt(share / share.max())
    axes.pcolormesh(x, y, used[index], cmap="Blues", vmin=-0.1, vmax=1.4, rasterized=True)
    border = (index[1:, 1:] != index[:-1, 1:]) | (index[1:, 1:] != index[1:, :-1])
    axes.contour(x[1:], y[1:], border, levels=[0.5], colors="white", linewidths=0.7)
    points = lattice.point(np.arange(lattice.codes[0])[:, None])
    axes.plot(points[:, 0], points[:, 1], ".", color="#1b2a41", markersize=4)
    axes.set(aspect="equal", xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    axes.tick_params(labelsize="small")


def _latents(codec: Codec, path: str) -> tuple[Lattice, NDArray[np.float32]]:
    """The model's lattice, and the latents ``(frames, dims)`` of up to five minutes of a sound."""
    from q2d2_stream.files.reader import open_sound

    config = codec.config
    encoder = codec.encoder()
    latents = []
    frames = 0
    rest = np.zeros(0, dtype=np.float32)
    with open_sound(path, config.sample_rate) as sound:
        for block in sound:
            pcm = np.concatenate((rest, block))
            whole = len(pcm) - len(pcm) % config.hop
            rest = pcm[whole:]
            if whole:
                latents.append(encoder.latents(pcm[:whole]))
                frames += len(latents[-1])
            if frames >= 300 * config.frame_rate:
                break
    if not latents:
        raise InputError(f"{path} is shorter than one frame, expected speech")
    return Lattice.of(config), np.concatenate(latents)


def _shares(lattice: Lattice, latents: NDArray[np.float32]) -> NDArray[np.float64]:
    """How often each index is the nearest of ``latents`` ``(frames, 2)``, ``(codes,)``."""
    counts = np.bincount(lattice.nearest(latents)[:, 0], minlength=lattice.codes[0])
    return counts / len(latents)


def _bits(share: NDArray[np.float64]) -> float:
    """Entropy of the indices, each told without the ones before it."""
    share = share[share > 0]
    return float((share * np.log2(1 / share)).sum())
