"""Pairs, triples, fours or eights, and where the edges lie: the same after training.

    python -m research.experiments.trained_lattices --data SPEECH --eval CLIPS --cache FOLDER

Lattices of :mod:`research.experiments.dimensions` in the small codec
(:mod:`research.experiments.harness`), at equal bits, and the rhombic pair with its outermost points
drawn inwards from the border of the tanh's range. Networks that are recorded are not trained
again: without any option the tables and the picture are made from the records alone.

Limits: a network of 120,000 parameters on mel spectra and pitch, trained for less than two
minutes of one core; not decoded speech.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from q2d2_stream.cli.failures import run_command
from research.experiments.harness.arms import BASELINE
from research.experiments.harness.runs import add_arguments, start
from research.experiments.harness.tables import comparison_table, draw_rates, save

__all__ = ["EDGES", "LATTICES", "main"]

LATTICES = (BASELINE, "rectangular", "bcc", "fcc", "d4", "e8")
EDGES = (BASELINE, "rhombic x .86", "rhombic x .8")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables and draw the picture."""
    parser = argparse.ArgumentParser(
        prog="research.experiments.trained_lattices",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add_arguments(parser)
    return run_command("trained_lattices", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    records = start(args).records([*LATTICES, *EDGES[1:]], new_layers=False)
    print(comparison_table(records, LATTICES), comparison_table(records, EDGES), sep="\n\n")
    save(draw_rates(records, LATTICES), "trained_lattices", args.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
