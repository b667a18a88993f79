"""``python -m research.train.post_filter CHECKPOINT OUT``: deeper valleys between the formants.

A network trained on distances predicts spectra that are too smooth, and a post-filter that raises
what stands out and lowers what does not is how low-rate codecs have long answered that (Chen and
Gersho, "Adaptive postfiltering for quality enhancement of coded speech", 1995). Here the log gains
of the pulses are moved away from their mean over neighbouring bins. The head that predicts them is
linear, so it is done to its weights once, and costs nothing when running.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

import torch

from q2d2_stream.cli.failures import run_command
from q2d2_stream.errors import InputError
from q2d2_stream.model.decoder import Decoder
from q2d2_stream.model.transform import bin_order
from research.train.checkpoint import (
    Average,
    Progress,
    net_of,
    read_checkpoint,
    save_checkpoint,
)

__all__ = ["sharpen_harmonics"]


@torch.no_grad()
def sharpen_harmonics(
    decoder: Decoder, amount: float = 0.1, width: int = 33, undo: bool = False
) -> None:
    """Let ``decoder`` predict ``h + amount * (h - smooth(h))`` in place of the log gains ``h``.

    Args:
        decoder: changed in place.
        amount: 0 to 1.
        width: bins of 37.5 Hz that ``smooth`` averages over; odd, the edges are repeated.
        undo: go back instead, from a decoder that was sharpened so.

    Raises InputError when one is out of range.
    """
    if not 0.0 <= amount <= 1.0:
        raise InputError(f"the amount of sharpening is {amount}, expected 0 to 1")
    if width % 2 == 0 or not 1 <= width <= decoder.bins:
        raise InputError(f"the width is {width} bins, expected an odd one up to {decoder.bins}")
    bins = torch.arange(decoder.bins)
    window = torch.arange(width) - width // 2
    neighbours = (bins[:, None] + window).clamp(0, decoder.bins - 1)
    smooth = torch.zeros(decoder.bins, decoder.bins, dtype=torch.float64)
    smooth.scatter_add_(1, neighbours, torch.full(neighbours.shape, 1.0 / width).double())
    sharp = (1.0 + amount) * torch.eye(decoder.bins).double() - amount * smooth
    order = bin_order(2 * decoder.hop)
    sharp = sharp[order][:, order]
    if undo:
        sharp = torch.linalg.inv(sharp)
    # rows sum to one, so the constant that the decoder adds to the gains stays as it is
    for parameter in (decoder.head.weight, decoder.head.bias):
        gains = parameter[: decoder.bins]
        gains.copy_((sharp @ gains.double()).to(gains.dtype))


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m research.train.post_filter", description=__doc__
    )
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--amount", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=33, help="in bins of 37.5 Hz")
    args = parser.parse_args(argv)
    return run_command("sharpen", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    checkpoint = read_checkpoint(args.checkpoint)
    net = net_of(checkpoint)
    sharpen_harmonics(net.decoder, args.amount, args.width)
    progress = Progress(**checkpoint["progress"])
    save_checkpoint(args.out, net, Average(net), checkpoint["stage_head"], {}, progress)
    return 0


if __name__ == "__main__":
    sys.exit(main())
