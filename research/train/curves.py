"""A run's CSV as a picture: ``python -m research.train.curves runs/a/stage1.csv``."""

from __future__ import annotations

import argparse
import csv
import functools
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from q2d2_stream.cli.failures import run_command
from q2d2_stream.errors import InputError, MissingExtra

__all__ = ["append_row", "save_curves", "try_curves"]

logger = logging.getLogger(__name__)

_ACROSS = "audio_hours"
_NOT_DRAWN = frozenset({"stage", "step", "minutes", "audio_per_second", _ACROSS})
_COLUMNS = 4


def append_row(table: Path, row: Mapping[str, float]) -> None:
    """Add a row to a CSV, under a head that is written with the first."""
    new = not table.exists()
    with table.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)


def save_curves(table: Path, picture: Path) -> None:
    """Draw every loss or score of a CSV against the hours of speech seen, a panel to each.

    A row that does not fit the head is left out: a killed run writes half a row, and a trainer
    with other losses writes longer ones below the head of the first.

    Args:
        table: what the trainer or the validation wrote.
        picture: the PNG to write.

    Raises:
        InputError: there is no such table, or nothing in it to draw.
        MissingExtra: matplotlib is not installed.
    """
    names, rows = _read(table)
    drawn = [name for name in names if name not in _NOT_DRAWN]
    if _ACROSS not in names or not drawn or not rows:
        raise InputError(
            f"{table} holds nothing to draw, expected a column {_ACROSS}, one more, and rows"
        )
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "train", "Drawing the losses") from error
    columns = min(_COLUMNS, len(drawn))
    lines = -(-len(drawn) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.4 * lines), layout="constrained")
    hours = [row[_ACROSS] for row in rows]
    for place, name in enumerate(drawn, start=1):
        axes = figure.add_subplot(lines, columns, place)
        # One row alone makes no line.
        axes.plot(hours, [row[name] for row in rows], ".-", markersize=3, linewidth=1)
        axes.set_title(name, fontsize="medium")
        axes.grid(alpha=0.3)
        axes.tick_params(labelsize="small")
    figure.supxlabel("hours of speech seen", fontsize="small")
    figure.savefig(picture, format="png", dpi=100)


def try_curves(table: Path) -> None:
    """Draw ``table`` beside itself as PNG if that can be done, and never raise.

    What prevents it is logged, each sentence once: a run saves hundreds of checkpoints.
    """
    if not table.exists():
        return  # saved before the first row
    try:
        save_curves(table, table.with_suffix(".png"))
    except Exception as error:  # whatever is wrong with a picture, the training goes on
        _log_once(f"no picture of the losses: {error}")


@functools.cache
def _log_once(sentence: str) -> None:
    logger.warning(sentence)


def _read(table: Path) -> tuple[list[str], list[dict[str, float]]]:
    try:
        with table.open(newline="", encoding="utf-8") as file:
            names, *lines = list(csv.reader(file)) or [[]]
    except OSError as error:
        raise InputError(f"{table} cannot be read ({error.strerror}), expected a CSV") from error
    rows = []
    for line in lines:
        try:
            rows.append({name: float(text) for name, text in zip(names, line, strict=True)})
        except ValueError:
            continue
    return names, rows


def main(argv: Sequence[str] | None = None) -> int:
    """Draw each of the named tables beside itself; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m research.train.curves")
    parser.add_argument("tables", type=Path, nargs="+", metavar="CSV", help="what a run wrote")
    args = parser.parse_args(argv)
    return run_command("curves", functools.partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    for table in args.tables:
        picture = table.with_suffix(".png")
        save_curves(table, picture)
        print(picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
