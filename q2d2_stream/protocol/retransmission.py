"""The handshake over transports that lose messages: what has no answer is sent again."""

from __future__ import annotations

__all__ = ["Retransmission"]

_BACKOFF = 1.5
_LONGEST = 4  # times the first pause


class Retransmission:
    """Remembers what was sent last, and what it answered.

    Args:
        interval_s: seconds before the first repetition; the pauses grow by half each time,
            to four times the first.
    """

    def __init__(self, interval_s: float) -> None:
        self._interval_s = interval_s
        self._pause_s = interval_s
        self._last: list[bytes] = []
        self._due_at: float | None = None
        self._answers: dict[bytes, list[bytes]] = {}

    @property
    def deadline(self) -> float | None:
        """When the last message is to be sent again."""
        return self._due_at

    def sent(
        self, data: list[bytes], now: float, *, answers: bytes | None, awaits_answer: bool
    ) -> None:
        """Messages were sent, as the answer to ``answers`` or unasked; they are sent again until
        the next call when an answer is awaited."""
        self._last, self._due_at, self._pause_s = [], None, self._interval_s
        if answers is not None:
            self._answers[answers] = data
        if data and awaits_answer:
            self._last, self._due_at = data, now + self._pause_s

    def due(self, now: float) -> list[bytes]:
        """What is to be sent again now."""
        if self._due_at is None or now < self._due_at:
            return []
        self._pause_s = min(self._pause_s * _BACKOFF, _LONGEST * self._interval_s)
        self._due_at = now + self._pause_s
        return self._last

    def answer_to(self, data: bytes) -> list[bytes] | None:
        """What was answered to the same message before; None when it is new."""
        return self._answers.get(data)
