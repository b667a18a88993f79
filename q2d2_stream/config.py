"""What both ends of a link must agree on: sample rate, hop, lattice and rate ladder."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from functools import cached_property

from q2d2_stream.errors import InputError

__all__ = ["CodecConfig"]

_LATTICES = ("rhombic", "hexagonal", "rectangular")


def _codes(lattice: str, lx: int, ly: int) -> int:
    return lx * ly + ((lx - 1) * (ly - 1) if lattice == "rhombic" else 0)


@dataclass(frozen=True)
class CodecConfig:
    """The bitstream's parameters; two codecs interoperate when theirs and their weights are equal.

    A *rate* is an index into ``rates``: how many of the latent's pairs are sent. The pairs are
    ordered by importance, so a lower rate is a prefix of a higher one, and the rate may change
    at any frame.

    Attributes:
        sample_rate: samples per second, mono.
        hop: samples per frame.
        lattice: the 2-D grid: "rhombic", "hexagonal" or "rectangular".
        levels: grid levels of every latent dimension; adjacent dimensions form a pair.
        rates: pairs sent at each rate, ascending.
        lookahead: samples by which the decoder's output trails its input.
    """

    sample_rate: int = 24_000
    hop: int = 320
    lattice: str = "rhombic"
    levels: tuple[int, ...] = (9, 9) + (7, 7) * 11
    rates: tuple[int, ...] = (3, 4, 6, 12)
    lookahead: int = 320

    def __post_init__(self) -> None:
        if self.lattice not in _LATTICES:
            raise InputError(f"lattice is {self.lattice!r}, expected one of {', '.join(_LATTICES)}")
        if len(self.levels) % 2 or not self.levels:
            raise InputError(
                f"levels has {len(self.levels)} entries, expected an even number: "
                "adjacent dimensions form a pair"
            )
        if list(self.rates) != sorted(set(self.rates)) or not self.rates:
            raise InputError(f"rates is {self.rates}, expected ascending numbers of pairs")
        if self.rates[0] < 1 or self.rates[-1] > self.pairs:
            raise InputError(
                f"rates is {self.rates}, expected numbers from 1 to {self.pairs} pairs"
            )

    @property
    def pairs(self) -> int:
        """Number of pairs in the latent, the most that a frame can carry."""
        return len(self.levels) // 2

    @cached_property
    def codes(self) -> tuple[int, ...]:
        """Number of grid points of every pair, shape ``(pairs,)``."""
        return tuple(
            _codes(self.lattice, lx, ly)
            for lx, ly in zip(self.levels[::2], self.levels[1::2], strict=True)
        )

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop

    @property
    def frame_ms(self) -> float:
        """Length of one frame in milliseconds."""
        return 1000.0 * self.hop / self.sample_rate

    @property
    def latency_ms(self) -> float:
        """Algorithmic latency in milliseconds: one frame to fill, plus the look-ahead."""
        return 1000.0 * (self.hop + self.lookahead) / self.sample_rate

    def bits_per_frame(self, rate: int) -> float:
        """log2 of the number of different frames at ``rate``."""
        return sum(math.log2(n) for n in self.codes[: self.rate_pairs(rate)])

    def bitrate_bps(self, rate: int) -> float:
        """Bits per second at ``rate``, without any packing or framing."""
        return self.bits_per_frame(rate) * self.frame_rate

    def rate_pairs(self, rate: int) -> int:
        """Pairs sent at ``rate``; raises InputError for a rate that does not exist."""
        if not 0 <= rate < len(self.rates):
            raise InputError(f"rate is {rate}, expected 0 to {len(self.rates) - 1}")
        return self.rates[rate]

    @cached_property
    def rate_names(self) -> tuple[str, ...]:
        """Every rate's name on a command line: kilobits per second to the nearest half, "1.5"."""
        kbps = (self.bitrate_bps(rate) / 1000 for rate in range(len(self.rates)))
        return tuple(f"{round(2 * rate) / 2:g}" for rate in kbps)

    def rate_of_pairs(self, pairs: int) -> int:
        """The rate that sends exactly ``pairs`` pairs; raises InputError when there is none."""
        if pairs not in self.rates:
            raise InputError(f"a frame has {pairs} pairs, expected one of {self.rates}")
        return self.rates.index(pairs)

    def to_json(self) -> str:
        """Canonical JSON, as stored in model metadata."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> CodecConfig:
        """Inverse of :meth:`to_json`; raises InputError on anything else."""
        try:
            fields = json.loads(text)
            fields["levels"] = tuple(int(n) for n in fields["levels"])
            fields["rates"] = tuple(int(n) for n in fields["rates"])
            return cls(**fields)
        except (TypeError, KeyError, json.JSONDecodeError) as error:
            raise InputError(f"this is not a codec configuration: {error}") from error
