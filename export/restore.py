"""``python -m export.restore OUT.pt``: the shipped models as a checkpoint to train on from.

With ``--discriminator``, what stage 2 needs to go on at once (:mod:`export.discriminator`); with
``--sharpened``, the decoder before it was sharpened.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from export.discriminator import DISCRIMINATOR
from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.model.shipped import read_discriminator, shipped_net
from research.train.checkpoint import Average, Progress, save_checkpoint
from research.train.post_filter import sharpen_harmonics

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.restore", description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path, default=MODELS)
    parser.add_argument(
        "--discriminator", action="store_true", help="add it, to go on with stage 2"
    )
    parser.add_argument(
        "--sharpened", type=float, default=0.0, help="undo a post-filter of this amount"
    )
    args = parser.parse_args(argv)
    return run_command("export.restore", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    net = shipped_net(args.models)
    if args.sharpened:
        sharpen_harmonics(net.decoder, args.sharpened, undo=True)
    head = read_discriminator(DISCRIMINATOR) if args.discriminator else {}
    progress = Progress(stage=2 if args.discriminator else 1)
    save_checkpoint(args.out, net, Average(net), head, {}, progress)
    return 0


if __name__ == "__main__":
    sys.exit(main())
