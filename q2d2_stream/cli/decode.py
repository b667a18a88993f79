"""``q2d2 decode``: a .q2d2 file to a sound file."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from q2d2_stream.cli.file_codec import FileDecoder
from q2d2_stream.cli.options import add_models_argument, codec_of
from q2d2_stream.cli.progress import progress

__all__ = ["DESCRIPTION", "add_arguments", "open_input", "pieces", "run"]

DESCRIPTION = "Decode a .q2d2 file to a sound file."
_PIECE_BYTES = 1024  # 5 s of sound at the lowest rate, 1 s at the highest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("input", help="the .q2d2 file, - for stdin")
    parser.add_argument("output", help="wav, flac or ogg file, - for wav on stdout")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress, no summary")
    add_models_argument(parser)


@contextmanager
def open_input(path: str) -> Iterator[tuple[BinaryIO, int | None]]:
    """A file or, for "-", standard input; and its length in bytes where that is known."""
    if path == "-":
        yield sys.stdin.buffer, None
        return
    with open(path, "rb") as stream:
        yield stream, os.fstat(stream.fileno()).st_size or None


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The bytes of a stream as they come."""
    while data := os.read(stream.fileno(), _PIECE_BYTES):
        yield data


def run(args: argparse.Namespace) -> int:
    """Decode piece by piece; damage is warned of and does not change the exit status."""
    from q2d2_stream.cli.sound import sound_output

    codec = codec_of(args)
    decoder = FileDecoder(codec)
    start = time.perf_counter()
    samples = read = 0
    with (
        open_input(args.input) as (stream, size),
        sound_output(args.output, codec.config.sample_rate) as out,
        progress("decoding", size, args.quiet) as show,
    ):
        for data in pieces(stream):
            read += len(data)
            for pcm in decoder.push(data):
                out.write(pcm)
                samples += len(pcm)
            show(read)
        for pcm in decoder.finish():
            out.write(pcm)
            samples += len(pcm)
    for sentence in decoder.warnings:
        print(f"q2d2: warning: {sentence}", file=sys.stderr)
    if decoder.damages > len(decoder.warnings):
        more = decoder.damages - len(decoder.warnings)
        print(f"q2d2: warning: and {more} more damages", file=sys.stderr)
    if not args.quiet:
        seconds = samples / codec.config.sample_rate
        speed = seconds / (time.perf_counter() - start)
        print(f"{seconds:.2f} s of sound, {speed:.1f} times real time", file=sys.stderr)
    return 0
