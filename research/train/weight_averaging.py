"""``python -m research.train.weight_averaging A B OUT``: the weights between two checkpoints.

Of two runs of which one began where the other ended, the mean of the weights often keeps what is
good in both ("model soups", arXiv 2203.05482). What a stage trained beside the network (the
discriminator) is B's. ``--half`` stores fp16, for a checkpoint to keep: the optimiser's state is
left out.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch

from q2d2_stream.cli.failures import run_command
from q2d2_stream.errors import InputError, ModelError
from q2d2_stream.model.shipped import cast_floats
from research.train.checkpoint import read_checkpoint, write_checkpoint

__all__ = ["mean_checkpoint"]


def mean_checkpoint(a: dict[str, Any], b: dict[str, Any], share: float) -> dict[str, Any]:
    """``1 - share`` of A's averaged weights and ``share`` of B's; all else is B's, in float32.

    Args:
        a, b: contents of two checkpoints of one shape of network.
        share: of B, 0 to 1.

    Raises:
        InputError: ``share`` is out of range.
        ModelError: the two are networks of different shapes.
    """
    if not 0.0 <= share <= 1.0:
        raise InputError(f"B's share is {share}, expected 0 to 1")
    if a["config"] != b["config"]:
        raise ModelError("the two checkpoints have networks of different shapes")
    weights = {
        name: torch.lerp(a["average"][name].float(), value.float(), share)
        for name, value in b["average"].items()
    }
    head = cast_floats(b["stage_head"], torch.float32)
    return b | {"weights": weights, "average": weights, "stage_head": head, "optimizers": {}}


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m research.train.weight_averaging", description=__doc__
    )
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of B (default 0.5)")
    parser.add_argument("--half", action="store_true", help="store fp16")
    args = parser.parse_args(argv)
    return run_command("mean", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    mixed = mean_checkpoint(read_checkpoint(args.a), read_checkpoint(args.b), args.share)
    if args.half:
        for part in ("average", "stage_head"):
            mixed[part] = cast_floats(mixed[part], torch.float16)
        mixed["weights"] = mixed["average"]
    write_checkpoint(args.out, mixed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
