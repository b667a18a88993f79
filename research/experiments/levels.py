"""How many levels a pair should have, and how many of its points are used.

    python -m research.experiments.levels --data SPEECH --eval CLIPS --cache FOLDER

The paper finds that moderate numbers of levels win and that high ones lower the utilisation; its
grid of [9, 9, 7, 7, 7, 7] uses 99 % of its points. Here rhombic pairs of 5, 7, 9 and 11 levels
carry the same bits: the coarser the grid, the more pairs. And that grid of the paper, always sent
whole. Networks that are recorded are not trained again.

"Used" counts a point that was chosen at least once in seven minutes of training speech; "of log2"
is the entropy of the indices as a share of what they cost: a point used once in an hour is used,
but pays nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from q2d2_stream.cli.failures import run_command
from research.experiments.harness.arms import BASELINE
from research.experiments.harness.results import spread
from research.experiments.harness.runs import Runs, add_arguments, start
from research.experiments.harness.tables import comparison_table, draw_rates, of_arm, save

__all__ = ["LEVELS", "main", "usage_table"]

LEVELS = ("l = 5", BASELINE, "l = 9", "l = 11")
_PAPER = "9, 9, 7, 7, 7, 7"


def paper_records(runs: Runs) -> list[dict[str, Any]]:
    """The paper's grid at its one rate."""
    return runs.records([_PAPER], lowest_bits=20.0, highest_bits=20.0)


def usage_table(records: Sequence[dict[str, Any]]) -> str:
    """How the points of the first pairs and of all are used."""
    lines = [
        "| levels | points of a pair | bits | first three pairs, of log2 | all pairs | used |",
        "|---|---|---|---|---|---|",
    ]
    for arm in (*LEVELS, _PAPER):
        mine = of_arm(records, arm)
        if not mine:
            continue
        sizes = np.log2(mine[0]["usage"]["sizes"])
        shares = [np.array(r["usage"]["entropy"]) for r in mine]
        first = spread([100 * float(s[:3].sum() / sizes[:3].sum()) for s in shares], 1)
        whole = spread([100 * float(s.sum() / sizes.sum()) for s in shares], 1)
        used = spread([100 * r["usage"]["used"] for r in mine], 1)
        name = "l = 7" if arm == BASELINE else arm
        points = ", ".join(str(n) for n in dict.fromkeys(mine[0]["usage"]["sizes"]))
        lines.append(
            f"| {name} | {points} | {sizes.sum():.1f} | {first} % | {whole} % | {used} % |"
        )
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables and draw the picture."""
    parser = argparse.ArgumentParser(
        prog="research.experiments.levels",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add_arguments(parser)
    return run_command("levels", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    runs = start(args)
    records = runs.records(LEVELS)
    print(comparison_table(records, LEVELS))
    print("", usage_table(records + paper_records(runs)), sep="\n")
    save(draw_rates(records, LEVELS), "levels", args.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
