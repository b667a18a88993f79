"""Joint stage 2 on the parts that were unpacked so far, looking for more all the time."""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray

from q2d2_stream.model import ModelConfig
from research.train import trainer, whisper
from research.train.batches import Batch
from research.train.corpus import Corpus, Source
from research.train.feed import Feed
from research.train.options import TrainOptions

_LOOK_EVERY = 30  # batches of a process


def unpacked(folder: Path) -> Corpus:
    """What is there by now."""
    sources, weights = [], []
    for path in sorted(folder.glob("*/facts.json")):
        facts = json.loads(path.read_text())
        pcm, f0 = (np.load(path.parent / f"{name}.npy", mmap_mode="r") for name in ("pcm", "f0"))
        sources.append(Source(facts["key"], pcm, f0, facts["bandwidth_hz"]))
        weights.append(facts["weight"])
    return Corpus(tuple(sources), np.array(weights) / sum(weights))


def _noise(path: Path) -> Corpus:
    pcm = soundfile.read(path, dtype="float32")[0]
    silent = np.zeros(len(pcm) // 320 + 1, np.float32)  # no pitch
    source = Source("noise", (np.clip(pcm, -1.0, 1.0) * 32767.0).astype(np.int16), silent, 12e3)
    return Corpus((source,), np.ones(1))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=Path, required=True, help="pack.py's folder of that name")
    parser.add_argument("--corpus", type=Path, required=True, help="what unpack.py writes into")
    parser.add_argument("--minutes", type=Path, required=True, help="file with the budget")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1.6e-3)
    parser.add_argument("--workers", type=int, default=14)
    parser.add_argument("--eager", action="store_true", help="no CUDA graphs")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)

    def recogniser(path: Path, prefix: str = "") -> dict[str, NDArray[np.float32]]:
        with np.load(args.first / "whisper.npz") as content:
            return {k.replace("|", "/"): content[k].astype(np.float32) for k in content.files}

    class Growing(Feed):
        def __iter__(self) -> Iterator[Batch]:
            for number, batch in enumerate(super().__iter__()):
                if number % _LOOK_EVERY == 0:
                    self.speech = unpacked(args.corpus)
                yield batch

    class Options(TrainOptions):
        @property
        def minutes(self) -> float:
            return float(args.minutes.read_text())

        @minutes.setter
        def minutes(self, value: float) -> None:
            pass

    whisper.read_ctranslate2 = recogniser
    whisper.whisper_file = lambda: args.first / "whisper.npz"
    patched = cast(Any, trainer)
    patched.Feed = Growing
    patched.try_curves = lambda table: None  # a second of drawing is thirty steps
    while not any(args.corpus.glob("*/facts.json")):
        time.sleep(0.2)
    gpu = torch.cuda.is_available()
    options = Options(
        out=args.out, stage=2, minutes=0.0, init=args.first / "start.pt", train_encoder=True,
        whisper=True, bf16=gpu, cuda_graphs=gpu and not args.eager, workers=args.workers,
        batch=args.batch, learning_rate=args.lr, checkpoint_minutes=0.75,
    )  # fmt: skip
    corpus = unpacked(args.corpus)
    trainer.train(options, ModelConfig(), corpus, _noise(args.first / "noise.opus"))
    print("finished", flush=True)


if __name__ == "__main__":
    main()
