"""Options that several subcommands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from q2d2_stream.engine.choice import ENGINES, PRECISIONS
from q2d2_stream.errors import ModelError

if TYPE_CHECKING:
    from q2d2_stream.engine import Codec
    from q2d2_stream.settings import CallSettings

__all__ = [
    "DENOISE_HELP",
    "add_models_argument",
    "add_rate_argument",
    "codec_of",
    "codecs_of",
]

DENOISE_HELP = (
    "encode the speech without the noise around it: another encoder, which takes no more "
    "computation and no more delay"
)


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


def codec_of(args: argparse.Namespace, *, denoise: bool = False) -> Codec:
    """The codec that the arguments ask for; raises ModelError where its files are no good.

    With ``denoise`` the denoising encoder is loaded, too.
    """
    from q2d2_stream.engine import load_codec

    return _with_denoiser(load_codec(args.models, args.engine, args.precision), denoise)


def codecs_of(settings: CallSettings) -> list[Codec]:
    """The codec that the settings ask for, and after it those that a call may fall back on.

    A denoising encoder that is asked for is loaded, too: whoever asks for it learns before the
    peer's bell rings that it is not there. Raises ModelError where the files are no good.
    """
    from q2d2_stream.engine import load_codecs

    codecs = load_codecs(settings.models, settings.engine, settings.precision)
    _with_denoiser(codecs[0], settings.denoise)
    return codecs


def _with_denoiser(codec: Codec, denoise: bool) -> Codec:
    if denoise:
        try:
            codec.encoder(denoise=True)
        except ModelError as error:
            raise ModelError(f"--denoise needs models with a denoising encoder: {error}") from error
    return codec
