"""Quality against bitrate as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from q2d2_stream.errors import InputError, MissingExtra
from research.eval.metrics import METRICS
from research.eval.published import PUBLISHED
from research.eval.targets import TARGETS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["save_rate_quality_plot"]

_PUBLISHED_LABEL = "published, other clips"
_MARKERS = "sD^vP*Xp"
_TICKS = (1, 2, 3, 6, 12)


@dataclass(frozen=True)
class _Codec:
    """A row of the results without loss and noise: its mean and half width by metric."""

    name: str
    family: str
    kbps: float
    means: dict[str, tuple[float, float]]


def save_rate_quality_plot(results: Mapping[str, Any], path: Path) -> None:
    """One panel per metric: kbps on a logarithmic axis, a line per family of codecs.

    Measured means are solid with their 95 % confidence intervals, published ones hollow, our
    targets black bars, the original's score a grey line.

    Args:
        results: what :func:`research.eval.report.to_json` gives, or ``json.load`` of it.
        path: the PNG to write; its folder is made.

    Raises:
        MissingExtra: matplotlib is not installed.
        InputError: these are no results, or nothing was measured.
    """
    names, codecs = _read(results)
    if not names or not codecs:
        raise InputError("there is nothing to plot, expected one metric and one codec at least")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "eval", "The rate-quality plot") from error
    columns = min(4, len(names))
    lines = -(-len(names) // columns)
    figure = Figure(figsize=(3.6 * columns, 3.4 * lines + 0.6), layout="constrained")
    handles: dict[str, Any] = {}
    for place, name in enumerate(names, start=1):
        axes = figure.add_subplot(lines, columns, place)
        _draw_measured(axes, name, codecs)
        _draw_published(axes, name)
        _draw_targets(axes, name, codecs)
        axes.set_xscale("log")
        axes.set_xticks(_TICKS, labels=[str(tick) for tick in _TICKS])
        axes.minorticks_off()
        axes.set_title(METRICS[name].title if name in METRICS else name)
        axes.set_xlabel("kbps")
        axes.grid(alpha=0.3)
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=6, fontsize="small"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png", dpi=100)


def _read(results: Mapping[str, Any]) -> tuple[list[str], list[_Codec]]:
    """Names of the metrics, and the codecs without loss and noise."""
    try:
        codecs = [
            _Codec(
                str(row["name"]),
                _family(str(row["title"])),
                float(row["kbps"]),
                {
                    name: (float(mean["value"]), float(mean["half_width"]))
                    for name, mean in row["mean"].items()
                },
            )
            for row in results["codecs"]
            if not row["loss"] and row.get("snr_db") is None
        ]
        return list(results["metrics"]), codecs
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"these are no results of an evaluation ({error!r}), expected what --json writes"
        ) from error


def _family(title: str) -> str:
    """The codec without its rate: "q2d2", and "q2d2 searched", which is a line of its own."""
    codec, _, kind = title.partition(", ")
    return f"{codec.split()[0]} {kind}".rstrip()


def _draw_measured(axes: Axes, name: str, codecs: list[_Codec]) -> None:
    families: dict[str, list[tuple[float, float, float]]] = {}
    for codec in codecs:
        if name not in codec.means:
            continue
        value, half_width = codec.means[name]
        if codec.kbps == 0:
            axes.axhline(value, color="0.7", linewidth=1, label=codec.family)
        else:
            families.setdefault(codec.family, []).append((codec.kbps, value, half_width))
    for family, points in families.items():
        kbps, values, widths = zip(*sorted(points), strict=True)
        axes.errorbar(kbps, values, widths, marker="o", capsize=2, label=family)


def _draw_published(axes: Axes, name: str) -> None:
    families: dict[str, list[tuple[float, float]]] = {}
    for result in PUBLISHED:
        if name in result.scores:
            families.setdefault(result.family, []).append((result.kbps, result.scores[name]))
    for marker, (family, points) in zip(_MARKERS, families.items(), strict=False):
        axes.plot(
            *zip(*points, strict=True),
            linestyle=":",
            linewidth=1,
            color="0.45",
            marker=marker,
            markersize=5,
            markerfacecolor="none",
            label=f"{family} ({_PUBLISHED_LABEL})",
        )


def _draw_targets(axes: Axes, name: str, codecs: list[_Codec]) -> None:
    points = [
        (codec.kbps, TARGETS[codec.name][name])
        for codec in codecs
        if name in TARGETS.get(codec.name, {})
    ]
    if points:
        axes.plot(
            *zip(*points, strict=True), "_k", markersize=14, markeredgewidth=2, label="our target"
        )
