"""Cut a corpus into parts for small uploads; see README.md beside this."""

from __future__ import annotations

import argparse
import json
import math
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch

from q2d2_stream.model.shipped import cast_floats
from research.train.checkpoint import read_checkpoint, write_checkpoint
from research.train.corpus import Source, files_by_source, open_corpus
from research.train.whisper import read_ctranslate2, whisper_file

HOP = 320


@dataclass(frozen=True)
class Stretch:
    """Consecutive files of a source, cut to whole frames of it.

    Attributes:
        key: the source's name and the first file's number.
        files: names, in order.
        skip: samples before the first whole frame.
        frames: how many there are.
        weight: with which clips are drawn from it.
        bandwidth_hz: of the source.
    """

    key: str
    files: list[str]
    skip: int
    frames: int
    weight: float
    bandwidth_hz: float


def _runs(numbers: list[int]) -> Iterator[list[int]]:
    run: list[int] = []
    for number in numbers:
        if run and number != run[-1] + 1:
            yield run
            run = []
        run.append(number)
    if run:
        yield run


def _allot(
    sizes: dict[tuple[str, int], int], first: int, parts: int
) -> list[list[tuple[str, int]]]:
    """Which files (source, number) go into which part: the first has one file of many sources,
    ``first`` bytes in all, so that a run can begin with it; the others are as they come."""
    last = dict(sizes.keys())
    begin, total = [], 0
    for key in sorted(last.items(), key=lambda key: sizes[key]):
        if key[1] and total + sizes[key] < first:
            begin.append(key)
            total += sizes[key]
    rest = [key for key in sizes if key not in begin]
    whole, before = sum(sizes[key] for key in rest), 0
    allotted: list[list[tuple[str, int]]] = [begin, *([] for _ in range(parts - 1))]
    for key in rest:
        middle = before + sizes[key] / 2
        allotted[1 + min(parts - 2, int(middle / whole * (parts - 1)))].append(key)
        before += sizes[key]
    return allotted


def _pack_part(
    out: Path,
    chosen: list[tuple[str, int]],
    files: dict[str, list[Path]],
    sources: dict[str, tuple[Source, float]],
) -> None:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    stretches, tracks = [], {}
    for name in dict.fromkeys(name for name, _ in chosen):
        source, weight = sources[name]
        ends = np.cumsum([0, *(soundfile.info(path).frames for path in files[name])])
        for run in _runs(sorted(number for other, number in chosen if other == name)):
            start, end = int(ends[run[0]]), int(ends[run[-1] + 1])
            first = math.ceil(start / HOP)
            frames = min(end, len(source.pcm)) // HOP - first
            share = weight * frames * HOP / len(source.pcm)
            names = [files[name][number].name for number in run]
            key = f"{name}.{run[0]}"
            stretches.append(
                Stretch(key, names, first * HOP - start, frames, share, source.bandwidth_hz)
            )
            tracks[key] = np.asarray(source.f0[first : first + frames + 1]).astype(np.float16)
            for number in run:
                shutil.copy(files[name][number], out)
    np.savez_compressed(out / "f0.npz", allow_pickle=False, **tracks)
    (out / "stretches.json").write_text(json.dumps([asdict(each) for each in stretches]))
    size = sum(path.stat().st_size for path in out.iterdir())
    hours = sum(each.frames for each in stretches) * HOP / 24_000 / 3600
    print(f"{out}: {size / 1e6:.1f} MB, {hours:.2f} hours")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="speech at 24 kHz, one channel")
    parser.add_argument("--noise", type=Path, required=True, help="one file of noise, likewise")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="checkpoint to start from")
    parser.add_argument("--parts", type=int, default=5)
    parser.add_argument("--first-mb", type=float, default=27.0, help="speech in the first part")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    corpus = open_corpus(args.data, args.cache)
    weights = dict(zip((s.name for s in corpus.sources), corpus.weights.tolist(), strict=True))
    sources = {source.name: (source, weights[source.name]) for source in corpus.sources}
    files = files_by_source(args.data)
    sizes = {
        (name, number): path.stat().st_size
        for name, paths in files.items()
        for number, path in enumerate(paths)
    }
    for number, chosen in enumerate(_allot(sizes, int(args.first_mb * 1e6), args.parts)):
        _pack_part(args.out / f"part{number}", chosen, files, sources)
    first = args.out / "first"
    first.mkdir(parents=True, exist_ok=True)
    shutil.copy(args.noise, first / "noise.opus")
    recogniser = read_ctranslate2(whisper_file(), "encoder/")
    halves = {
        name.replace("/", "|"): value.astype(np.float16) for name, value in recogniser.items()
    }
    np.savez(first / "whisper.npz", allow_pickle=False, **halves)
    content = read_checkpoint(args.init)
    content["weights"] = content["average"] = cast_floats(content["average"], torch.float16)
    content["stage_head"] = cast_floats(content["stage_head"], torch.float16)
    write_checkpoint(first / "start.pt", content | {"optimizers": {}})


if __name__ == "__main__":
    main()
