"""Which phones and words can be read off the tokens?

    python -m research.experiments.probe --speech FILE... --test FILE... --cache FOLDER

A linear classifier and a small perceptron read phones (39 and silence, frame by frame) and words
(the 20 most frequent) from tokens of the shipped codec at its rates, and from log mel spectra.
Each sees seven frames for a phone, and means over the thirds of a word. Labels: what Whisper
tiny.en heard, aligned to phones by PocketSphinx (both in the extra [eval]). The files of the test
should have speakers that are not in the others; labels are kept for each file.

Limits: labels by machines, so no score can reach 100 %; English; the codec may have been trained
on this speech, where spectra were not.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from q2d2_stream.cli.failures import run_command
from q2d2_stream.config import SAMPLE_RATE
from q2d2_stream.engine import load_codec
from q2d2_stream.errors import InputError, MissingExtra
from research.eval.clips import resample
from research.eval.words import Recogniser
from research.experiments.harness.features import BANDS, HOP, pcm_to_features
from research.experiments.harness.results import Results, newest, spread
from research.experiments.harness.runs import add_arguments, start

__all__ = ["Segment", "accuracy", "align", "main", "spelled_out", "utterances", "with_context"]

logger = logging.getLogger(__name__)

Pcm = NDArray[np.float32]
_CONTEXT = 3
_WORDS = 20
_PAUSE_FRAMES = 20
# fmt: off
_NUMBERS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
    "nineteen",
)
# fmt: on
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


class Segment(NamedTuple):
    """A phone or a word: its name, and its frames from ``first`` to before ``last``."""

    name: str
    first: int
    last: int


def utterances(pcm: Pcm) -> list[tuple[int, int]]:
    """Where something is said: samples from and to, between pauses, half a second to 12 s long."""
    power = np.sqrt((pcm[: len(pcm) // HOP * HOP].reshape(-1, HOP) ** 2).mean(1))
    quiet = power < 0.05 * np.quantile(power, 0.95)
    found, first, silent = [], 0, 0
    for frame, pause in enumerate([*quiet, *[True] * _PAUSE_FRAMES]):
        silent = silent + 1 if pause else 0
        if silent == _PAUSE_FRAMES or frame - first > 900:
            if frame - first - silent > 38:
                found.append((first * HOP, min(len(pcm), (frame - silent // 2) * HOP)))
            first = frame
        elif silent > _PAUSE_FRAMES:
            first = frame - 5
    return found


def spelled_out(word: str) -> list[str]:
    """Numbers below a hundred in words, as a dictionary of pronunciations has them; all else as
    it is."""
    if not re.fullmatch(r"[0-9]{1,2}", word):
        return [word]
    number = int(word)
    if number < len(_NUMBERS):
        return [_NUMBERS[number]]
    tens, rest = divmod(number, 10)
    return [_TENS[tens - 2], *([_NUMBERS[rest]] if rest else [])]


def align(
    pcm: Pcm, text: str, decoder: Any, known: set[str]
) -> tuple[list[Segment], list[Segment]]:
    """Words and phones of an utterance, frames from its start; none where they do not fit."""
    words = [w for each in re.findall(r"[a-z0-9']+", text.lower()) for w in spelled_out(each)]
    if not words or not known.issuperset(words):
        return [], []
    wide = (resample(pcm, SAMPLE_RATE, 16_000) * 32767).clip(-32768, 32767).astype(np.int16)
    heard, phones = [], []
    try:
        decoder.set_align_text(" ".join(words))
        for second in (False, True):
            if second:
                decoder.set_alignment()
            decoder.start_utt()
            decoder.process_raw(wide.tobytes(), full_utt=True)
            decoder.end_utt()
        for word in decoder.get_alignment():  # an entry lives until the next one is asked for
            phones += [_segment(phone.name, phone) for phone in word]
            if not word.name.startswith("<"):
                heard.append(_segment(re.sub(r"\(\d+\)$", "", word.name), word))
    except (RuntimeError, TypeError):
        return [], []
    return heard, phones


def _segment(name: str, found: Any) -> Segment:
    first, last = (
        round(tick / 100 * SAMPLE_RATE / HOP)
        for tick in (found.start, found.start + found.duration)
    )
    return Segment(name, first, last)


def with_context(frames: Tensor, context: int = _CONTEXT) -> Tensor:
    """Each frame beside those around it, ``(n, dims)`` -> ``(n, dims * (2 * context + 1))``."""
    padded = functional.pad(frames, (0, 0, context, context))
    return torch.cat([padded[k : k + len(frames)] for k in range(2 * context + 1)], -1)


def accuracy(
    x: Tensor, y: Tensor, first_of_test: int, classes: int, hidden: int, seed: int
) -> float:
    """Share of the test that a classifier gets right; ``hidden`` 0 for a linear one."""
    torch.manual_seed(seed)
    mean, deviation = x[:first_of_test].mean(0), x[:first_of_test].std(0) + 1e-4
    x = (x - mean) / deviation
    model: nn.Module = nn.Linear(x.shape[1], classes)
    if hidden:
        model = nn.Sequential(
            nn.Linear(x.shape[1], hidden), nn.GELU(), nn.Dropout(0.2), nn.Linear(hidden, classes)
        )
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.05)
    steps, batch = 400, min(512, first_of_test)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
        rows = torch.randint(first_of_test, (batch,))
        loss = functional.cross_entropy(model(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.eval()
    with torch.no_grad():
        right = model(x[first_of_test:]).argmax(-1) == y[first_of_test:]
    return float(right.float().mean())


class _Material(NamedTuple):
    """Features by name, ``(frames, dims)`` each, labels, and where the test begins."""

    features: dict[str, Tensor]
    labels: _Labels
    first_of_test: int


class _Labels(NamedTuple):
    """The phone of every frame, "" where it is not known; words; and how many utterances there
    are, and how many of them could not be aligned."""

    phones: list[str]
    words: list[Segment]
    utterances: int
    unaligned: int


def _labels(pcm: Pcm, path: Path) -> _Labels:
    """What is said; kept in ``path``."""
    if path.exists():
        kept = np.load(path)
        named = zip(kept["words"], kept["spans"], strict=True)
        words = [Segment(str(w), int(a), int(b)) for w, (a, b) in named]
        return _Labels(list(kept["phones"]), words, *map(int, kept["counts"]))
    try:
        import pocketsphinx
    except ImportError as error:
        raise MissingExtra("pocketsphinx", "eval", "Phone labels") from error
    spelled = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))
    known = {line.split(" ", 1)[0] for line in spelled.read_text(encoding="utf-8").splitlines()}
    recogniser = Recogniser()

    def new_decoder() -> Any:
        return pocketsphinx.Decoder(lm=None, logfn=os.devnull)

    decoder = new_decoder()
    phones, words = [""] * (len(pcm) // HOP), []
    found, unaligned = utterances(pcm), 0
    for number, (first, last) in enumerate(found):
        part, at = pcm[first:last], first // HOP
        heard, said = align(part, recogniser.text(part), decoder, known)
        if not heard:
            unaligned += 1
            decoder = new_decoder()  # one that failed may be in the middle of an utterance
        words += [Segment(w.name, at + w.first, at + w.last) for w in heard]
        for phone in said:
            for frame in range(at + phone.first, min(at + phone.last, len(phones))):
                phones[frame] = phone.name
        if number % 20 == 0:
            logger.info("%d s labelled, %d words", last // SAMPLE_RATE, len(words))
    spans = np.array([(w.first, w.last) for w in words])
    counts = np.array([len(found), unaligned])
    names = np.array([w.name for w in words])
    np.savez(path, phones=np.array(phones), words=names, spans=spans, counts=counts)
    return _Labels(phones, words, len(found), unaligned)


def _read(path: Path) -> Pcm:
    """Whole frames, mono."""
    pcm, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = resample(np.ascontiguousarray(pcm.mean(1)), rate, SAMPLE_RATE)
    return np.ascontiguousarray(mono[: len(mono) // HOP * HOP])


def _joined(parts: Sequence[_Labels]) -> _Labels:
    """Labels of pieces, one after the other."""
    phones: list[str] = []
    words: list[Segment] = []
    for part in parts:
        words += [
            w._replace(first=len(phones) + w.first, last=len(phones) + w.last) for w in part.words
        ]
        phones += part.phones
    return _Labels(phones, words, sum(p.utterances for p in parts), sum(p.unaligned for p in parts))


def _material(args: argparse.Namespace) -> _Material:
    paths = [*args.speech, *args.test]
    parts = [_read(path) for path in paths]
    lengths = [len(part) // HOP for part in parts]
    labels = [
        _labels(part, args.cache / f"labels-{path.stem}.npz")
        for part, path in zip(parts, paths, strict=True)
    ]
    codec = load_codec()
    points, mel = [], []
    for part in parts:
        indices = codec.encoder(codec.config.ladder[-1]).push(part)
        points.append(codec.lattice.normalised(indices[:, : codec.config.pairs]))
        nothing = np.zeros(len(part) // HOP, np.float32)
        mel.append(pcm_to_features(part, nothing)[:, :BANDS].astype(np.float32))
    every = torch.from_numpy(np.concatenate(points))
    features = {f"{2 * n} numbers, {n} pairs": every[:, : 2 * n] for n in codec.config.rates}
    features["log mel, 96 bands"] = torch.from_numpy(np.concatenate(mel))
    return _Material(features, _joined(labels), sum(lengths[: len(args.speech)]))


def _study(material: _Material, name: str, seed: int) -> dict[str, float]:
    frames = material.features[name]
    labelled, first = material.labels, material.first_of_test
    known = [n for n, phone in enumerate(labelled.phones) if phone]
    names = sorted({labelled.phones[n] for n in known})
    y = torch.tensor([names.index(labelled.phones[n]) for n in known])
    x = with_context(frames)[known]
    spoken = Counter(w.name for w in labelled.words if w.last <= first)
    frequent = [w for w, _ in spoken.most_common(_WORDS)]
    words = [w for w in labelled.words if w.name in frequent and w.last - w.first >= 6]
    pooled = torch.stack([_thirds(frames[w.first : w.last]) for w in words])
    labels = torch.tensor([frequent.index(w.name) for w in words])
    cut, word_cut = sum(n < first for n in known), sum(w.last <= first for w in words)
    found = {
        "phones_most_frequent": float((y[cut:] == y[:cut].mode().values).float().mean()),
        "words_most_frequent": float(
            (labels[word_cut:] == labels[:word_cut].mode().values).float().mean()
        ),
        "frames": float(cut),
        "test_frames": float(len(x) - cut),
        "words": float(word_cut),
        "test_words": float(len(words) - word_cut),
        "utterances": float(labelled.utterances),
        "unaligned": float(labelled.unaligned),
    }
    for hidden, kind in ((0, "linear"), (128, "perceptron")):
        found[f"phones_{kind}"] = accuracy(x, y, cut, len(names), hidden, seed)
        found[f"words_{kind}"] = accuracy(pooled, labels, word_cut, _WORDS, hidden, seed)
    return found


def _thirds(frames: Tensor) -> Tensor:
    return torch.cat([part.mean(0) for part in torch.tensor_split(frames, 3)])


def table(records: Sequence[dict[str, Any]]) -> str:
    """Accuracies in percent, as Markdown."""
    lines = [
        "| read from | phones, linear | phones, perceptron | words, linear | words, perceptron |",
        "|---|---|---|---|---|",
    ]
    for name in dict.fromkeys(r["features"] for r in records):
        mine = [r for r in records if r["features"] == name]
        cells = [
            spread([100 * r[f"{what}_{kind}"] for r in mine], 1)
            for what in ("phones", "words")
            for kind in ("linear", "perceptron")
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    if records:
        least = [100 * records[0][f"{what}_most_frequent"] for what in ("phones", "words")]
        lines.append(f"| the most frequent | {least[0]:.1f} | | {least[1]:.1f} | |")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        prog="research.experiments.probe",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add_arguments(parser)
    parser.add_argument("--speech", type=Path, nargs="+", help="files of English to train on")
    parser.add_argument("--test", type=Path, nargs="+", help="files of other speakers")
    return run_command("probe", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    start(args)
    results = Results.of("probe", args.results)
    if args.speech is not None:
        if args.test is None:
            raise InputError("a classifier is to be tested on other speech; give --test")
        material, model = _material(args), load_codec().model_id
        for seed in range(args.seeds):
            for name in material.features:
                key = {"features": name, "seed": seed, "model_id": model}
                results.measure(key, partial(_study, material, name, seed))
    print(table(newest(results.read())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
