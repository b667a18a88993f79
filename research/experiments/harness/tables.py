"""Tables and pictures of the small codec's runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from research.experiments.harness.arms import BASELINE
from research.experiments.harness.results import PICTURES, spread
from research.experiments.harness.runs import TARGET_BITS, difference, nearest_point

__all__ = ["comparison_table", "draw_history", "draw_rates", "of_arm", "save"]

Record = dict[str, Any]

_LEAST_BITS = 18.0  # of clips in training


def of_arm(records: Sequence[Record], arm: str) -> list[Record]:
    """The records of one arm, a seed each."""
    return [record for record in records if record["arm"] == arm]


def comparison_table(records: Sequence[Record], arms: Sequence[str], base: str = BASELINE) -> str:
    """Losses of every arm less those of the baseline at equal bits, and how its codes are used."""
    targets = " | ".join(f"{bits:g} bits" for bits in TARGET_BITS)
    lines = [
        f"| quantizer | seeds | parameters | {targets} | codes used | entropy of log2 |",
        "|---|---|---|" + "---|" * len(TARGET_BITS) + "---|---|",
    ]
    for arm in arms:
        mine = of_arm(records, arm)
        if not mine:
            continue
        if arm == base:
            losses = [[nearest_point(r, bits)["loss"] for r in mine] for bits in TARGET_BITS]
            cells = [spread(each, 4) for each in losses]
        else:
            cells = [
                spread(difference(records, arm, b, base=base), 4, sign=True) for b in TARGET_BITS
            ]
        cells += [_percent([r["usage"]["used"] for r in mine])]
        cells += [_percent([entropy_share(r) for r in mine])]
        head = f"{arm} | {len(mine)} | {mine[0]['parameters']}"
        lines.append(f"| {head} | {' | '.join(cells)} |")
    return "\n".join(lines)


def entropy_share(record: Record) -> float | None:
    """Entropy of the indices as a share of log2 of their number; None where there were too many
    to count."""
    found, sizes = record["usage"]["entropy"], record["usage"]["sizes"]
    if None in found:
        return None
    return float(sum(found) / np.log2(sizes).sum())


def _percent(shares: Sequence[float | None]) -> str:
    known = [100 * share for share in shares if share is not None]
    return spread(known, 1) + " %" if known else "not counted"


def draw_rates(records: Sequence[Record], arms: Sequence[str], name: str = "mel_db") -> Figure:
    """Error against bits, and the same less the baseline's."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    reference = {r["seed"]: r["curve"] for r in of_arm(records, BASELINE)}
    for arm in arms:
        mine = [r for r in of_arm(records, arm) if r["seed"] in reference]
        if not mine:
            continue
        bits = np.array([point["bits"] for point in mine[0]["curve"]])
        kept = bits > _LEAST_BITS
        each = np.array([[point[name] for point in r["curve"]] for r in mine])
        base = []
        for record in mine:
            at, there = ([p[key] for p in reference[record["seed"]]] for key in ("bits", name))
            base.append(np.interp(bits, at, there))
        gap = (each - np.array(base))[:, kept]
        deviation = gap.std(0, ddof=1) if len(gap) > 1 else None
        left.plot(bits[kept], each.mean(0)[kept], marker=".", label=arm)
        right.errorbar(bits[kept], gap.mean(0), deviation, marker=".", capsize=2)
    left.set(xlabel="bits a frame", ylabel="mel error, dB")
    right.set(xlabel="bits a frame", ylabel=f"mel error less that of {BASELINE}, dB")
    left.legend(fontsize="small")
    return figure


def draw_history(records: Sequence[Record], arms: Sequence[str]) -> Figure:
    """Share of the codes used while training, mean over the seeds."""
    figure = Figure(figsize=(5.5, 3.6), layout="constrained")
    axes = figure.subplots()
    for arm in arms:
        mine = [r for r in of_arm(records, arm) if r["history"][0]["used"] is not None]
        if mine:
            steps = [point["step"] for point in mine[0]["history"]]
            used = np.mean([[100 * p["used"] for p in r["history"]] for r in mine], 0)
            axes.plot(steps, used, marker=".", label=arm)
    axes.set(xlabel="step", ylabel="codes used since the last mark, %")
    axes.legend(fontsize="small")
    return figure


def save(figure: Figure, name: str, folder: Path = PICTURES) -> None:
    """As an SVG that is the same whenever the records are."""
    import matplotlib as mpl

    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None}, dpi=50)
