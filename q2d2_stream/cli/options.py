"""Options that several subcommands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from q2d2_stream.engine.choice import ENGINES, PRECISIONS

if TYPE_CHECKING:
    from q2d2_stream.engine import Codec
    from q2d2_stream.settings import CallSettings

__all__ = [
    "add_models_argument",
    "add_rate_argument",
    "codec_of",
    "codecs_of",
]


def add_rate_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--rate``, which :meth:`CodecConfig.find_rate` of the loaded model understands."""
    parser.add_argument(
        "--rate",
        metavar="KBPS",
        help="kilobits per second: one of the model's rates, which q2d2 info lists "
        "(default: about 3)",
    )


def add_models_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--models``, ``--engine`` and ``--precision``, which :func:`codec_of` reads."""
    parser.add_argument("--models", metavar="DIR", help="use these model files, not the shipped")
    parser.add_argument(
        "--engine",
        choices=ENGINES,
        default="auto",
        help="what runs the models (default: the fastest that is installed)",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default="auto",
        help="of the models' weights (default: int8 where there is an engine for it)",
    )


def codec_of(args: argparse.Namespace) -> Codec:
    """The codec that the arguments ask for; raises ModelError where its files are no good."""
    from q2d2_stream.engine import load_codec

    return load_codec(args.models, args.engine, args.precision)


def codecs_of(settings: CallSettings) -> list[Codec]:
    """The codec that the settings ask for, and after it those that a call may fall back on.

    Raises ModelError where the files are no good.
    """
    from q2d2_stream.engine import load_codecs

    return load_codecs(settings.models, settings.engine, settings.precision)
