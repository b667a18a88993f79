"""A run's averaged weights and discriminator, in pieces that can be fetched."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from q2d2_stream.model.shipped import cast_floats
from research.train.checkpoint import read_checkpoint, write_checkpoint

PIECE = 15 * 2**20


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    content = read_checkpoint(args.checkpoint)
    content["weights"] = content["average"]  # stored once
    content["stage_head"] = cast_floats(content["stage_head"], torch.float16)
    whole = args.out / "whole.pt"
    write_checkpoint(whole, content | {"optimizers": {}})
    packed = whole.read_bytes()
    whole.unlink()
    for start in range(0, len(packed), PIECE):
        (args.out / f"stage2.pt.{start // PIECE}").write_bytes(packed[start : start + PIECE])
    print(content["progress"])


if __name__ == "__main__":
    main()
