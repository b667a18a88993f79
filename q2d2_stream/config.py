"""What both ends of a link must agree on: sample rate, hop, lattice and ladder of bit rates."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache

from q2d2_stream.errors import InputError

__all__ = [
    "BITSTREAM_1",
    "FRAME_SAMPLES",
    "REFINEMENT_LEVELS",
    "REFINEMENT_LIMIT_BITS",
    "REFINEMENT_SIZES",
    "REFINEMENT_SYMBOLS",
    "SAMPLE_RATE",
    "CodecConfig",
    "Rate",
]

SAMPLE_RATE = 24_000
"""Samples per second of every model, and of all sound between them and the devices."""

FRAME_SAMPLES = 320
"""Samples of a frame: 13.3 ms."""

REFINEMENT_LEVELS = (5,) * 6 + (3,) * 12
"""Grid levels of the refinement's components where it is sent at a fixed size: rhombic pairs."""

REFINEMENT_SIZES = (4,) + (61,) * 40
"""How many values each number of the refinement has where it is entropy coded: the step and 40
components."""

REFINEMENT_SYMBOLS = len(REFINEMENT_SIZES)
"""How many numbers these are."""

REFINEMENT_LIMIT_BITS = 110
"""Most bits that these take in a frame. Speech takes 41 on average, 72 in one frame of twenty."""

_DEFAULT_KBPS = 3.0
_LATTICES = ("rhombic", "hexagonal", "rectangular")


def _bits(codebook_sizes: tuple[int, ...]) -> float:
    # Added up as the browser client does, to the last bit: from Python 3.12 on sum() rounds less.
    bits = 0.0
    for size in codebook_sizes:
        bits += math.log2(size)
    return bits


@lru_cache(maxsize=256)
def _packed_bytes(codebook_sizes: tuple[int, ...], frames: int) -> int:
    different = int(math.prod(codebook_sizes) ** frames)
    return ((different - 1).bit_length() + 7) // 8


def _number(bitrate: object) -> float:
    """A number of kilobits per second, not-a-number for anything else."""
    if isinstance(bitrate, bool) or not isinstance(bitrate, str | int | float):
        return math.nan
    try:
        return float(bitrate)
    except ValueError:
        return math.nan


def _names(kbps: Sequence[float]) -> list[str]:
    """A name for every rate: to the nearest half where that tells them apart, else finer."""
    halves = [f"{round(2 * rate) / 2:g}" for rate in kbps]
    twice = {name for name, count in Counter(halves).items() if count > 1 or name == "0"}
    return [
        f"{rate:.2f}" if name in twice else name for name, rate in zip(halves, kbps, strict=True)
    ]


def _codes(lattice: str, lx: int, ly: int) -> int:
    return lx * ly + ((lx - 1) * (ly - 1) if lattice == "rhombic" else 0)


@dataclass(frozen=True)
class Rate:
    """One step of a model's ladder of bit rates; :attr:`CodecConfig.ladder` has all of them.

    Attributes:
        index: its number in packets, files and hellos, from 0 on, ascending with the bit rate.
        name: what users call it: kilobits per second to the nearest half, "1.5".
        pairs: how many of the latent's pairs are sent.
        codebook_sizes: how many values each index of a frame has, in the frame's order. Their
            number tells the rate of an array of indices, so no two rates of a ladder share it.
        frame_rate: frames per second.
        lookahead: samples by which the decoder's output trails its input at this rate.
        refined: whether the frame's last indices are those of the refinement.
        coded_kbps: what speech takes on average in packets of three frames with the model's
            entropy tables, before rounding to bytes; None where there are no tables.
    """

    index: int
    name: str
    pairs: int
    codebook_sizes: tuple[int, ...]
    frame_rate: float
    lookahead: int
    refined: bool = False
    coded_kbps: float | None = field(default=None, compare=False)

    @property
    def bits_per_frame(self) -> float:
        """log2 of the number of different frames."""
        return _bits(self.codebook_sizes)

    @property
    def kbps(self) -> float:
        """Nominal kilobits per second: neither entropy coding nor any header counted."""
        return self.bits_per_frame * self.frame_rate / 1000

    def sizes_of(self, width: int) -> tuple[int, ...]:
        """How many values each number has of a frame of ``width`` numbers at this rate; see
        :meth:`CodecConfig.width_to_rate`."""
        if width == len(self.codebook_sizes):
            return self.codebook_sizes
        return self.codebook_sizes[: self.pairs] + REFINEMENT_SIZES

    def most_bytes(self, frames: int) -> int:
        """Bytes that ``frames`` frames take at most, coded or not.

        With refinement coded frames can be longer than packed ones: a sender keeps the symbols of
        each within :data:`REFINEMENT_LIMIT_BITS` and, whatever tables say, no coordinate of a pair
        takes more than 12 bits, so that they are always below this.
        """
        return self.packed_bytes(frames) * (4 if self.refined else 1)

    def packed_bytes(self, frames: int) -> int:
        """Bytes of the indices of ``frames`` frames without entropy coding, and so at most."""
        return _packed_bytes(self.codebook_sizes, frames)

    def __str__(self) -> str:
        return f"{self.name} kbps"


@dataclass(frozen=True)
class CodecConfig:
    """The bitstream's parameters; two codecs interoperate when theirs and their weights are equal.

    The pairs of a latent (its dimensions, two by two) are ordered by importance, so a lower rate is
    a prefix of a higher one, and the rate may change at any frame. :attr:`ladder` lists the rates.

    Attributes:
        sample_rate: samples per second, mono.
        hop: samples per frame.
        lattice: the 2-D grid: "rhombic", "hexagonal" or "rectangular".
        levels: grid levels of every latent dimension; adjacent dimensions form a pair.
        rates: pairs sent at each rate of the ladder, ascending.
        lookahead: samples by which the decoder's output trails its input.
        refined: whether one more rate follows: the pairs of the highest one and the symbols of
            :mod:`q2d2_stream.refinement`, a hop later.
    """

    sample_rate: int = SAMPLE_RATE
    hop: int = FRAME_SAMPLES
    lattice: str = "rhombic"
    levels: tuple[int, ...] = (9, 9) + (7, 7) * 11
    rates: tuple[int, ...] = (3, 4, 6, 12)
    lookahead: int = FRAME_SAMPLES
    refined: bool = False

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
    def codebook_sizes(self) -> tuple[int, ...]:
        """Number of grid points of every pair, shape ``(pairs,)``."""
        return tuple(
            _codes(self.lattice, lx, ly)
            for lx, ly in zip(self.levels[::2], self.levels[1::2], strict=True)
        )

    @cached_property
    def ladder(self) -> tuple[Rate, ...]:
        """All rates of this model, the lowest first; a rate's index is its place here."""
        sizes = [self.codebook_sizes[:pairs] for pairs in self.rates]
        if self.refined:
            levels = REFINEMENT_LEVELS
            pairs = zip(levels[::2], levels[1::2], strict=True)
            sizes.append(sizes[-1] + tuple(_codes("rhombic", lx, ly) for lx, ly in pairs))
        kbps = [_bits(codes) * self.frame_rate / 1000 for codes in sizes]
        rates = []
        for index, (name, codes) in enumerate(zip(_names(kbps), sizes, strict=True)):
            refined = index == len(self.rates)
            sent = self.rates[-1] if refined else self.rates[index]
            later = self.lookahead + self.hop * refined
            rates.append(Rate(index, name, sent, codes, self.frame_rate, later, refined))
        return tuple(rates)

    @property
    def refined_rate(self) -> Rate | None:
        """The rate with refinement; None where there is none."""
        return self.ladder[-1] if self.refined else None

    @property
    def default_rate(self) -> Rate:
        """The rate nearest to 3 kbps: what is used where nobody asks for another."""
        return min(self.ladder, key=lambda rate: abs(rate.kbps - _DEFAULT_KBPS))

    def find_rate(self, bitrate: Rate | str | float | None) -> Rate:
        """The rate that a user means.

        Args:
            bitrate: its name ("3"), or a number of kilobits per second: the name's, or the
                nominal one to a tenth (2.9 or 2.94). None for :attr:`default_rate`. A number is
                never an index into the ladder.

        Raises InputError where this model has no such rate; the sentence lists those that it has.
        """
        if bitrate is None:
            return self.default_rate
        if isinstance(bitrate, Rate | str):
            for rate in self.ladder:
                if bitrate in (rate, rate.name):
                    return rate
        kbps = _number(bitrate)
        for rate in self.ladder:
            if kbps == float(rate.name) or abs(kbps - rate.kbps) <= 0.05:
                return rate
        names = ", ".join(rate.name for rate in self.ladder)
        wanted = bitrate.name if isinstance(bitrate, Rate) else bitrate
        raise InputError(f"the bit rate is {wanted!r}, expected one of {names} (kbps)")

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

    def index_to_rate(self, index: int) -> Rate:
        """The rate of a packet, file or hello; raises InputError where the model has none such."""
        if not 0 <= index < len(self.ladder):
            raise InputError(f"rate is {index}, expected 0 to {len(self.ladder) - 1}")
        return self.ladder[index]

    @cached_property
    def _widths(self) -> dict[int, Rate]:
        widths = {len(rate.codebook_sizes): rate for rate in self.ladder}
        if self.refined:
            widths[self.rates[-1] + REFINEMENT_SYMBOLS] = self.ladder[-1]
        return widths

    def width_to_rate(self, width: int) -> Rate:
        """The rate whose frames have ``width`` numbers; raises InputError where there is none.

        With refinement a frame has the refinement's numbers after the indices of its pairs: nine
        more indices (the fixed form), or a step and 40 symbols (the coded form).
        """
        if width not in self._widths:
            known = ", ".join(map(str, self._widths))
            raise InputError(f"a frame has {width} indices, expected one of {known}")
        return self._widths[width]

    def to_json(self) -> str:
        """Canonical JSON, as stored in model metadata. Models without refinement do not mention
        it, as those from before there was any."""
        fields = asdict(self)
        if not self.refined:
            del fields["refined"]
        return json.dumps(fields, sort_keys=True)

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


BITSTREAM_1 = CodecConfig(levels=(9, 9) + (7, 7) * 5, rates=(3, 4, 6), refined=True)
"""Bitstream version 1, of the shipped models and those to come (docs/reference/packet.md)."""
