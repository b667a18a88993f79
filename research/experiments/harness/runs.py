"""Runs of the small codec: trained where no record is there yet, and compared at equal bits."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from q2d2_stream.errors import InputError
from research.experiments.harness.arms import ARMS, BASELINE
from research.experiments.harness.codec import SmallCodec
from research.experiments.harness.features import corpus_features, folder_features
from research.experiments.harness.quantizers import PassingQuantizer
from research.experiments.harness.results import FOLDER, PICTURES, Results
from research.experiments.harness.training import Settings, curve, train, train_trunk, usage
from research.train.corpus import open_corpus

__all__ = ["TARGET_BITS", "Runs", "add_arguments", "difference", "nearest_point", "start"]

Frames = NDArray[np.float16]
Record = dict[str, Any]

TARGET_BITS = (20.0, 39.2, 77.0)
"""Bits per frame of 1.5, 2.9 and 5.8 kbps."""
_MINUTES = 20.0  # of every source, so that none is most of the corpus
_USAGE_FRAMES = 30_000


@dataclass(frozen=True)
class Runs:
    """Speech, settings, and where results and weights are kept.

    Without ``data`` only what is recorded can be read.
    """

    results: Results
    data: Path | None = None
    held_out: Path | None = None
    cache: Path | None = None
    seeds: int = 3
    settings: Settings = field(default_factory=Settings)

    def records(self, arms: Sequence[str], **changes: Any) -> list[Record]:
        """The records of these arms: of so many seeds, trained where they are missing, or, without
        speech to train on, of all that are recorded."""
        if self.data is not None:
            wanted = [(arm, seed) for seed in range(self.seeds) for arm in arms]
            return [self._record(arm, seed, changes)[0] for arm, seed in wanted]
        known = self.results.read(settings=asdict(replace(self.settings, **changes)))
        return [r for r in known if r["arm"] in arms]

    def codec(self, arm: str, seed: int, **changes: Any) -> SmallCodec:
        """A trained network; trained again where it is recorded, and its weights are not kept."""
        record, key = self._record(arm, seed, changes)
        path, settings = self._weights(key), Settings(**record["settings"])
        if not path.exists():
            self._train(key)
        codec = SmallCodec(ARMS[arm](), settings.dim, settings.blocks, seed)
        codec.load_state_dict(torch.load(path, weights_only=True))
        return codec.eval()

    def speech(self) -> Frames:
        """Training speech."""
        if self.data is None or self.cache is None:
            raise InputError("this run needs speech to train on; give --data and --cache")
        return corpus_features(open_corpus(self.data, self.cache), self.cache, _MINUTES)

    def test_speech(self) -> Frames:
        """Held-out speech."""
        if self.held_out is None or self.cache is None:
            raise InputError("this run needs held-out clips; give --eval and --cache")
        return folder_features(self.held_out, self.cache)

    def _weights(self, key: Record) -> Path:
        name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        return (self.cache or Path()) / "small_codecs" / f"{name}.pt"

    def trunk(self, seed: int) -> SmallCodec:
        """Where all codecs of a seed begin."""
        shared = self.settings
        size = asdict(replace(shared, steps=0))
        del size["new_layers"]  # does not concern it
        path = self._weights({"trunk": size, "seed": seed})
        if not path.exists():
            logging.info("training the trunk of seed %d", seed)
            _save(train_trunk(self.speech(), shared, seed), path)
        codec = SmallCodec(PassingQuantizer(24), shared.dim, shared.blocks, seed)
        codec.load_state_dict(torch.load(path, weights_only=True))
        return codec.eval()

    def _record(self, arm: str, seed: int, changes: Record) -> tuple[Record, Record]:
        settings = replace(self.settings, **changes)
        key = {"arm": arm, "seed": seed, "settings": asdict(settings)}

        def work() -> Record:
            codec, told = self._train(key)
            return {
                **told,
                "curve": curve(codec, self.test_speech()),
                "usage": usage(codec, _spread(self.speech())),
            }

        return self.results.measure(key, work), key

    def _train(self, key: Record) -> tuple[SmallCodec, Record]:
        arm, seed = key["arm"], key["seed"]
        speech, trunk = self.speech(), self.trunk(seed)
        logging.info("training %s, seed %d", arm, seed)
        codec, told = train(ARMS[arm](), trunk, speech, Settings(**key["settings"]), seed)
        _save(codec, self._weights(key))
        return codec, told


def _save(codec: SmallCodec, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(codec.state_dict(), path)


def _spread(speech: Frames) -> Frames:
    """Pieces of eight seconds from all over the speech."""
    pieces = speech[: len(speech) // 600 * 600].reshape(-1, 600, speech.shape[1])
    step = max(1, len(speech) // _USAGE_FRAMES)
    return np.ascontiguousarray(pieces[::step]).reshape(-1, speech.shape[1])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that all of these experiments have."""
    parser.add_argument("--data", type=Path, help="folder of training speech")
    parser.add_argument("--eval", type=Path, help="folder of held-out clips")
    parser.add_argument("--cache", type=Path, help="decoded speech, features and weights")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--steps", type=int, default=Settings.steps, help="of every network", metavar="N"
    )
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the records")
    parser.add_argument("--pictures", type=Path, default=PICTURES, help="folder of the pictures")


def start(args: argparse.Namespace) -> Runs:
    """From the options; one thread, so that several runs can share a machine."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    settings = Settings(steps=args.steps)
    results = Results.of("small_codecs", args.results)
    return Runs(results, args.data, args.eval, args.cache, args.seeds, settings)


def nearest_point(record: Record, bits: float) -> dict[str, float]:
    """The point of a record's curve whose bits are nearest."""
    found: dict[str, float] = min(record["curve"], key=lambda point: abs(point["bits"] - bits))
    return found


def difference(
    records: Sequence[Record], arm: str, bits: float, name: str = "loss", base: str = BASELINE
) -> list[float]:
    """For every seed: an arm's error near ``bits``, less that of the baseline at the same bits,
    interpolated between its points."""
    found = []
    reference = {r["seed"]: r["curve"] for r in records if r["arm"] == base}
    for record in records:
        if record["arm"] == arm and record["seed"] in reference:
            point, curve_ = nearest_point(record, bits), reference[record["seed"]]
            at = [each["bits"] for each in curve_]
            there = np.interp(point["bits"], at, [each[name] for each in curve_])
            found.append(point[name] - float(there))
    return found
