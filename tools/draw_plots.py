"""Draws the plots of the documents from committed numbers: lattice, delay over time, quality.

    python tools/draw_plots.py              # docs/pictures/{lattice,delay,quality}.svg

The lattice is the one of the configuration, the delay that of a seeded simulated call through the
real playout, the quality what docs/topics/quality.md says.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.lattice import Lattice
from q2d2_stream.netsim.link import LinkSpec, Stall
from q2d2_stream.netsim.simulated_call import simulate_call

__all__ = ["PLOTS", "quality_points"]

_DOCS = Path(__file__).parents[1] / "docs"
_QUALITY = _DOCS / "topics" / "quality.md"
_INDIGO, _TEAL, _ORANGE, _GREY = "#3f51b5", "#00796b", "#ef6c00", "#757575"

# Of the picture of quality.
_FAMILIES: dict[str, dict[str, Any]] = {
    "q2d2": {"color": _INDIGO, "marker": "o", "linewidth": 2, "label": "q2d2-stream"},
    "Opus": {"color": _ORANGE, "marker": "s", "label": "Opus"},
    "Codec2": {"color": _TEAL, "marker": "^", "label": "Codec2"},
    "Lyra v2": {"color": _GREY, "marker": "D", "linestyle": ":", "markerfacecolor": "white",
                "label": "Lyra v2 (published, other clips)"},
}  # fmt: skip

# Text stays text, in the reader's font; ids do not change from run to run.
mpl.rcParams.update(
    {"svg.fonttype": "none", "svg.hashsalt": "q2d2", "font.family": "sans-serif", "font.size": 9}
)


def _lattice() -> Figure:
    """A rhombic grid of 7 x 7 levels with its cells, and how one latent is quantized."""
    config = CodecConfig()
    lattice = Lattice(config.lattice, config.levels[2:4])  # of the second pair and all after it
    points = lattice.point(np.arange(lattice.codes[0])[:, None])
    figure = Figure(figsize=(3.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    for x, y in points:  # a cell is a square that stands on its corner
        axes.fill(*zip((x - 0.5, y), (x, y - 0.5), (x + 0.5, y), (x, y + 0.5), strict=True),
                  facecolor="#e8eaf6", edgecolor="white", linewidth=1)  # fmt: skip
    axes.plot(*points.T, "o", color=_INDIGO, markersize=3)
    latent = np.array([0.68, 1.86])
    nearest = lattice.point(lattice.nearest(latent))
    axes.annotate(
        "", tuple(nearest), tuple(latent), arrowprops={"arrowstyle": "-|>", "color": _ORANGE}
    )
    axes.plot(*latent, "x", color=_ORANGE, markersize=6, markeredgewidth=2)
    axes.set_aspect("equal")
    axes.set_xlabel("first latent of the pair")
    axes.set_ylabel("second latent of the pair")
    axes.set_title(f"{len(points)} points, {np.log2(len(points)):.1f} bits")
    return figure


class _Silence:
    """Stands in for the codec, whose sound this picture does not show."""

    delay_samples = 320

    def push(self, indices: NDArray[np.uint8] | None) -> NDArray[np.float32]:
        return np.full(320, 0.0 if indices is None else 1e-3, np.float32)

    def seek(self, number: int) -> None:
        pass

    def reset(self) -> None:
        pass


def _delay() -> Figure:
    """What playout does with jitter that changes, and with a stall."""
    frames = 75 * 20
    indices = np.zeros((frames, 6), np.uint8)
    calls = [
        simulate_call(
            indices,
            _Silence(),
            LinkSpec(delay_ms=40, jitter_ms=jitter, loss=0.02, burst=2, stalls=stalls, seed=seed),
            tail_s=0.0,
            keep_pcm=False,
        )
        for jitter, stalls, seed in ((40, (Stall(1.0, 12.0),), 1), (140, (), 2))
    ]
    figure = Figure(figsize=(7.5, 2.9), layout="constrained")
    for place, (call, title) in enumerate(
        zip(calls, ("jitter 40 ms, a stall of 1 s", "jitter 140 ms"), strict=True), start=1
    ):
        axes = figure.add_subplot(1, 2, place)
        times, late = call.arrivals[::2].T
        axes.plot(times, late - late.min(), ".", color="#b0bec5", markersize=2, label="message")
        pulls = slice(None, None, 4)
        axes.plot(
            call.times_s[pulls],
            call.target_ms[pulls],
            color=_TEAL,
            linewidth=1.2,
            label="target delay",
        )
        played = np.where(call.actual_ms > 0, call.actual_ms, np.nan)
        axes.plot(
            call.times_s[pulls], played[pulls], color=_INDIGO, linewidth=1.2, label="delay played"
        )
        axes.set_ylim(0, 420)
        axes.set_title(title)
        axes.set_xlabel("seconds")
        axes.grid(alpha=0.3)
        if place == 1:
            axes.set_ylabel("ms later than the fastest")
            axes.legend(loc="upper left", fontsize=8)
    return figure


def quality_points(report: str) -> dict[str, list[tuple[float, float]]]:
    """kbps and DistillMOS of each family of codecs, from the tables of the quality report.

    Raises ValueError where the report has no such tables.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    column = kbps_column = -1
    for line in report.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("| "):
            column = -1
        elif "DistillMOS" in cells and "kbps" in cells:
            column, kbps_column = cells.index("DistillMOS"), cells.index("kbps")
        elif column >= 0 and (score := re.match(r"\d\.\d+", cells[column])) and cells[kbps_column]:
            family = "Lyra v2" if cells[0].startswith("Lyra") else cells[0].split()[0]
            points.setdefault(family, []).append((float(cells[kbps_column]), float(score[0])))
    if "q2d2" not in points:
        raise ValueError("the quality report has no table with kbps and DistillMOS of q2d2")
    return points


def quality_text() -> str:
    """What the picture of quality shows, in words: kept in it, so that a test can tell its age."""
    points = quality_points(_QUALITY.read_text())
    return "; ".join(
        f"{family}: " + ", ".join(f"{kbps:g} kbps {score:g}" for kbps, score in points[family])
        for family in _FAMILIES
    )


def _quality() -> Figure:
    """DistillMOS over kbps: ours and measured peers solid, published results hollow."""
    points = quality_points(_QUALITY.read_text())
    figure = Figure(figsize=(5.6, 3.3), layout="constrained")
    axes = figure.add_subplot()
    for family, style in _FAMILIES.items():
        axes.plot(*zip(*sorted(points[family]), strict=True), **style)
    axes.set_xscale("log")
    axes.set_xticks((1.5, 2, 3, 6, 12), labels=("1.5", "2", "3", "6", "12"))
    axes.minorticks_off()
    axes.set_ylim(2, 4)
    axes.set_xlabel("kbps")
    axes.set_ylabel("DistillMOS (predicted opinion, 1 to 5)")
    axes.set_title("Quality over bitrate, 44 clips")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    return figure


PLOTS: dict[str, Callable[[], Figure]] = {
    "lattice": _lattice, "delay": _delay, "quality": _quality
}  # fmt: skip


def main(argv: list[str] | None = None) -> int:
    """Writes the pictures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", choices=[*PLOTS, []], help="default: all")
    names = parser.parse_args(argv).names or list(PLOTS)
    for name in names:
        figure = PLOTS[name]()
        said = {"Description": quality_text()} if name == "quality" else {}
        figure.savefig(
            _DOCS / "pictures" / f"{name}.svg", facecolor="white", metadata={"Date": None} | said
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
