"""``python -m research.train.regrade IN.pt OUT.pt``: from twelve pairs to six and refinement.

Weights of the old network where the new one has a place for them: the first six pairs, flags of the
rates with as many pairs (of the next higher rate for others), refinement as six pairs. Then gather
the statistics of the refinement (:mod:`research.train.refinement_statistics`).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from q2d2_stream.cli.failures import run_command
from q2d2_stream.model.net import CodecNet
from research.train.checkpoint import (
    Average,
    Progress,
    load_net,
    save_checkpoint,
)

RATES = (3, 4, 6)


@torch.no_grad()
def regraded(old: CodecNet, rates: tuple[int, ...] = RATES) -> CodecNet:
    """The same network with the pairs of ``rates`` and a rate with refinement."""
    was = old.config.codec
    dims = 2 * rates[-1]
    codec = replace(was, levels=was.levels[:dims], rates=rates, refined=True)
    net = CodecNet(replace(old.config, codec=codec))
    weights = dict(old.state_dict())
    weights["encoder.project_out.weight"] = weights["encoder.project_out.weight"][:dims]
    weights["encoder.project_out.bias"] = weights["encoder.project_out.bias"][:dims]
    weights["quantizer.feedback"] = weights["quantizer.feedback"][:, :dims]
    into = weights["decoder.project_in.weight"]
    higher = [min(p for p in was.rates if p >= rate.pairs) for rate in codec.ladder]
    flags = [was.rates.index(p) for p in higher] + [len(was.rates)]
    columns = list(range(dims)) + [len(was.levels) + flag for flag in flags]
    weights["decoder.project_in.weight"] = into[:, columns].contiguous()
    net.load_state_dict(weights, strict=False)
    return net


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="regrade", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rates", type=int, nargs="+", default=RATES, help="pairs of each rate")
    return run_command("regrade", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    net = regraded(load_net(args.checkpoint), tuple(args.rates))
    save_checkpoint(args.out, net, Average(net), {}, {}, Progress(stage=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
