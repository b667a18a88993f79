"""``python -m research.train``: train the codec on a folder of speech."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from functools import partial
from pathlib import Path

from q2d2_stream.cli.failures import run_command
from q2d2_stream.cli.renamed import renamed
from q2d2_stream.errors import InputError, MissingExtra

__all__ = ["main"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="research.train", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of speech files")
    parser.add_argument("--noise", type=Path, help="folder of noise for augmentation")
    parser.add_argument("--minutes", type=float, required=True, help="wall-clock budget")
    parser.add_argument("--out", type=Path, default=Path("runs/train"), help="checkpoints and logs")
    parser.add_argument("--cache", type=Path, help="decoded audio (default: OUT/../cache)")
    parser.add_argument(
        "--stage", choices=("0", "1", "2", "auto"), default="auto",
        help="0 latents, 1 waveform, 2 adversarial; auto 0, then 1",
    )  # fmt: skip
    parser.add_argument(
        "--hours", type=float,
        help="of speech that the stage is to hear, over several runs; --minutes ends this one",
    )  # fmt: skip
    parser.add_argument("--average", type=float, default=0.998, help="decay of the average")
    parser.add_argument("--init", type=Path, help="checkpoint to start from")
    parser.add_argument(
        "--train-encoder", action="store_true", help="stages 1 and 2 train the encoder too"
    )
    parser.add_argument(
        "--refined-only", action="store_true",
        help="stages 1 and 2 train the rate with refinement, and hold the others as they are",
    )  # fmt: skip
    parser.add_argument("--whisper", action="store_true", help="stage 2 heeds a recogniser too")
    parser.add_argument("--batch", type=int, default=6, help="clips per process and step")
    parser.add_argument("--frames", type=int, default=120, help="frames per clip")
    parser.add_argument("--lr", type=float, default=1e-3, help="peak learning rate")
    parser.add_argument("--processes", type=int, help="default: one per CPU core, one on a GPU")
    parser.add_argument("--compile", action="store_true", help="fuse layers with torch.compile")
    parser.add_argument(
        "--bf16", action="store_true", help="bfloat16 stacks (GPU, AMX, AVX512-BF16)"
    )
    parser.add_argument(
        "--cuda-graphs", action="store_true", help="record steps as CUDA graphs (one GPU)"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that draw clips")
    parser.add_argument("--seed", type=int, default=0)
    return parser


def _check(args: argparse.Namespace) -> None:
    """Refuse what the stage would ignore."""
    if args.train_encoder and args.stage not in ("1", "2", "auto"):
        raise InputError(
            f"--train-encoder is of stages 1 and 2; stage {args.stage} has no use for it"
        )
    if args.refined_only and (args.stage not in ("1", "2") or args.train_encoder):
        raise InputError(
            "--refined-only is of stages 1 and 2 and trains the decoder alone, expected one of them"
            f" without --train-encoder, not --stage {args.stage}"
        )
    if args.whisper and args.stage != "2":
        raise InputError(f"--whisper is of stage 2, expected --stage 2 with it, not {args.stage}")


_RENAMED = {"--joint": "--train-encoder", "--graphs": "--cuda-graphs"}


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    args = _parser().parse_args(renamed(sys.argv[1:] if argv is None else argv, _RENAMED))
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    return run_command("research.train", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    _check(args)
    try:
        import torch

        from research.train.corpus import open_corpus
        from research.train.processes import join, launch
        from research.train.run import work
    except ImportError as error:
        raise MissingExtra("torch", "train", "training") from error
    cache = args.cache or args.out.parent / "cache"
    corpus = open_corpus(args.data, cache)  # decoded here once, before the processes map it
    if args.noise:
        open_corpus(args.noise, cache)
    logging.info("%.1f hours in %d sources", corpus.hours, len(corpus.sources))
    default = torch.cuda.device_count() or os.cpu_count() or 1
    processes = args.processes or default
    if args.cuda_graphs and (processes > 1 or not torch.cuda.is_available()):
        raise InputError(
            "--cuda-graphs needs a GPU and one process, expected --processes 1 with it"
        )
    if torch.distributed.is_torchelastic_launched():  # torchrun -m research.train ...
        if (refusal := join(partial(work, args))) is not None:
            raise InputError(refusal)
    elif processes > 1:
        launch(partial(work, args), processes)
    else:
        work(args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
