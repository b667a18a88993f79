"""What every process of a training run does."""

from __future__ import annotations

import argparse
from dataclasses import replace

from q2d2_stream.model import ModelConfig
from research.train.checkpoint import read_config
from research.train.corpus import open_corpus
from research.train.options import TrainOptions
from research.train.trainer import train

__all__ = ["work"]

_STAGE0_SHARE = 0.2  # of the budget, when both stages run


def work(args: argparse.Namespace) -> None:
    """What every process does; the corpus is cached already."""

    cache = args.cache or args.out.parent / "cache"
    corpus = open_corpus(args.data, cache)
    noise = open_corpus(args.noise, cache) if args.noise else None
    options = TrainOptions(
        out=args.out, stage=0, minutes=args.minutes, hours=args.hours, average=args.average,
        init=args.init, batch=args.batch, frames=args.frames, learning_rate=args.lr,
        train_encoder=args.train_encoder, refined_only=args.refined_only, whisper=args.whisper,
        compile=args.compile, bf16=args.bf16, cuda_graphs=args.cuda_graphs, workers=args.workers,
        seed=args.seed,
    )  # fmt: skip
    known = [p for p in (args.out / f"stage{args.stage}.pt", args.init) if p and p.exists()]
    config = read_config(known[0]) if known else ModelConfig()
    if args.stage != "auto":
        train(replace(options, stage=int(args.stage)), config, corpus, noise)
        return
    first = train(replace(options, minutes=args.minutes * _STAGE0_SHARE), config, corpus, noise)
    rest = args.minutes * (1.0 - _STAGE0_SHARE)
    train(replace(options, stage=1, minutes=rest, init=first), config, corpus, noise)
