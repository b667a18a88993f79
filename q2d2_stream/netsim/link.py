"""A simulated network: delay, jitter, burst loss, reordering, stalls and a rate limit, seeded.

No clock and no I/O: messages go in with the time of sending and come out when their time has
come. Tests use it, and ``--simulate`` on the command line puts it behind a real link.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np

from q2d2_stream.errors import InputError
from q2d2_stream.netsim.gilbert_elliott import GilbertElliott

__all__ = ["LinkCounts", "LinkSpec", "SimulatedLink", "Stall", "parse_link"]


@dataclass(frozen=True, slots=True)
class Stall:
    """``length_s`` seconds from ``start_s`` (after the first send) in which nothing arrives."""

    length_s: float
    start_s: float


@dataclass(frozen=True)
class LinkSpec:
    """What a link does to messages.

    Attributes:
        delay_ms: fixed delay.
        jitter_ms: random delay on top, uniform from 0 to this.
        loss: share of messages lost, 0 to below 1 (Gilbert-Elliott).
        burst: mean number of messages lost in a row, at least 1.
        reorder: share of messages that arrive out of order. The others keep their order, each
            waiting for the one before as on TCP.
        stalls: times in which nothing arrives; then everything does at once.
        rate_bps: bits per second; None for no limit. A queue forms in front of it.
        overhead_bytes: headers that the rate limit counts with every message.
        queue_messages: most messages under way; more are dropped and counted.
        seed: of the random numbers.

    Raises:
        InputError: for a value out of range.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    loss: float = 0.0
    burst: float = 1.0
    reorder: float = 0.0
    stalls: tuple[Stall, ...] = ()
    rate_bps: float | None = None
    overhead_bytes: int = 60
    queue_messages: int = 1024
    seed: int = 0

    def __post_init__(self) -> None:
        checks = (
            ("delay", self.delay_ms, 0.0 <= self.delay_ms <= 60e3, "0 to 60000 ms"),
            ("jitter", self.jitter_ms, 0.0 <= self.jitter_ms <= 60e3, "0 to 60000 ms"),
            ("loss", self.loss, 0.0 <= self.loss < 1.0, "a share from 0 to below 1"),
            ("burst", self.burst, 1.0 <= self.burst <= 1e6, "at least 1 message"),
            ("reorder", self.reorder, 0.0 <= self.reorder <= 1.0, "a share from 0 to 1"),
            ("rate", self.rate_bps, self.rate_bps is None or self.rate_bps > 0, "bits per second"),
            ("overhead", self.overhead_bytes, self.overhead_bytes >= 0, "at least 0 bytes"),
            ("queue", self.queue_messages, self.queue_messages >= 1, "at least 1 message"),
            ("seed", self.seed, self.seed >= 0, "at least 0"),
        )
        for name, value, is_right, expected in checks:
            if not is_right:
                raise InputError(f"the simulated link's {name} is {value}, expected {expected}")
        for stall in self.stalls:
            if not (0.0 <= stall.length_s <= 3600.0 and stall.start_s >= 0.0):
                raise InputError(
                    f"the simulated link's stall is {stall.length_s:g} s at {stall.start_s:g} s, "
                    "expected at most 3600 s, at 0 s or later"
                )


_FLOATS = {"delay": "delay_ms", "jitter": "jitter_ms", "rate": "rate_bps"}
_INTEGERS = {"overhead": "overhead_bytes", "queue": "queue_messages", "seed": "seed"}
_KEYS = (
    "delay",
    "jitter",
    "loss",
    "burst",
    "reorder",
    "stall",
    "rate",
    "overhead",
    "queue",
    "seed",
)


def parse_link(text: str) -> LinkSpec:
    """Reads a link from the command line.

    For example ``delay=80,jitter=40,loss=0.05,burst=3,stall=2@10,rate=8000,seed=1``: times in
    milliseconds, shares from 0 to 1, a stall of 2 seconds at second 10 (several: ``2@10+1@30``),
    the rate in bits per second. An empty text is a perfect link.

    Raises:
        InputError: one sentence that names the part that is wrong.
    """
    values: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, _, value = part.partition("=")
        if key not in _KEYS:
            raise InputError(
                f"the simulated link has {part!r}, expected key=value with a key of "
                f"{', '.join(_KEYS)}"
            )
        name = "stalls" if key == "stall" else _FLOATS.get(key) or _INTEGERS.get(key) or key
        if name in values:
            raise InputError(f"the simulated link has {key} twice, expected it once")
        try:
            if key == "stall":
                values[name] = tuple(_parse_stall(one) for one in value.split("+"))
            else:
                values[name] = int(value) if key in _INTEGERS else float(value)
        except ValueError:
            form = "seconds@second, for example 2@10" if key == "stall" else "a number"
            raise InputError(f"the simulated link's {key} is {value!r}, expected {form}") from None
    return LinkSpec(**values)


def _parse_stall(text: str) -> Stall:
    length, at, start = text.partition("@")
    if not at:
        raise ValueError(text)
    return Stall(float(length), float(start))


@dataclass(slots=True)
class LinkCounts:
    """Messages that were sent, and what became of them."""

    sent: int = 0
    delivered: int = 0
    lost: int = 0
    dropped: int = 0


class SimulatedLink:
    """One direction of a link.

    Args:
        spec: what it does to messages.
    """

    def __init__(self, spec: LinkSpec) -> None:
        self.spec = spec
        self.counts = LinkCounts()
        self._random = np.random.default_rng(spec.seed)
        self._queue: list[tuple[float, int, bytes]] = []  # heap: arrival, order, message
        self._start: float | None = None
        self._free_at = -np.inf
        self._last_arrival = -np.inf
        self._losses = GilbertElliott(spec.loss, spec.burst)
        self._is_bad = False

    def send(self, message: bytes, now: float) -> None:
        """Sends ``message`` at ``now`` seconds; times must not go back."""
        spec = self.spec
        if self._start is None:
            self._start = now
        self.counts.sent += 1
        # Every message draws the same number of random values, so that one setting does not
        # change what another one does.
        lose, jitter, overtake = self._random.random(3)
        if len(self._queue) >= spec.queue_messages:
            self.counts.dropped += 1
            return
        leaves = now
        if spec.rate_bps is not None:
            bits = 8 * (len(message) + spec.overhead_bytes)
            leaves = self._free_at = max(now, self._free_at) + bits / spec.rate_bps
        if self._is_lost(float(lose)):
            self.counts.lost += 1
            return
        arrival = leaves + 1e-3 * (spec.delay_ms + float(jitter) * spec.jitter_ms)
        arrival = self._after_stalls(arrival, self._start)
        if overtake >= spec.reorder:
            arrival = self._last_arrival = max(arrival, self._last_arrival)
        heapq.heappush(self._queue, (arrival, self.counts.sent, message))

    def receive(self, now: float) -> list[bytes]:
        """The messages that have arrived by ``now``, in order of arrival."""
        arrived = []
        while self._queue and self._queue[0][0] <= now:
            arrived.append(heapq.heappop(self._queue)[2])
        self.counts.delivered += len(arrived)
        return arrived

    def next_arrival(self) -> float | None:
        """When the next message will arrive, or None when none is under way."""
        return self._queue[0][0] if self._queue else None

    def _is_lost(self, draw: float) -> bool:
        self._is_bad = self._losses.next(self._is_bad, draw)
        return self._is_bad

    def _after_stalls(self, arrival: float, start: float) -> float:
        for stall in sorted(self.spec.stalls, key=lambda stall: stall.start_s):
            begin = start + stall.start_s
            if begin <= arrival < begin + stall.length_s:
                arrival = begin + stall.length_s
        return arrival
