"""``python -m research.eval``: how good the codec is, beside others, as a report."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine import load_codec
from q2d2_stream.errors import InputError, MissingExtra
from research.eval.cache import Cache, default_folder
from research.eval.clips import load_clips
from research.eval.codecs import CodecUnderTest, Original, StreamCodec
from research.eval.metrics import choose_metrics
from research.eval.noise import NoiseMix, parse_snrs
from research.eval.options import (
    QUICK_CLIPS,
    QUICK_METRICS,
    make_parser,
    parse_baseline,
)
from research.eval.plot import save_rate_quality_plot
from research.eval.report import to_json, to_markdown
from research.eval.results import Evaluation
from research.eval.runner import evaluate
from research.eval.samples import make_samples
from research.eval.suppressors import Suppressed

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the evaluation; returns the exit status, 1 after a deliberate error."""
    options = make_parser().parse_args(argv)
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
        limit, chosen = limit or QUICK_CLIPS, chosen or QUICK_METRICS
    metrics = choose_metrics(_split(chosen) if chosen else None)
    rates = _rates(options)
    codecs: list[CodecUnderTest] = [Original()]
    codecs += [StreamCodec(name, options.engine, options.models) for name in rates]
    codecs += [
        Suppressed(codec, name) for name in _split(options.suppress) for codec in tuple(codecs)
    ]
    if options.search:
        codecs += _searched(options, rates)
    codecs += [parse_baseline(text) for text in _split(options.baselines)]
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


def _rates(options: argparse.Namespace) -> list[str]:
    """Names of the model's rates that are asked for; raises InputError for one it does not have."""
    if options.rates == "":
        return []
    config = load_codec(options.models, options.engine).config
    if options.rates is None:
        return [rate.name for rate in config.ladder]
    return [config.find_rate(text).name for text in _split(options.rates)]


def _searched(options: argparse.Namespace, rates: list[str]) -> list[CodecUnderTest]:
    try:
        from research.eval.best_effort import BestEffortCodec
    except ImportError as error:
        raise MissingExtra("torch", "search", "--search") from error
    return [BestEffortCodec(rate, options.engine, options.models) for rate in rates]


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


if __name__ == "__main__":
    sys.exit(main())
