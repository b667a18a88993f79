"""Batches for the trainer, drawn in the process itself or by several others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from q2d2_stream.config import CodecConfig
from research.train.batches import REFINED_SHARE, Batch, augment, draw_clips, draw_flags
from research.train.corpus import Corpus

__all__ = ["Feed", "feed"]

SPEEDS = (0.88, 1.2)  # what half of the clips are played at, for more speakers than there are


@dataclass
class Feed(IterableDataset[Batch]):
    """Endless batches.

    Attributes:
        speech, noise: what clips are drawn from, and what is added to some.
        codec: the bitstream.
        batch, frames: clips, and frames of each.
        refined_share: of the clips, those with refinement.
        seed: of everything drawn; each process draws its own.
    """

    speech: Corpus
    noise: Corpus | None
    codec: CodecConfig
    batch: int
    frames: int
    seed: tuple[int, ...]
    refined_share: float = REFINED_SHARE

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        rng = np.random.default_rng([*self.seed, *([worker.id] if worker else [])])
        while True:
            yield self.draw(rng)

    def draw(self, rng: np.random.Generator) -> Batch:
        """One batch."""
        hop = self.codec.hop
        clips = draw_clips(self.speech, self.batch, self.frames, rng, hop, SPEEDS)
        pcm = augment(clips.pcm, rng, self.noise, self.codec.sample_rate)
        sending = draw_flags(self.codec, self.batch, self.frames, rng, self.refined_share)
        return Batch(pcm, clips.f0, clips.voiced, *sending)


def feed(batches: Feed, workers: int, device: torch.device) -> Iterator[Batch]:
    """``batches`` drawn here, or by ``workers`` processes, then in pinned memory for a GPU."""
    if not workers:
        return iter(batches)
    pinned = device.type == "cuda"
    return iter(DataLoader(batches, batch_size=None, num_workers=workers, pin_memory=pinned))
