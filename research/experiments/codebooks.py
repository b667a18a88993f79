"""Learned codebooks against fixed grids, at the same bits, network and steps.

    python -m research.experiments.codebooks --data SPEECH --eval CLIPS --cache FOLDER

Is it the geometry of a grid that helps, or that none of its codes can be forgotten? Learned
codebooks of one, two and eight dimensions with the usual remedies
(:mod:`research.experiments.harness.codebooks`) and residual FSQ beside rhombic pairs, in the small
codec; then the remedies against each other, from the trunk's own first layers. FSQ itself is
"rectangular" in :mod:`research.experiments.trained_lattices`. Networks that are recorded are not
trained again.

Limits: those of :mod:`research.experiments.trained_lattices`; and a codebook of 85 codes is small:
collapse is known from thousands of codes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from q2d2_stream.cli.failures import run_command
from research.experiments.harness.arms import BASELINE
from research.experiments.harness.runs import add_arguments, start
from research.experiments.harness.tables import comparison_table, draw_history, draw_rates, save

__all__ = ["QUANTIZERS", "REMEDIES", "main"]

QUANTIZERS = (BASELINE, "residual FSQ", "VQ 1-D", "VQ 2-D", "VQ 8-D", "VQ 8-D, cosine")
REMEDIES = ("VQ 2-D", "VQ 2-D, no restarts", "VQ 2-D, rotation", "SimVQ 2-D", "VQ 1-D")


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table and draw the pictures."""
    parser = argparse.ArgumentParser(
        prog="research.experiments.codebooks",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add_arguments(parser)
    return run_command("codebooks", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    runs = start(args)
    records, remedies = runs.records(QUANTIZERS), runs.records(REMEDIES, new_layers=False)
    print(comparison_table(records, QUANTIZERS))
    print("", comparison_table(remedies, REMEDIES, base=REMEDIES[0]), sep="\n")
    save(draw_rates(records, QUANTIZERS), "codebooks", args.pictures)
    save(draw_history(remedies, REMEDIES), "codebooks_used", args.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
