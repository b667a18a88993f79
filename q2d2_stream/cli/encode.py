"""``q2d2 encode``: a sound file to a .q2d2 file."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from q2d2_stream.cli.file_codec import FileEncoder
from q2d2_stream.cli.options import (
    DENOISE_HELP,
    add_models_argument,
    add_rate_argument,
    codec_of,
)
from q2d2_stream.cli.progress import progress
from q2d2_stream.errors import InputError, MissingExtra
from q2d2_stream.files.output import open_output

if TYPE_CHECKING:
    from q2d2_stream.analysis_by_synthesis.search import PointSearch
    from q2d2_stream.config import Rate

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = "Encode a sound file as a .q2d2 file."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("input", help="wav, flac or ogg of any rate and channels, - for stdin")
    parser.add_argument("output", help="the .q2d2 file, - for stdout")
    add_rate_argument(parser)
    parser.add_argument("--denoise", action="store_true", help=DENOISE_HELP)
    parser.add_argument(
        "--fixed", action="store_true", help="no entropy coding: version 1, a third larger or more"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    parser.add_argument(
        "--search", action="store_true",
        help="look for what is best said with the same bits; takes about as long as the sound "
        "lasts, and the extra [search]",
    )  # fmt: skip
    parser.add_argument(
        "--steps", type=int, help="of --search, more are slower and better (default: 40)"
    )
    add_models_argument(parser)


def _search(args: argparse.Namespace, rate: Rate) -> PointSearch | None:
    if args.steps is not None and not args.search:
        raise InputError("--steps is of --search, expected it with that")
    if not args.search:
        return None
    if args.denoise:
        raise InputError("--search tells the sound as it is, expected it without --denoise")
    try:
        from q2d2_stream.analysis_by_synthesis.search import STEPS, PointSearch
        from q2d2_stream.model.shipped import shipped_critic, shipped_net
    except ImportError as error:
        raise MissingExtra("torch", "search", "--search") from error
    from q2d2_stream.engine.codec import MODELS

    folder = Path(args.models or MODELS)
    steps = STEPS if args.steps is None else args.steps
    return PointSearch(shipped_net(folder), rate.index, steps, shipped_critic(folder))


def run(args: argparse.Namespace) -> int:
    """Encode piece by piece; memory does not depend on the length of the sound."""
    from q2d2_stream.cli.sound import open_sound

    codec = codec_of(args, denoise=args.denoise)
    sample_rate = codec.config.sample_rate
    rate = codec.config.find_rate(args.rate)
    encoder = FileEncoder(codec, rate, args.fixed, args.denoise, _search(args, rate))
    size = 0
    start = time.perf_counter()
    with (
        open_sound(args.input, sample_rate) as sound,
        open_output(args.output) as out,
        progress("encoding", sound.seconds, args.quiet) as show,
    ):
        size += out.write(encoder.header())
        for pcm in sound:
            size += out.write(encoder.push(pcm))
            if args.output == "-":
                out.flush()
            show(encoder.samples / sample_rate)
        size += out.write(encoder.finish())
        if out.seekable() and args.output != "-":
            out.seek(0)
            out.write(encoder.header())
    if not args.quiet:
        seconds = encoder.samples / sample_rate
        speed = seconds / (time.perf_counter() - start)
        kbps = 8e-3 * size / seconds if seconds else 0.0
        print(
            f"{seconds:.2f} s of sound in {size} bytes ({kbps:.2f} kbps with file overhead), "
            f"{speed:.1f} times real time",
            file=sys.stderr,
        )
    return 0
