"""``python -m research.train.coded_speech CHECKPOINT OUT --data DIR``: speech, encoded once.

Where the encoder stays as it is, there is no need to run it at every step. Pieces of speech are
drawn and changed as in training, and kept beside their points and labels; ``research.train
--coded OUT`` draws clips from them.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from q2d2_stream.cli.failures import run_command
from q2d2_stream.errors import InputError
from q2d2_stream.model.net import CodecNet
from research.train.batches import SPEEDS, Clips, augment, draw_clips
from research.train.checkpoint import load_net
from research.train.corpus import Corpus, open_corpus

__all__ = ["CodedSpeech", "encode_speech", "open_coded"]

_PIECE_FRAMES, _AT_ONCE = 600, 8
_SETTLING_FRAMES = 30  # of a piece, whose points are those of a stream's first sounds
_QUIETEST = 0.002  # rms of what is drawn


@dataclass(frozen=True)
class CodedSpeech:
    """Pieces of speech, memory-mapped.

    Attributes:
        pcm: int16 ``(pieces, 320 * frames)``.
        points: float16 ``(pieces, frames, dimensions)``, as the decoder is given them.
        f0, voiced: float32 and uint8 ``(pieces, frames)``, as of :class:`Clips`.
    """

    pcm: NDArray[np.int16]
    points: NDArray[np.float16]
    f0: NDArray[np.float32]
    voiced: NDArray[np.uint8]

    @property
    def hours(self) -> float:
        """Hours of audio in all."""
        return self.pcm.size / 24_000 / 3600

    def draw(
        self, batch: int, frames: int, rng: np.random.Generator, hop: int = 320
    ) -> tuple[Clips, Tensor]:
        """Clips from random places, and their points ``(batch, frames, dimensions)``."""
        drawn: list[tuple[NDArray[np.float32], ...]] = []
        for _ in range(batch):
            for _ in range(4):
                piece = int(rng.integers(len(self.pcm)))
                last = self.points.shape[1] - frames
                start = int(rng.integers(min(_SETTLING_FRAMES, last), last + 1))
                pcm = self.pcm[piece, start * hop : (start + frames) * hop] / np.float32(32767)
                if np.sqrt(np.mean(pcm**2)) > _QUIETEST:
                    break
            at = piece, slice(start, start + frames)
            labels = (self.f0[at], self.voiced[at], self.points[at])
            drawn.append((pcm, *(label.astype(np.float32) for label in labels)))
        pcm, f0, voiced, points = (
            torch.from_numpy(np.stack(column)) for column in zip(*drawn, strict=True)
        )
        return Clips(pcm, f0, voiced), points


def open_coded(folder: Path) -> CodedSpeech:
    """Map what :func:`encode_speech` wrote; raises InputError where that is not all there."""
    names = ("pcm", "points", "f0", "voiced")
    try:
        return CodedSpeech(*(np.load(folder / f"{name}.npy", mmap_mode="r") for name in names))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} holds no encoded speech ({error}); make it with research.train.coded_speech"
        ) from error


@torch.no_grad()
def encode_speech(
    net: CodecNet,
    folder: Path,
    speech: Corpus,
    noise: Corpus | None,
    hours: float,
    seed: int = 0,
) -> CodedSpeech:
    """Draw so many hours, encode them and write them to ``folder``, which is made."""
    rng, hop = np.random.default_rng(seed), net.config.codec.hop
    rounds = max(1, round(hours * 3600 * 24_000 / (_AT_ONCE * _PIECE_FRAMES * hop)))
    folder.mkdir(parents=True, exist_ok=True)
    pieces = rounds * _AT_ONCE
    shapes = {
        "pcm": (np.int16, _PIECE_FRAMES * hop),
        "points": (np.float16, _PIECE_FRAMES, len(net.config.codec.levels)),
        "f0": (np.float32, _PIECE_FRAMES),
        "voiced": (np.uint8, _PIECE_FRAMES),
    }
    files = {
        name: np.lib.format.open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=kind, shape=(pieces, *shape)
        )
        for name, (kind, *shape) in shapes.items()
    }
    for n in range(rounds):
        clips = draw_clips(speech, _AT_ONCE, _PIECE_FRAMES, rng, hop, SPEEDS)
        pcm = torch.cat([augment(each[None], rng, noise) for each in clips.pcm])
        points, _ = net.encode(pcm)
        now = slice(n * _AT_ONCE, (n + 1) * _AT_ONCE)
        files["pcm"][now] = (pcm.clamp(-1, 1) * 32767).round().numpy()
        files["points"][now] = points.numpy()
        files["f0"][now], files["voiced"][now] = clips.f0, clips.voiced
    for file in files.values():
        file.flush()
    return open_coded(folder)


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(prog="coded_speech", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder of speech")
    parser.add_argument("--noise", type=Path, help="folder of noise for augmentation")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"), help="of research.train")
    parser.add_argument("--hours", type=float, default=15.0, help="of speech")
    parser.add_argument("--seed", type=int, default=0)
    return run_command("coded_speech", partial(_run, parser.parse_args(argv)))


def _run(args: argparse.Namespace) -> int:
    speech = open_corpus(args.data, args.cache)
    noise = open_corpus(args.noise, args.cache) if args.noise else None
    made = encode_speech(load_net(args.checkpoint), args.out, speech, noise, args.hours, args.seed)
    print(f"{made.hours:.1f} hours in {len(made.pcm)} pieces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
