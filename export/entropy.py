"""``python -m export.entropy --data SPEECH``: the tables that entropy coding of indices needs.

Encodes speech with the exported encoder and fits a linear prediction and histograms to its
indices. Run it after every export: tables belong to one model's weights.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.cli.failures import run_command
from q2d2_stream.config import CodecConfig
from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.engine.codec import MODELS, TABLES_FILE
from q2d2_stream.entropy import Mode, RefinementTables, Tables
from q2d2_stream.entropy.coder import TOTAL
from q2d2_stream.entropy.coordinates import Coordinates
from q2d2_stream.entropy.tables import HISTORY, SHIFT
from q2d2_stream.errors import InputError
from q2d2_stream.refinement import STEPS, SYMBOLS, RefinementCode

__all__ = ["encoded_clips", "fit"]

Points = NDArray[np.int64]

_CLIP_FRAMES = 600  # 8 s
_GAIN_DB = (-9.0, 3.0)  # calls are not levelled as corpora are
_RIDGE = 1e-3  # of a coordinate that never changes
_NEIGHBOUR = 0.5  # what a neighbouring bin's count is worth
_PRIOR = 0.03  # count of what never came
_ROUNDS = 4  # until tables and symbols have found each other
_COARSER = 0.02  # share of the frames for which each of the larger steps is kept ready


def fit(
    clips: Sequence[NDArray[np.uint8]],
    config: CodecConfig,
    model_hash: bytes,
    refinement: tuple[RefinementCode, NDArray[np.float32]] | None = None,
) -> Tables:
    """Tables for the indices of ``clips``.

    Args:
        clips: runs of frames, uint8 ``(frames, pairs)``, all pairs; three frames or more.
        config: that they are of.
        model_hash: 8 bytes.
        refinement: of a model with refinement, how errors are sent and some, ``(frames, 40)``.

    Raises InputError where there is nothing to fit to.
    """
    coordinates = Coordinates(config)
    runs = [coordinates.of(clip) for clip in clips if len(clip) > HISTORY]
    if not runs:
        raise InputError(f"there are no clips of {HISTORY + 1} frames or more, expected speech")
    points = np.concatenate([run[HISTORY:] for run in runs])
    back = [np.concatenate([run[HISTORY - n : -n] for run in runs]) for n in range(1, HISTORY + 1)]
    last = np.stack(back, axis=1)
    # A message may begin anywhere, so every frame is an example of one with fewer before it.
    modes = [
        _fit_mode(last[:, :history], points, config, coordinates) for history in range(HISTORY + 1)
    ]
    if refinement is None:
        return Tables(model_hash, tuple(modes))
    tables, bits = _fit_refinement(*refinement)
    for mode in modes:
        mode.bits[-1] = mode.bits[-2] + round(100 * bits)
    return Tables(model_hash, tuple(modes), tables)


def _fit_refinement(
    code: RefinementCode, errors: NDArray[np.float32]
) -> tuple[RefinementTables, float]:
    """Tables of refinement, and bits of a frame on average at the smallest step."""
    sizes = []
    for step in range(len(STEPS)):
        symbols = code.symbols(errors, step)
        for _ in range(_ROUNDS):  # symbols are chosen by their bits, which are those of the symbols
            count = np.stack([np.bincount(column, minlength=SYMBOLS) for column in symbols.T])
            table = _frequencies(count.astype(np.float64), apart=True)
            symbols = code.symbols(errors, step, np.log2(TOTAL / table))
        sizes.append(table)
        if step == 0:
            count = np.stack([np.bincount(column, minlength=SYMBOLS) for column in symbols.T])
            bits = float((count * np.log2(TOTAL / sizes[0])).sum() / len(errors))
    spare = len(STEPS) - 1
    steps = np.full((1, len(STEPS)), round(TOTAL * _COARSER), np.uint16)
    steps[0, 0] = TOTAL - spare * steps[0, 1]
    bits += float(np.log2(TOTAL / steps[0, 0]))
    return RefinementTables(steps, np.concatenate(sizes)), bits


def _fit_mode(last: Points, points: Points, config: CodecConfig, coordinates: Coordinates) -> Mode:
    frames, history, dims = last.shape
    earlier = history * dims
    given = np.concatenate(
        [last.reshape(frames, earlier), points, np.ones((frames, 1))], axis=1, dtype=np.float64
    )
    moments = given.T @ given
    before, within = np.zeros((dims, history, dims)), np.zeros((dims, dims))
    bias = np.zeros(dims)
    for k in range(dims):
        # Only what a sender of the lowest rate that has this coordinate sends, too.
        known = 2 * min(pairs for pairs in config.rates if 2 * pairs > k)
        back = (dims * np.arange(history)[:, None] + np.arange(known)).ravel()
        use = np.concatenate([back, earlier + np.arange(k), [earlier + dims]])
        square = moments[np.ix_(use, use)] + _RIDGE * np.eye(len(use))
        weights = np.linalg.solve(square, moments[use, earlier + k])
        before[k, :, :known] = weights[: len(back)].reshape(history, known)
        within[k, :k] = weights[len(back) : -1]
        bias[k] = weights[-1]
    scale = 2.0 * (1 << SHIFT)
    mode = Mode(
        _rounded(scale * before, np.int16),
        _rounded(scale * within, np.int16),
        _rounded(scale * bias + (1 << SHIFT - 1), np.int32),
        (),
        np.zeros(len(config.ladder), np.uint16),
    )
    highest = np.array(coordinates.highest)
    bins = mode.bins(last, points).clip(0, 2 * highest)
    sizes: list[NDArray[np.uint16]] = []
    bits = np.zeros(dims)  # of all frames, for every coordinate
    for pair, (xs, *ys) in enumerate(coordinates.symbols):
        k = 2 * pair
        x, y = points[:, k], points[:, k + 1]
        alphabets = [(k, xs, x, np.ones(len(x), bool))]
        for coset, steps in enumerate(ys):
            of_coset = x % coordinates.cosets == coset
            alphabets.append((k + 1, steps, y // coordinates.cosets, of_coset))
        for axis, symbols, symbol, where in alphabets:
            count = np.zeros((2 * highest[axis] + 1, symbols))
            np.add.at(count, (bins[where, axis], symbol[where]), 1.0)
            table = _frequencies(count)
            bits[axis] += (count * np.log2(TOTAL / table)).sum()
            sizes.append(table)
    for rate, pairs in enumerate(config.rates):
        mode.bits[rate] = round(100 * bits[: 2 * pairs].sum() / len(points))
    return Mode(mode.before, mode.within, mode.bias, tuple(sizes), mode.bits)


def _rounded(
    values: NDArray[np.float64], kind: type[np.signedinteger]
) -> NDArray[np.signedinteger]:
    limits = np.iinfo(kind)
    return np.rint(values).clip(limits.min, limits.max).astype(kind)


def _frequencies(count: NDArray[np.float64], apart: bool = False) -> NDArray[np.uint16]:
    """Counts ``(bins, symbols)`` to slots: rows of TOTAL, none 0. Bins learn from their neighbours
    unless they have nothing to do with each other."""
    smooth = count + _PRIOR
    if not apart:
        smooth[1:] += _NEIGHBOUR * count[:-1]
        smooth[:-1] += _NEIGHBOUR * count[1:]
    spare = TOTAL - count.shape[1]
    slots = 1 + np.floor(spare * smooth / smooth.sum(axis=1, keepdims=True)).astype(np.int64)
    slots[np.arange(len(slots)), smooth.argmax(axis=1)] += TOTAL - slots.sum(axis=1)
    table: NDArray[np.uint16] = slots.astype(np.uint16)
    return table


def encoded_clips(
    codec: Codec, data: Path, cache: Path, frames: int, seed: int = 0
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Clips drawn as the trainer draws them, ``frames`` in all: indices ``(600, pairs)``, and with
    refinement the errors of their windows ``(600, 40)``, else ``(0, 40)``.

    Args:
        codec: encodes, at its highest rate.
        data: folder of speech, of which every first folder or file name prefix is a source.
        cache: where the trainer keeps its decoded sound; what is missing is added.
        frames: how many, rounded up to whole clips.
        seed: of the drawing.

    Raises InputError when the folder has no speech.
    """
    from research.train.corpus import open_corpus

    config = codec.config
    corpus = open_corpus(data, cache, config.sample_rate, config.hop)
    random = np.random.default_rng(seed)
    encoder = codec.encoder(config.ladder[-1])
    length = _CLIP_FRAMES * config.hop
    for _ in range(-(-frames // _CLIP_FRAMES)):
        source = corpus.sources[random.choice(len(corpus.sources), p=corpus.weights)]
        start = int(random.integers(max(1, len(source.pcm) - length)))
        pcm = source.pcm[start : start + length].astype(np.float32) / 32768.0
        gain = 10 ** (random.uniform(*_GAIN_DB) / 20)
        pcm = np.clip(gain * pcm[: len(pcm) // config.hop * config.hop], -1.0, 1.0)
        encoder.reset()
        yield encoder.measure(pcm.astype(np.float32))


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m export.entropy", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of speech")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="of research.train")
    parser.add_argument("--frames", type=int, default=100_000, help="to learn from")
    parser.add_argument("--models", type=Path, default=MODELS, help="folder of the model files")
    parser.add_argument("--engine", default="onnx", help="that encodes (default: onnx)")
    args = parser.parse_args(argv)
    return run_command("export.entropy", partial(_run, args))


def _run(args: argparse.Namespace) -> int:
    codec = load_codec(args.models, args.engine)
    measured = encoded_clips(codec, args.data, args.cache, args.frames)
    clips, errors = zip(*measured, strict=True)
    code = codec.refinement_code
    refinement = None if code is None else (code, np.concatenate(errors))
    tables = fit(clips, codec.config, codec.model_hash, refinement)
    tables.check(codec.config)
    data = tables.to_bytes()
    (args.models / TABLES_FILE).write_bytes(data)
    print(f"{codec.model_id}: tables {tables.checksum:08x}, {len(data)} bytes")
    for rate in codec.config.ladder:
        *first, following = (f"{mode.frame_bits(rate.index):.2f}" for mode in tables.modes)
        print(
            f"{rate}: {rate.bits_per_frame:.2f} bits a frame; coded, the first "
            f"of a run {', '.join(first)}, following {following}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
