"""Losses that come in bursts: the one model of them, for simulated links, tests and training."""

from __future__ import annotations

from dataclasses import dataclass

from q2d2_stream.errors import InputError

__all__ = ["GilbertElliott"]


@dataclass(frozen=True)
class GilbertElliott:
    """A two-state Markov chain: good (all arrives) and bad (all is lost).

    Gilbert, "Capacity of a burst-noise channel", 1960; Elliott, "Estimates of error rates for codes
    on burst-noise channels", 1963, of whose model this is the case without errors in between.

    Attributes:
        share: mean share that is lost, 0 to under 1.
        burst: mean length of a loss, at least 1.

    Raises InputError for others.
    """

    share: float
    burst: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.share < 1:
            raise InputError(f"the share of losses is {self.share}, expected 0 to under 1")
        if not 1 <= self.burst <= 1e6:
            raise InputError(f"the mean burst is {self.burst}, expected at least 1")

    def next(self, is_bad: bool, draw: float) -> bool:
        """Whether the next one is lost, after one that was (``is_bad``) or was not.

        Args:
            is_bad: the state so far; False to begin with.
            draw: a random number, uniform from 0 to under 1.
        """
        leave = 1.0 / self.burst
        # In the long run bad / good is share / (1 - share) when the two flows balance.
        return draw >= leave if is_bad else draw < leave * self.share / (1.0 - self.share)
