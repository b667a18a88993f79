"""The log of a run: one CSV row and one line every hundred steps."""

from __future__ import annotations

import csv
import logging
import time
from pathlib import Path

from torch import Tensor

from research.train.checkpoint import Progress
from research.train.curves import append_row

__all__ = ["TrainLog"]

logger = logging.getLogger(__name__)


class TrainLog:
    """Running means, one CSV row and one log line every ``every`` steps."""

    def __init__(self, path: Path, every: int = 100) -> None:
        self.path, self.every = path, every
        self.sums: dict[str, Tensor] = {}
        self.count, self.since, self.audio_since = 0, time.monotonic(), 0.0

    def add(self, losses: dict[str, Tensor], progress: Progress, rate: float) -> None:
        """Take in the losses of a step, made at learning rate ``rate``."""
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if progress.step % self.every:
            return
        elapsed = time.monotonic() - self.since
        row: dict[str, float] = {
            "stage": progress.stage,
            "step": progress.step,
            "minutes": round(progress.seconds / 60, 2),
            "audio_hours": round(progress.audio_seconds / 3600, 3),
            "audio_per_second": round((progress.audio_seconds - self.audio_since) / elapsed, 1),
            "rate": round(rate, 7),
        }
        row |= {name: round(float(total) / self.count, 4) for name, total in self.sums.items()}
        if self.path.exists():
            with self.path.open(newline="") as file:
                if next(csv.reader(file), None) != list(row):  # a run of other losses
                    self.path.rename(self.path.with_suffix(f".until{progress.step}.csv"))
        append_row(self.path, row)
        logger.info(" ".join(f"{name}={value:g}" for name, value in row.items()))
        self.sums, self.count = {}, 0
        self.since, self.audio_since = time.monotonic(), progress.audio_seconds
