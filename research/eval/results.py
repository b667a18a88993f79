"""What an evaluation has measured: a row to every codec and condition."""

from __future__ import annotations

from dataclasses import dataclass

from research.eval.cache import Entry
from research.eval.clips import SAMPLE_RATE, Clip
from research.eval.metrics import Metric
from research.eval.summary import Mean, TokenUse, mean, token_use

__all__ = ["Evaluation", "Row"]


@dataclass(frozen=True)
class Row:
    """One codec over all the clips, in one condition: as they are, with loss, or in noise.

    Attributes:
        name: the codec's, as on the command line.
        title: the codec's, as in a table.
        latency_ms: algorithmic latency.
        loss: share of packets lost, 0 to 1.
        entries: one for every clip, in the clips' order.
        clips: the clips.
        snr_db: signal-to-noise ratio of what the codec was given; None for the clean clips.
    """

    name: str
    title: str
    latency_ms: float
    loss: float
    entries: tuple[Entry, ...]
    clips: tuple[Clip, ...]
    snr_db: float | None = None

    @property
    def plain(self) -> bool:
        """Whether this is without loss and without noise."""
        return not self.loss and self.snr_db is None

    @property
    def kbps(self) -> float:
        """Bits that crossed the line per millisecond of speech; 0 for the original."""
        return sum(entry.bits for entry in self.entries) / self._seconds() / 1000

    @property
    def coded_kbps(self) -> float:
        """The same after entropy coding in a file, without its overhead; 0 where there is none."""
        return sum(entry.coded_bits for entry in self.entries) / self._seconds() / 1000

    @property
    def real_time_factor(self) -> float:
        """Processor seconds of encoding and decoding per second of speech."""
        return sum(entry.seconds for entry in self.entries) / self._seconds()

    @property
    def delay_ms(self) -> int:
        """Median residual delay behind the original; more than 2 either way is a misalignment."""
        delays = sorted(entry.delay_ms for entry in self.entries)
        return delays[len(delays) // 2]

    def score(self, metric: Metric, source: str | None = None) -> Mean | None:
        """Mean over the clips (of one source); None where no clip could be scored."""
        scores = [
            score
            for clip, entry in zip(self.clips, self.entries, strict=True)
            if source in (None, clip.source)
            and (score := entry.scores.get(metric.key())) is not None
        ]
        return mean(scores) if scores else None

    def tokens(self) -> list[TokenUse]:
        """Entropy of every pair; empty for codecs without tokens."""
        counts = [entry.counts for entry in self.entries if entry.counts]
        if not counts:
            return []
        return token_use(
            [
                [sum(column) for column in zip(*pair, strict=True)]
                for pair in zip(*counts, strict=True)
            ]
        )

    def _seconds(self) -> float:
        return sum(len(clip.pcm) for clip in self.clips) / SAMPLE_RATE


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        rows: one for every codec that could be run and every condition.
        metrics: the metrics that could be loaded.
        missing: sentences saying what could not be measured, and why.
    """

    rows: tuple[Row, ...]
    metrics: tuple[Metric, ...]
    missing: tuple[str, ...]

    def sources(self) -> list[str]:
        """Names of the clips' sources, sorted."""
        return sorted({clip.source for row in self.rows for clip in row.clips})
