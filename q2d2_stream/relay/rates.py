"""How often those at one address may do something."""

from __future__ import annotations

from q2d2_stream.protocol.limits import TokenBucket

__all__ = ["RateByAddress"]

_MOST_ADDRESSES = 4096


class RateByAddress:
    """A token bucket of each address; the oldest are forgotten when there are too many.

    Args:
        per_s: how often, for ever.
        burst: how often at once.
    """

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, burst
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, address: str, now: float) -> bool:
        """Whether somebody at an address may do it once more; ``now`` in seconds."""
        bucket = self._buckets.pop(address, None)
        while len(self._buckets) >= _MOST_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]
        self._buckets[address] = bucket or TokenBucket(self._per_s, self._burst, now)
        return self._buckets[address].take(1, now)
