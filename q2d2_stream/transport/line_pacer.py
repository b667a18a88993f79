"""When a serial line is free: its speed, and on half-duplex lines whose turn it is."""

from __future__ import annotations

__all__ = ["LinePacer"]

# What may wait in the device, so that the line does not fall idle between two frames of speech.
_LEAD_S = 0.02


class LinePacer:
    """Keeps the backlog out of the device's buffers, where nothing can be dropped any more.

    Adapters and radio modems take hundreds of bytes at once and tell nobody how many are left. So
    the time at which the line has sent them is worked out from the baud rate.

    Args:
        baud: bits per second.
        turnaround_s: on a half-duplex line, how long after the peer's last byte this side may
            begin; None: both sides may send at once.

    ``now`` is in seconds from any monotonic origin.
    """

    def __init__(self, baud: int, turnaround_s: float | None = None) -> None:
        self._byte_s = 10 / baud
        self._turnaround_s = turnaround_s
        self._free_at = float("-inf")
        self._heard_at = float("-inf")

    def wrote(self, count: int, now: float) -> None:
        """So many bytes were given to the device."""
        self._free_at = max(now, self._free_at) + count * self._byte_s

    def heard(self, now: float) -> None:
        """Bytes of the peer have come."""
        self._heard_at = now

    def wait_s(self, now: float) -> float:
        """How long to wait before the next frame is written; 0: not at all."""
        wait_s = self._free_at - _LEAD_S - now
        # Who is in the middle of sending goes on: both would stop for each other's last byte.
        if self._turnaround_s is not None and now >= self._free_at:
            wait_s = max(wait_s, self._heard_at + self._turnaround_s - now)
        return max(0.0, wait_s)

    def unsent_bytes(self, now: float) -> int:
        """Bytes that wait in the device beyond the two hundredths of a second meant to be there."""
        return max(0, round((self._free_at - _LEAD_S - now) / self._byte_s))
