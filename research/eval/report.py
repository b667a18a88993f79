"""An evaluation as Markdown for people and as JSON for programs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from research.eval.metrics import Metric
from research.eval.published import PUBLISHED
from research.eval.results import Evaluation, Row
from research.eval.targets import LOSS, LOSS_FALL, TARGETS, VERSION_1, WITH_LOSS

__all__ = ["to_json", "to_markdown"]

_OUR_RATE = re.compile(r"q2d2_[\d.]+")  # as it is, not searched or behind a suppressor


def to_markdown(evaluation: Evaluation, plot: str | None = None) -> str:
    """Tables of means with 95 % confidence intervals, per source, token use and published results.

    Args:
        evaluation: what was measured.
        plot: path of the rate-quality picture relative to the report, if there is one.
    """
    metrics = evaluation.metrics
    plain = [row for row in evaluation.rows if row.plain]
    parts = ["# Measured quality", _introduction(evaluation), _main_table(plain, metrics)]
    if plot is not None:
        parts.append(f"![Quality against bitrate]({plot})")
    if wanted := _target_table(evaluation):
        parts += ["## Against the targets", _TARGET_NOTE]
        if first := _version_table(evaluation):
            parts += ["### Of bitstream version 1", first, _VERSION_NOTE]
        parts += ["### In the long term", wanted]
    if wanted := _coded_target_table(evaluation):
        parts += ["### In files of the targets' rates", _CODED_NOTE, wanted]
    for loss in sorted({row.loss for row in evaluation.rows} - {0.0}):
        rows = [row for row in evaluation.rows if row.loss == loss]
        parts += [f"## With {loss:.0%} of packets lost", _LOSS_NOTE, _main_table(rows, metrics)]
    for snr_db in sorted({row.snr_db for row in evaluation.rows if row.snr_db is not None}):
        rows = [row for row in evaluation.rows if row.snr_db == snr_db]
        parts += [f"## In noise, {snr_db:g} dB SNR", _NOISE_NOTE, _main_table(rows, metrics)]
    used = [row for row in plain if row.tokens()]
    if used:
        parts += ["## What the tokens carry", _TOKEN_NOTE, _token_table(used)]
    if len(evaluation.sources()) > 1:
        parts.append("## By source")
        for metric in metrics:
            parts += [f"### {metric.title}", _source_table(evaluation, metric)]
    parts += ["## Published results, not measured here", _PUBLISHED_NOTE, _published_table(metrics)]
    parts += ["## How it was measured", _method(evaluation)]
    return "\n\n".join(part for part in parts if part) + "\n"


def to_json(evaluation: Evaluation) -> dict[str, object]:
    """The means, the scores of every clip, token use and versions, ready for ``json.dump``."""
    return {
        "metrics": {metric.name: metric.version() for metric in evaluation.metrics},
        "missing": list(evaluation.missing),
        "codecs": [_row_to_json(row, evaluation.metrics) for row in evaluation.rows],
    }


def _row_to_json(row: Row, metrics: Sequence[Metric]) -> dict[str, object]:
    means = {metric.name: row.score(metric) for metric in metrics}
    return {
        "name": row.name,
        "title": row.title,
        "loss": row.loss,
        **({} if row.snr_db is None else {"snr_db": row.snr_db}),
        "kbps": row.kbps,
        "coded_kbps": row.coded_kbps,
        "latency_ms": row.latency_ms,
        "real_time_factor": row.real_time_factor,
        "residual_delay_ms": row.delay_ms,
        "mean": {
            name: {"value": mean.value, "half_width": mean.half_width, "clips": mean.clips}
            for name, mean in means.items()
            if mean is not None
        },
        "tokens": [
            {"entropy_bits": use.entropy_bits, "size_bits": use.size_bits} for use in row.tokens()
        ],
        "clips": {
            clip.name: {
                metric.name: score.value
                for metric in metrics
                if (score := entry.scores.get(metric.key())) is not None
            }
            for clip, entry in zip(row.clips, row.entries, strict=True)
        },
    }


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _main_table(rows: Sequence[Row], metrics: Sequence[Metric]) -> str:
    head = ["codec", "kbps", "coded", "latency ms", "RTF", *(m.title for m in metrics)]
    body = []
    for row in rows:
        coded = row.kbps > 0
        entropy_coded = f"{row.coded_kbps:.2f}" if row.coded_kbps else ""
        speed = f"{row.real_time_factor:.2g}"
        facts = [f"{row.kbps:.2f}", entropy_coded, f"{row.latency_ms:.1f}", speed]
        scores = []
        for metric in metrics:
            mean = row.score(metric)
            digits = metric.decimals
            scores.append(
                "" if mean is None else f"{mean.value:.{digits}f} ± {mean.half_width:.{digits}f}"
            )
        body.append([row.title, *(facts if coded else [""] * len(facts)), *scores])
    return _table(head, body)


def _target_table(evaluation: Evaluation) -> str:
    """What is reached of what is wanted, and how much is missing; empty without targets."""
    shown = _targeted(evaluation.metrics)
    body = [
        [row.title, *(_distance(row, metric, TARGETS[row.name]) for metric in shown)]
        for row in evaluation.rows
        if row.plain and row.name in TARGETS
    ]
    return _table(["codec", *(metric.title for metric in shown)], body) if body and shown else ""


def _version_table(evaluation: Evaluation) -> str:
    """The same of what bitstream version 1 was to reach, with losses; empty without such rates."""
    named = {name for scores in VERSION_1.values() for name in scores}
    shown = [metric for metric in evaluation.metrics if metric.name in named]
    plain = {row.name: row for row in evaluation.rows if row.plain and row.name in VERSION_1}
    body = [
        [row.title, *(_distance(row, metric, VERSION_1[row.name]) for metric in shown)]
        for row in plain.values()
    ]
    for row in evaluation.rows:
        if row.loss == LOSS and row.name in WITH_LOSS and row.name in plain:
            cells = [
                _distance(row, metric, WITH_LOSS[row.name]) or _fall(plain[row.name], row, metric)
                for metric in shown
            ]
            body.append([f"{row.title}, {LOSS:.0%} of packets lost", *cells])
    return _table(["codec", *(metric.title for metric in shown)], body) if body and shown else ""


def _fall(plain: Row, lossy: Row, metric: Metric) -> str:
    """By how much a score falls with losses, of what it may."""
    allowed = LOSS_FALL[lossy.name].get(metric.name)
    before, after = plain.score(metric), lossy.score(metric)
    if allowed is None or before is None or after is None:
        return ""
    fall = round(before.value - after.value, metric.decimals)
    rest = "met" if fall <= allowed else f"{fall - allowed:.{metric.decimals}f} too much"
    return f"falls by {fall:.{metric.decimals}f} of {allowed:.{metric.decimals}f}: {rest}"


def _coded_target_table(evaluation: Evaluation) -> str:
    """The same with, for each target, the best of our rates that entropy coding brings below the
    target's; empty when that changes nothing."""
    shown = _targeted(evaluation.metrics)
    ours = [row for row in evaluation.rows if row.plain and _OUR_RATE.fullmatch(row.name)]
    held = []
    for wanted in (row for row in ours if row.name in TARGETS):
        fitting = [row for row in ours if 0 < row.coded_kbps <= wanted.kbps]
        held.append((wanted, max(fitting, key=lambda row: row.kbps, default=wanted)))
    if not shown or all(best is wanted for wanted, best in held):
        return ""
    body = [
        [
            f"{wanted.kbps:.2f}",
            best.title,
            f"{best.coded_kbps:.2f}",
            *(_distance(best, metric, TARGETS[wanted.name]) for metric in shown),
        ]
        for wanted, best in held
    ]
    return _table(["target's kbps", "codec", "coded", *(metric.title for metric in shown)], body)


def _targeted(metrics: Sequence[Metric]) -> list[Metric]:
    names = {name for scores in TARGETS.values() for name in scores}
    return [metric for metric in metrics if metric.name in names]


def _distance(row: Row, metric: Metric, targets: Mapping[str, float]) -> str:
    """What ``row`` reaches of the target among ``targets``, by the metric's name."""
    target, mean = targets.get(metric.name), row.score(metric)
    if target is None or mean is None:
        return ""
    digits = metric.decimals
    short = round(target, digits) - round(mean.value, digits)
    if not metric.higher_is_better:
        short = -short
    what = "short" if metric.higher_is_better else "too much"
    rest = f"{short:.{digits}f} {what}" if round(short, digits) > 0 else "met"
    return f"{mean.value:.{digits}f} of {target:.{digits}f}: {rest}"


def _source_table(evaluation: Evaluation, metric: Metric) -> str:
    sources = evaluation.sources()
    body = []
    for row in evaluation.rows:
        if not row.plain:
            continue
        means = [row.score(metric, source) for source in sources]
        cells = ["" if mean is None else f"{mean.value:.{metric.decimals}f}" for mean in means]
        body.append([row.title, *cells])
    return _table(["codec", *sources], body)


def _token_table(rows: Sequence[Row]) -> str:
    widest = max(rows, key=lambda row: len(row.tokens()))
    head = ["codec", *(str(pair) for pair in range(1, len(widest.tokens()) + 1))]
    body = []
    for row in rows:
        uses = row.tokens()
        cells = [f"{use.share:.0%}" for use in uses] + [""] * (len(head) - 1 - len(uses))
        sent = sum(use.size_bits for use in uses)
        entropy = sum(use.entropy_bits for use in uses)
        body.append([row.title, *cells, f"{sent:.1f}", f"{entropy:.1f}"])
    return _table([*head, "bits sent per frame", "entropy"], body)


def _published_table(metrics: Sequence[Metric]) -> str:
    shown = [metric for metric in metrics if metric.name in PUBLISHED[0].scores]
    if not shown:
        return ""
    body = [
        [
            result.title,
            f"{result.kbps:g}",
            f"{result.latency_ms:g}",
            result.clips,
            *(f"{result.scores[metric.name]:.{metric.decimals}f}" for metric in shown),
        ]
        for result in PUBLISHED
    ]
    return _table(["codec", "kbps", "latency ms", "on", *(metric.title for metric in shown)], body)


def _introduction(evaluation: Evaluation) -> str:
    if not evaluation.rows:
        return "No codec could be run."
    clips = evaluation.rows[0].clips
    minutes = sum(len(clip.pcm) for clip in clips) / 24_000 / 60
    return (
        f"Made by `python -m research.eval` on {len(clips)} clips ({minutes:.1f} minutes) from "
        f"{len(evaluation.sources())} sources: {', '.join(evaluation.sources())}. "
        "Means over clips with 95 % confidence intervals. *kbps* is what was sent at the fixed "
        "rate, *coded* what entropy coding leaves of it in a file, without overhead, *RTF* the "
        "processor time of encoding and decoding over the length of the sound."
    )


def _method(evaluation: Evaluation) -> str:
    lines = [f"- {metric.title}: {metric.version()}." for metric in evaluation.metrics]
    lines += [f"- {_NOTES[metric.name]}" for metric in evaluation.metrics if metric.name in _NOTES]
    lines += [
        f"- Misaligned: {row.title} trails its original by {row.delay_ms} ms."
        for row in evaluation.rows
        if row.snr_db is None and abs(row.delay_ms) > 2
    ]
    lines += [f"- Not measured. {sentence}" for sentence in evaluation.missing]
    return "\n".join([*lines, f"- {_PEERS_NOTE}"])


_NOTES = {
    "pesq": "PESQ-WB and ViSQOL compare at 16 kHz, STOI at 10 kHz: none of them hears 8 to 12 kHz.",
    "visqol": "ViSQOL in speech mode gives an unchanged original less than 5.",
    "distillmos": "DistillMOS, PLCMOS and DNSMOS hear only the coded speech: compare with the "
    "Original's row, and read them beside WER and speaker similarity.",
    "speaker": "speaker: cosine of Resemblyzer's embeddings of the original and the coded clip.",
    "wer": "WER: Whisper tiny.en, English clips only, all errors over all words; what was said is "
    "a text beside the clip if there is one, else what the same model hears in the original, so "
    "that the figure is what coding adds.",
    "nll": "NLL: nats per token by which the same model, told the words before, does not "
    "expect what was said; less turns on luck than in WER.",
}
_PEERS_NOTE = (
    "Opus runs as in a voice call (application VoIP, 20 ms, variable rate, complexity 10, no "
    "forward error correction); pauses make its rate lower than its target. Codec2 passes "
    "through 8 kHz and has no concealment."
)
_TARGET_NOTE = (
    "The targets are the project's own. PESQ, STOI and the NSIM of ViSQOL were among the losses of "
    "the shipped weights, so they flatter; DistillMOS and speaker similarity judge independently. "
    "Word errors are counted by a recogniser whose features were a loss, too. What would close the "
    "gaps: `research/log/next.md`."
)
_VERSION_NOTE = (
    "PESQ and STOI of the two lowest rates and NLL were not to become worse than those of "
    "q2d2-24k-434260b5. Its indices and, but for a gain, its samples are the same at the three "
    "lower rates, and its table was made on another machine: what is .01 or .02 short there is not "
    "the weights."
)
_CODED_NOTE = (
    "Files and messages of many frames are entropy-coded without loss. This is the highest of our "
    "rates that takes no more than the target's kbps there."
)
_LOSS_NOTE = (
    "Packets of 40 ms are lost in bursts of 60 ms on average (Gilbert-Elliott, the same for "
    "every codec). Opus conceals by itself; Codec2 falls silent."
)
_NOISE_NOTE = (
    "Each clip is mixed with an excerpt of recorded noise, the same for every codec, and scored "
    "against the clean clip. The ratio is that of the speech without its pauses to the excerpt."
)
_TOKEN_NOTE = (
    "Entropy of each pair's indices as a share of log2 of its codebook size. The rest to 100 % is "
    "paid for without being used; below 60 % something is wrong."
)
_PUBLISHED_NOTE = (
    "These codecs were not run here. The figures are means over other clips, with the same "
    "metrics: good for an order of magnitude only."
)
