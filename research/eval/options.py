"""The options of ``python -m research.eval``."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from q2d2_stream.errors import InputError
from research.eval.codec2 import Codec2
from research.eval.codecs import CodecUnderTest
from research.eval.metrics import METRICS
from research.eval.opus import OpusCodec
from research.eval.runner import MAX_JOBS
from research.eval.suppressors import SUPPRESSORS

__all__ = ["QUICK_CLIPS", "QUICK_METRICS", "make_parser", "parse_baseline"]

QUICK_CLIPS = 10
QUICK_METRICS = "pesq,stoi"


def parse_baseline(text: str) -> CodecUnderTest:
    """A baseline by its name, "opus6", "opus12_fec10" (in-band FEC against 10 % loss) or
    "codec2_3200"; raises InputError for unknown ones."""
    if match := re.fullmatch(r"opus(\d+(?:\.\d+)?)(?:_fec(\d+))?", text):
        fec_loss = int(match.group(2)) / 100 if match.group(2) else None
        return OpusCodec(float(match.group(1)), fec_loss)
    if match := re.fullmatch(r"codec2_(\d+)", text):
        return Codec2(int(match.group(1)))
    raise InputError(
        f"the baseline is {text!r}, expected opusKBPS (opus6), opusKBPS_fecPERCENT "
        "(opus12_fec10) or codec2_BPS (codec2_3200)"
    )


def _share(text: str) -> float:
    share = float(text)
    if not 0 <= share < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share from 0 to under 1")
    return share


def _at_least_one(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 on")
    return number


def make_parser() -> argparse.ArgumentParser:
    """All options; what they mean is in their help."""
    parser = argparse.ArgumentParser(
        prog="research.eval",
        description="Measure the codec beside others on a folder of speech. Metrics and baselines "
        "that are not installed are named and left out. Nothing is fetched.",
    )
    parser.add_argument("--data", type=Path, help="folder of speech files")
    parser.add_argument(
        "--rates",
        help="our rates; an empty text for none (default: all of the model's)",
    )
    parser.add_argument(
        "--baselines",
        default="opus6,opus8,opus12,codec2_3200,codec2_2400,codec2_1200",
        help="other codecs; an empty text for none (default %(default)s)",
    )
    parser.add_argument(
        "--loss", type=_share, default=0.0, help="measure also with this share of packets lost"
    )
    parser.add_argument(
        "--noise",
        type=Path,
        metavar="FOLDER",
        help="measure also with noise from these recordings, at each --snr",
    )
    parser.add_argument(
        "--snr",
        metavar="DB",
        help="signal-to-noise ratios in decibels, such as 0,5,10; negative ones as in --snr=-5,0",
    )
    parser.add_argument(
        "--suppress",
        default="",
        metavar="NAMES",
        help=f"measure the original and our codec also behind some of {','.join(SUPPRESSORS)}",
    )
    parser.add_argument(
        "--search",
        action="store_true",
        help="measure also what q2d2 encode --search makes (slow: about as long as the sound)",
    )
    parser.add_argument(
        "--limit", type=_at_least_one, help="at most so many clips, spread over the sources"
    )
    parser.add_argument("--metrics", help=f"some of {','.join(METRICS)} (default all)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{QUICK_CLIPS} clips and {QUICK_METRICS} only, unless told otherwise",
    )
    parser.add_argument("--engine", default="auto", help="engine of our codec (default auto)")
    parser.add_argument(
        "--models", type=Path, help="folder of exported models (default the shipped ones)"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, MAX_JOBS + 1),
        default=1,
        help="processes (default %(default)s)",
    )
    parser.add_argument("--cache", type=Path, help="folder of kept scores (default the user's)")
    parser.add_argument("--no-cache", action="store_true", help="compute everything anew")
    parser.add_argument(
        "--out", type=Path, help="report to write, with a picture beside it (default: print it)"
    )
    parser.add_argument(
        "--samples",
        type=Path,
        metavar="FOLDER",
        help="measure nothing, but write a page of sound examples and spectrograms there",
    )
    parser.add_argument("--json", type=Path, help="all scores as JSON")
    parser.add_argument("--plot", type=Path, help="quality against bitrate as PNG")
    parser.add_argument(
        "--from-json",
        type=Path,
        metavar="FILE",
        help="measure nothing, but draw --plot from what --json wrote",
    )
    return parser
