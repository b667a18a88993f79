"""``python -m research.eval``: how good the codec is, beside its peers, as a report."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from q2d2_stream.cli.failures import run_command
from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError, MissingExtra
from research.eval.cache import Cache, default_folder
from research.eval.clips import load_clips
from research.eval.codec2 import Codec2
from research.eval.codecs import CodecUnderTest, Original, StreamCodec
from research.eval.metrics import METRICS, choose_metrics
from research.eval.noise import NoiseMix, parse_snrs
from research.eval.opus import OpusCodec
from research.eval.plot import save_rate_quality_plot
from research.eval.report import to_json, to_markdown
from research.eval.runner import MAX_JOBS, Evaluation, evaluate
from research.eval.samples import make_samples

__all__ = ["main", "parse_peer", "parse_rate"]

_QUICK_CLIPS = 10
_QUICK_METRICS = "pesq,stoi"


def parse_rate(text: str) -> int:
    """The index of the rate "1.5", "2", "3" or "6"; raises InputError for others."""
    names = CodecConfig().rate_names
    if text not in names:
        raise InputError(f"the rate is {text!r}, expected one of {', '.join(names)}")
    return names.index(text)


def parse_peer(text: str) -> CodecUnderTest:
    """A peer by its name, "opus6" or "codec2_3200"; raises InputError for unknown ones."""
    if match := re.fullmatch(r"opus(\d+(?:\.\d+)?)", text):
        return OpusCodec(float(match.group(1)))
    if match := re.fullmatch(r"codec2_(\d+)", text):
        return Codec2(int(match.group(1)))
    raise InputError(f"the peer is {text!r}, expected opusKBPS (opus6) or codec2_BPS (codec2_3200)")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the evaluation; returns the exit status, 1 after a deliberate error."""
    options = _parser().parse_args(argv)
    return run_command("research.eval", partial(_run, options))


def _run(options: argparse.Namespace) -> int:
    if options.from_json is not None:
        if options.plot is None:
            raise InputError("--from-json measures nothing: say with --plot where to draw")
        save_rate_quality_plot(_read_results(options.from_json), options.plot)
        print(f"wrote {options.plot}", file=sys.stderr)
        return 0
    if options.data is None:
        raise InputError("there is nothing to measure: give a folder of speech files with --data")
    noises = _noises(options.noise, options.snr)
    if options.samples is not None:
        if len(noises) > 1:
            raise InputError(f"--samples takes one ratio, expected --snr 5, not {options.snr}")
        page = make_samples(
            load_clips(options.data),
            options.samples,
            engine=options.engine,
            models=options.models,
            noise=noises[0] if noises else None,
            progress=lambda clip: print(clip, file=sys.stderr, flush=True),
        )
        print(f"wrote {page}", file=sys.stderr)
        return 0
    limit, chosen = options.limit, options.metrics
    if options.quick:
        limit, chosen = limit or _QUICK_CLIPS, chosen or _QUICK_METRICS
    metrics = choose_metrics(_split(chosen) if chosen else None)
    codecs: list[CodecUnderTest] = [Original()]
    codecs += [
        StreamCodec(parse_rate(text), options.engine, options.models, denoise)
        for denoise in ((False, True) if options.denoise else (False,))
        for text in _split(options.rates)
    ]
    if options.search:
        codecs += _searched(options)
    codecs += [parse_peer(text) for text in _split(options.peers)]
    evaluation = evaluate(
        codecs,
        load_clips(options.data, limit),
        metrics,
        losses=(0.0, options.loss) if options.loss else (0.0,),
        noises=noises,
        jobs=options.jobs,
        cache=None if options.no_cache else Cache(options.cache or default_folder()),
        progress=_show_progress,
    )
    _write(evaluation, options.out, options.json)
    if options.plot is not None:
        save_rate_quality_plot(to_json(evaluation), options.plot)
    return 0


def _searched(options: argparse.Namespace) -> list[CodecUnderTest]:
    try:
        from research.eval.best_effort import SearchedCodec
    except ImportError as error:
        raise MissingExtra("torch", "search", "--search") from error
    rates = [parse_rate(text) for text in _split(options.rates)]
    return [SearchedCodec(rate, options.engine, options.models) for rate in rates]


def _noises(folder: Path | None, snrs: str | None) -> list[NoiseMix]:
    if snrs is None and folder is None:
        return []
    if snrs is None:
        raise InputError("--noise needs to know how loud: give decibels with --snr, such as 0,5,10")
    if folder is None:
        raise InputError("--snr has no noise to mix: give a folder of recordings with --noise")
    return [NoiseMix(folder, snr_db) for snr_db in parse_snrs(snrs)]


def _read_results(path: Path) -> dict[str, Any]:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no JSON ({error}), expected what --json writes") from error
    if not isinstance(results, dict):
        raise InputError(f"{path} holds a {type(results).__name__}, expected what --json writes")
    return results


def _write(evaluation: Evaluation, out: Path | None, data: Path | None) -> None:
    for sentence in evaluation.missing:
        print(f"research.eval: not measured: {sentence}", file=sys.stderr)
    if data is not None:
        data.parent.mkdir(parents=True, exist_ok=True)
        data.write_text(json.dumps(to_json(evaluation), indent=1) + "\n", encoding="utf-8")
    if out is None:
        print(to_markdown(evaluation), end="")
        return
    picture = out.with_suffix(".png")
    save_rate_quality_plot(to_json(evaluation), picture)
    out.write_text(to_markdown(evaluation, plot=picture.name), encoding="utf-8")
    print(f"wrote {out} and {picture}", file=sys.stderr)


def _show_progress(done: int, total: int, label: str) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        print(f"\r{done}/{total} {label:24}", end=end, file=sys.stderr, flush=True)
    elif done % 50 == 0 or done == total:
        print(f"{done}/{total} {label}", file=sys.stderr, flush=True)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="research.eval",
        description="Measure the codec beside its peers on a folder of speech. Metrics and peers "
        "that are not installed are named and left out. Nothing is fetched.",
    )
    parser.add_argument("--data", type=Path, help="folder of speech files")
    parser.add_argument(
        "--rates",
        default=",".join(CodecConfig().rate_names),
        help="our rates; an empty text for none (default %(default)s)",
    )
    parser.add_argument(
        "--peers",
        default="opus6,opus8,opus12,codec2_3200,codec2_2400,codec2_1200",
        help="peers; an empty text for none (default %(default)s)",
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
        "--denoise",
        action="store_true",
        help="measure also our encoder that leaves out what is not speech",
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
        help=f"{_QUICK_CLIPS} clips and {_QUICK_METRICS} only, unless told otherwise",
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


if __name__ == "__main__":
    sys.exit(main())
