"""``python -m export.discriminator runs/c/stage2.pt``: keep a decoder's discriminator.

A new discriminator takes a thousand steps and more to learn what a trained decoder still gets
wrong, so stage 2 goes on from the shipped models best with the discriminator they had: ``python -m
export.restore OUT.pt --discriminator`` puts it back.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.errors import ModelError
from q2d2_stream.model.shipped import DISCRIMINATOR_FILE, cast_floats
from research.train.checkpoint import read_checkpoint

__all__ = ["DISCRIMINATOR", "save_discriminator"]

DISCRIMINATOR = MODELS / DISCRIMINATOR_FILE


def save_discriminator(stage_head: dict[str, Tensor], path: Path = DISCRIMINATOR) -> None:
    """Write what stage 2 holds beside the network, at half precision, and the steps it has made.

    Args:
        stage_head: of a checkpoint of stage 2.
        path: an ``.npz`` file.

    Raises ModelError when there is no discriminator in it.
    """
    if not any(name.startswith("discriminator.") for name in stage_head):
        raise ModelError(
            "the checkpoint has no discriminator, expected one that stage 2 has written"
        )
    kept = {k: v for k, v in stage_head.items() if k == "steps" or k.startswith("discriminator.")}
    arrays = {name: value.cpu().numpy() for name, value in cast_floats(kept, torch.float16).items()}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.discriminator", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, default=DISCRIMINATOR)
    args = parser.parse_args(argv)
    return run_command("export.discriminator", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    save_discriminator(read_checkpoint(args.checkpoint)["stage_head"], args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
