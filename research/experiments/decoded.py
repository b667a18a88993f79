"""Other lattices and learned codebooks in the shipped codec, decoded and scored.

    python -m research.experiments.decoded --data SPEECH --eval CLIPS --cache FOLDER

The shipped codec keeps its encoder's blocks; its quantizer is replaced, and the layer before it,
the decoder and what a codebook learns are trained on for the same few hundred steps on the same
speech (:mod:`research.experiments.harness.fine_tuning`). Then test clips are decoded at about 1.5
and 2.9 kbps and scored: PESQ, STOI, error of mel spectra; at 2.9 kbps also, where their packages
are installed, DistillMOS and the likeness of the voice. Records and weights that are there are not
made again.

Fours and eights do not divide the shipped six pairs, so E8 stands beside D4, and can be sent at
2.0 kbps instead of 1.5; pairs trained at those rates stand beside it. Eight dimensions of 85 codes
are 48 latents: there, and for pairs to compare them with, the layers at the latents begin anew.

Limits: the decoder was trained with rhombic pairs for days, and is given minutes for others. All
scores but the last two are losses, or near to them.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from q2d2_stream.cli.failures import run_command
from q2d2_stream.engine import load_codec
from q2d2_stream.engine.codec import MODELS
from q2d2_stream.errors import InputError, MissingExtra
from q2d2_stream.model.net import CodecNet
from q2d2_stream.model.shipped import shipped_net
from research.eval.clips import load_clips
from research.eval.neural_metrics import DistillMos, SpeakerSimilarity
from research.eval.signal_metrics import pesq_wb, stoi
from research.experiments.box_lattices import BoxLattice
from research.experiments.harness.codebooks import CodebookOptions, Codebooks
from research.experiments.harness.fine_tuning import (
    Arm,
    FineTuned,
    Material,
    Settings,
    fine_tune,
    prepare,
)
from research.experiments.harness.mel_distance import mel_distance_db
from research.experiments.harness.quantizers import BoxQuantizer, GroupQuantizer, JoinedQuantizer
from research.experiments.harness.results import FOLDER, Results, newest, spread
from research.experiments.harness.training import CodesUsed
from research.train.corpus import open_corpus
from research.train.validate import roundtrip

__all__ = ["ARMS", "Decoded", "main", "table"]

logger = logging.getLogger(__name__)

Pcm = NDArray[np.float32]
Record = dict[str, Any]
Score = Callable[[Pcm, Pcm], float]

_SHIPPED = "shipped"
_BASELINE, _NEW_BASELINE = "rhombic", "rhombic, new layers"
_MIDDLE_BASELINE = "rhombic at 2.0"
_BASELINES = (_BASELINE, _NEW_BASELINE, _MIDDLE_BASELINE)
_LOW, _MIDDLE, _HIGH = 0, 1, 2  # indices of the shipped rates of 3, 4 and 6 pairs
_CLIPS = 11  # spread over the sources
_DIGITS = {"pesq": 3, "stoi": 4, "mel_db": 3, "distillmos": 3, "speaker": 4}


def _boxes(kind: str, *steps: int) -> BoxQuantizer:
    return BoxQuantizer([BoxLattice(kind, each) for each in steps])


def _books(size: int, bounded: bool, **options: bool) -> GroupQuantizer:
    """As many codes as the shipped pairs have: 145, then five times 85."""
    sizes = ((145, 1), (85, 5))
    parts = [Codebooks(CodebookOptions(size, codes, n, **options)) for codes, n in sizes]
    return JoinedQuantizer(parts, bounded)


ARMS: dict[str, Arm] = {
    _BASELINE: Arm(lambda: _boxes("rhombic", 9, *[7] * 5), {_LOW: 3, _HIGH: 6}),
    # scalars of 12 and 9 levels
    "FSQ": Arm(lambda: _boxes("rectangular", 12, *[9] * 5), {_LOW: 3, _HIGH: 6}),
    "BCC": Arm(lambda: _boxes("bcc", 9, 8, 8, 8), {_LOW: 2, _HIGH: 4}),
    _MIDDLE_BASELINE: Arm(lambda: _boxes("rhombic", 9, *[7] * 5), {_MIDDLE: 4, _HIGH: 6}),
    "E8 + D4": Arm(
        lambda: JoinedQuantizer([_boxes("e8", 7), _boxes("d4", 7)]), {_MIDDLE: 1, _HIGH: 2}
    ),
    "VQ 2-D": Arm(lambda: _books(2, bounded=True), {_LOW: 3, _HIGH: 6}),
    _NEW_BASELINE: Arm(
        lambda: _boxes("rhombic", 9, *[7] * 5), {_LOW: 3, _HIGH: 6}, new_layers=True
    ),
    "VQ 2-D, new layers": Arm(
        lambda: _books(2, bounded=False), {_LOW: 3, _HIGH: 6}, new_layers=True
    ),
    "VQ 8-D, new layers": Arm(
        lambda: _books(8, bounded=False), {_LOW: 3, _HIGH: 6}, new_layers=True
    ),
}


@dataclass(frozen=True)
class Decoded:
    """Runs of the shipped codec with other quantizers, and where results and weights are kept."""

    results: Results
    data: Path
    cache: Path
    settings: Settings

    @cached_property
    def net(self) -> CodecNet:
        """The shipped network."""
        return shipped_net(MODELS).eval().requires_grad_(False)

    @cached_property
    def model_id(self) -> str:
        """Of the shipped models."""
        return load_codec().model_id

    @cached_property
    def material(self) -> Material:
        """What is trained on."""
        corpus = open_corpus(self.data, self.cache)
        return prepare(self.net, corpus, self.cache, self.settings.minutes, self.model_id)

    def _settings(self, arm: str) -> Settings:
        """New layers take twice the steps, and larger ones."""
        usual = self.settings
        if not ARMS[arm].new_layers:
            return usual
        return replace(usual, steps=2 * usual.steps, lr=2 * usual.lr)

    def codec(self, arm: str, seed: int) -> tuple[FineTuned, Record]:
        """Trained with one quantizer, or what is kept of it; and what is told of the training."""
        settings = self._settings(arm)
        key = f"{self.model_id} {self.data} {arm} {seed} {asdict(settings)}"
        name = hashlib.sha256(key.encode()).hexdigest()[:16]
        path = self.cache / "fine_tuned" / f"{name}.pt"
        if path.exists():
            kept = torch.load(path, weights_only=True)
            codec = FineTuned(self.net, ARMS[arm], seed)
            codec.load_state_dict(kept["weights"])
            return codec.eval(), kept["told"]
        logger.info("training %s, seed %d", arm, seed)
        codec, told = fine_tune(self.net, ARMS[arm], self.material, settings, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"weights": codec.state_dict(), "told": told}, path)
        return codec, told

    def measure(self, arm: str, seed: int, clips: Sequence[Pcm]) -> Record:
        """The record of one run; trained and scored where there is none."""
        key = {"arm": arm, "seed": seed, "model_id": self.model_id}
        key |= {"settings": asdict(self._settings(arm))}
        return self.results.measure(key, partial(self._work, arm, seed, clips))

    def _work(self, arm: str, seed: int, clips: Sequence[Pcm]) -> Record:
        codec, told = self.codec(arm, seed)
        used = CodesUsed(codec.quantizer.sizes)
        found: Record = {}
        for rate, groups in codec.sent.items():
            pairs = [codec.roundtrip(self.net, pcm, rate) for pcm in clips]
            found[str(rate)] = scores(clips, [said for said, _ in pairs], rate == _HIGH)
            found[str(rate)]["bits"] = codec.quantizer.bits[groups - 1]
        for _, indices in pairs:
            used.add(torch.from_numpy(indices))
        usage = {"used": used.share(), "entropy": used.entropy(), "sizes": codec.quantizer.sizes}
        trained = sum(p.numel() for p in codec.parameters())
        return {**told, "clips": len(clips), "parameters": trained, "rates": found, "usage": usage}

    def measure_shipped(self, clips: Sequence[Pcm]) -> Record:
        """The shipped codec as it is, with its noise shaping."""

        def work() -> Record:
            found = {}
            for rate in (_LOW, _MIDDLE, _HIGH):
                said = [roundtrip(self.net, pcm, rate) for pcm in clips]
                found[str(rate)] = scores(clips, said, rate == _HIGH)
                found[str(rate)]["bits"] = self.net.config.codec.ladder[rate].bits_per_frame
            return {"clips": len(clips), "rates": found}

        key = {"arm": _SHIPPED, "seed": 0, "model_id": self.model_id}
        return self.results.measure(key, work)


@cache
def _judges(all_of_them: bool) -> dict[str, Score]:
    """Scores by name: the fast ones, or all whose packages are installed."""
    found: dict[str, Score] = {"pesq": pesq_wb, "stoi": stoi}
    found["mel_db"] = lambda ref, deg: mel_distance_db(deg, ref)
    if not all_of_them:
        return found
    neural: dict[str, Callable[[], Score]]
    neural = {"distillmos": DistillMos, "speaker": SpeakerSimilarity}
    for name, kind in neural.items():
        try:
            found[name] = kind()
        except MissingExtra as error:
            logger.warning("%s", error)
    return found


def scores(clips: Sequence[Pcm], decoded: Sequence[Pcm], neural: bool) -> dict[str, float]:
    """Means over clips, by name; of small networks, too, with ``neural``."""
    judges = _judges(neural)
    return {
        name: float(np.mean([judge(ref, deg) for ref, deg in zip(clips, decoded, strict=True)]))
        for name, judge in judges.items()
    }


def table(records: Sequence[Record], rate: int) -> str:
    """Scores at a rate, those of arms less those of their baseline, seed by seed, as Markdown."""
    names = [n for n in _DIGITS if all(n in r["rates"].get(str(rate), {n: 0}) for r in records)]
    lines = [f"| quantizer | seeds | bits | {' | '.join(names)} |"]
    lines.append("|---|---|---|" + "---|" * len(names))
    by_arm: dict[str, dict[int, dict[str, float]]] = {}
    for record in records:
        if str(rate) in record["rates"]:
            by_arm.setdefault(record["arm"], {})[record["seed"]] = record["rates"][str(rate)]
    for arm in (name for name in (_SHIPPED, *ARMS) if name in by_arm):
        mine = by_arm[arm]
        base = by_arm.get(_baseline(arm)) or {}
        own = arm in (_SHIPPED, *_BASELINES) or not base.keys() & mine.keys()
        cells = []
        for name in names:
            least = dict.fromkeys(mine, 0.0) if own else {s: base[s][name] for s in base}
            values = [mine[s][name] - least[s] for s in mine if s in least]
            cells.append(spread(values, _DIGITS[name], sign=not own))
        bits = next(iter(mine.values()))["bits"]
        lines.append(f"| {arm} | {len(mine)} | {bits:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _baseline(arm: str) -> str:
    """The pairs that were trained as an arm was: at the same rates, with or without new layers."""
    if arm not in ARMS:
        return _BASELINE
    if ARMS[arm].new_layers:
        return _NEW_BASELINE
    return _MIDDLE_BASELINE if _MIDDLE in ARMS[arm].sent else _BASELINE


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        prog="research.experiments.decoded",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of training speech")
    parser.add_argument("--eval", type=Path, help="folder of held-out clips")
    parser.add_argument("--cache", type=Path, help="decoded speech, features and weights")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), metavar="ARM")
    parser.add_argument("--steps", type=int, default=Settings.steps, metavar="N")
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the records")
    return run_command("decoded", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    results = Results.of("decoded", args.results)
    if args.data is not None:
        if args.eval is None or args.cache is None:
            raise InputError("this run needs held-out clips; give --eval and --cache")
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        runs = Decoded(results, args.data, args.cache, Settings(steps=args.steps))
        clips = [clip.pcm for clip in load_clips(args.eval, limit=_CLIPS)]
        runs.measure_shipped(clips)
        for seed in range(args.seeds):
            for arm in args.arms:
                runs.measure(arm, seed, clips)
    records = newest(results.read())
    for rate, kbps in ((_LOW, "1.5"), (_MIDDLE, "2.0"), (_HIGH, "2.9")):
        print(f"{kbps} kbps", "", table(records, rate), "", sep="\n")
    print(usage_table(records))
    return 0


def usage_table(records: Sequence[Record]) -> str:
    """How the codes are used on the test clips, as Markdown."""
    lines = [
        "| quantizer | trained parameters | codes used | entropy of log2 |",
        "|---|---|---|---|",
    ]
    for arm in ARMS:
        mine = [r for r in records if r["arm"] == arm]
        if not mine:
            continue
        told = [r["usage"] for r in mine if None not in r["usage"]["entropy"]]
        used = [100 * each["used"] for each in told]
        shares = [100 * sum(u["entropy"]) / float(np.log2(u["sizes"]).sum()) for u in told]
        cells = [spread(each, 1) + " %" if each else "not counted" for each in (used, shares)]
        lines.append(f"| {arm} | {mine[0]['parameters']} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
