"""``q2d2 decode``: a .q2d2 file to a sound file."""

from __future__ import annotations

import argparse
import sys
import time

from q2d2_stream.cli.batch import add_batch_arguments, is_folder, run_batch
from q2d2_stream.cli.options import add_models_argument, codec_of
from q2d2_stream.cli.progress import progress
from q2d2_stream.cli.warn import warn

__all__ = ["DESCRIPTION", "add_arguments", "run"]

DESCRIPTION = "Decode a .q2d2 file to a sound file."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("input", help="the .q2d2 file, or .npz of tokens; - for stdin")
    parser.add_argument("output", help="wav, flac or ogg file, - for wav on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    add_models_argument(parser)
    add_batch_arguments(parser, "wav, flac or ogg (default: by its ending, wav in folders)")


def run(args: argparse.Namespace) -> int:
    """Decode a file; damage is warned of and does not change the exit status."""
    from q2d2_stream.files.batch import BatchSettings
    from q2d2_stream.files.decode import decode_file
    from q2d2_stream.files.same_file import require_distinct

    if is_folder(args):
        settings = BatchSettings(
            "decode",
            args.format or "wav",
            models=args.models,
            engine=args.engine,
            precision=args.precision,
        )
        return run_batch(args, settings)
    require_distinct({"the input": args.input}, {"the output": args.output})
    codec = codec_of(args)
    start = time.perf_counter()
    with progress("decoding", args.quiet) as show:
        result = decode_file(
            args.input, args.output, codec=codec, file_format=args.format, progress=show
        )
    for sentence in result.warnings:
        warn(sentence)
    if not args.quiet:
        speed = result.seconds / (time.perf_counter() - start)
        print(f"{result.seconds:.2f} s of sound, {speed:.1f} times real time", file=sys.stderr)
    return 0
