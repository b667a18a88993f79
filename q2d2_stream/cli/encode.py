"""``q2d2 encode``: a sound file to a .q2d2 file."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from q2d2_stream.cli.batch import add_batch_arguments, is_folder, run_batch
from q2d2_stream.cli.options import add_models_argument, add_rate_argument, codec_of
from q2d2_stream.cli.progress import progress
from q2d2_stream.cli.warn import warn
from q2d2_stream.errors import InputError, MissingExtra

if TYPE_CHECKING:
    from q2d2_stream.analysis_by_synthesis.search import PointSearch
    from q2d2_stream.config import Rate

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = "Encode a sound file as a .q2d2 file."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "input", help="wav, flac, ogg, mp3 and more, of any rate and channels; - for stdin"
    )
    parser.add_argument("output", help="the .q2d2 file, or .npz for tokens; - for stdout")
    add_rate_argument(parser)
    parser.add_argument(
        "--no-entropy-coding",
        action="store_false",
        dest="entropy_coding",
        help="all indices at their fixed size: version 1, a third larger or more",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument(
        "--effort",
        choices=("normal", "max"),
        default="normal",
        help="max: find the indices by running the decoder, for better speech in the same bits; "
        "takes some 2.3 times as long as the sound lasts, and the extra [search]",
    )
    parser.add_argument(
        "--steps", type=int, help="of --effort max, more are slower and better (default: 40)"
    )
    add_models_argument(parser)
    add_batch_arguments(parser, "q2d2 or npz (default: by its ending, q2d2 in folders)")


def _search(args: argparse.Namespace, rate: Rate) -> PointSearch | None:
    if args.steps is not None and args.effort != "max":
        raise InputError("--steps is of --effort max, expected it with that")
    if args.effort != "max":
        return None
    try:
        from q2d2_stream.analysis_by_synthesis.search import STEPS, PointSearch
        from q2d2_stream.model.shipped import shipped_discriminator, shipped_net
    except ImportError as error:
        raise MissingExtra("torch", "search", "--effort max") from error
    from q2d2_stream.engine.codec import MODELS

    folder = Path(args.models or MODELS)
    steps = STEPS if args.steps is None else args.steps
    return PointSearch(shipped_net(folder), rate.index, steps, shipped_discriminator(folder))


def run(args: argparse.Namespace) -> int:
    """Encode a file or a folder; damage is warned of and does not change the exit status."""
    from q2d2_stream.files.batch import BatchSettings
    from q2d2_stream.files.encode import encode_file
    from q2d2_stream.files.same_file import require_distinct

    require_distinct({"the input": args.input}, {"the output": args.output})
    folder = is_folder(args)
    codec = codec_of(args)
    rate = codec.config.find_rate(args.rate)
    if folder:
        if args.effort == "max" or args.steps is not None:
            raise InputError("--effort max is for single files, expected it without a folder")
        settings = BatchSettings(
            "encode",
            args.format or "q2d2",
            bitrate=rate.name,
            entropy_coding=args.entropy_coding,
            models=args.models,
            engine=args.engine,
            precision=args.precision,
        )
        return run_batch(args, settings)
    start = time.perf_counter()
    with progress("encoding", args.quiet) as show:
        result = encode_file(
            args.input,
            args.output,
            bitrate=rate,
            codec=codec,
            entropy_coding=args.entropy_coding,
            search=_search(args, rate),
            file_format=args.format,
            progress=show,
        )
    for sentence in result.warnings:
        warn(sentence)
    if not args.quiet:
        speed = result.seconds / (time.perf_counter() - start)
        kbps = 8e-3 * result.bytes / result.seconds if result.seconds else 0.0
        print(
            f"{result.seconds:.2f} s of sound in {result.bytes} bytes ({kbps:.2f} kbps with file "
            f"overhead), {speed:.1f} times real time",
            file=sys.stderr,
        )
    return 0
