"""Quality against bitrate as a picture."""

from __future__ import annotations

from pathlib import Path

from q2d2_stream.errors import InputError, MissingExtra
from q2d2_stream.eval.quoted import QUOTED
from q2d2_stream.eval.runner import Evaluation

__all__ = ["save_rate_quality_plot"]


def save_rate_quality_plot(evaluation: Evaluation, path: Path) -> None:
    """One panel per metric: kbps on a logarithmic axis, a line per family of codecs.

    Measured means are solid with their 95 % confidence intervals, quoted ones dashed, the
    original's score a grey line.

    Raises:
        MissingExtra: matplotlib is not installed.
        InputError: nothing was measured.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "eval", "The rate-quality plot") from error
    metrics = evaluation.metrics
    clean = [row for row in evaluation.rows if not row.loss]
    if not metrics or not clean:
        raise InputError("there is nothing to plot, expected one metric and one codec at least")
    columns = min(4, len(metrics))
    lines = -(-len(metrics) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.2 * lines), layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).flat
    for metric, axes in zip(metrics, panels, strict=False):
        families: dict[str, list[tuple[float, float, float]]] = {}
        for row in clean:
            mean = row.score(metric)
            if mean is None:
                continue
            if row.kbps == 0:
                axes.axhline(mean.value, color="0.7", linewidth=1)
                continue
            family = row.title.split()[0]
            families.setdefault(family, []).append((row.kbps, mean.value, mean.half_width))
        for family, points in families.items():
            kbps, values, widths = zip(*sorted(points), strict=True)
            axes.errorbar(kbps, values, widths, marker="o", capsize=2, label=family)
        for family in ("Lyra", "EVS"):
            quoted = [
                (peer.kbps, peer.scores[metric.name])
                for peer in QUOTED
                if peer.title.startswith(family) and metric.name in peer.scores
            ]
            if quoted:
                axes.plot(
                    *zip(*quoted, strict=True), "--s", markersize=3, label=f"{family} (quoted)"
                )
        axes.set_xscale("log")
        axes.set_xticks([1, 2, 3, 6, 12], labels=["1", "2", "3", "6", "12"])
        axes.minorticks_off()
        axes.set_title(metric.title)
        axes.set_xlabel("kbps")
        axes.grid(alpha=0.3)
        if metric is metrics[0]:
            axes.legend(fontsize="small")
    for axes in list(panels):
        axes.set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)
