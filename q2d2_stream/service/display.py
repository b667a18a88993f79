"""What a service shows of a call: sentences in the journal, the state in systemctl status."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from q2d2_stream.service.notifier import Notifier
from q2d2_stream.service.watchdog import Watchdog

if TYPE_CHECKING:
    from q2d2_stream.call import CallStats

__all__ = ["ServiceDisplay"]

_STATUS_S = 5.0


class ServiceDisplay:
    """The display of ``q2d2-call`` for a program that nobody watches.

    The journal gets what happens and no running figures: a call of a day would be 17,000 lines.

    Args:
        notifier: to systemd.
        watchdog: is told how the call goes.
    """

    def __init__(self, notifier: Notifier, watchdog: Watchdog) -> None:
        self._notifier = notifier
        self._watchdog = watchdog
        self._next = 0.0

    def notify(self, sentence: str) -> None:
        """Something happened that the user should know."""
        print(sentence, file=sys.stderr, flush=True)
        self._notifier.status(sentence)

    def show(self, stats: CallStats) -> None:
        """The numbers of the moment."""
        self._watchdog.observe(stats.state == "talking", stats.sink.frames)
        now = time.monotonic()
        if stats.state != "talking" or now < self._next:
            return
        self._next = now + _STATUS_S
        self._notifier.status(
            f"talking with {stats.peer} for {stats.seconds:.0f} s: sent "
            f"{stats.sent.wire_kbps:.1f} kbps, received {stats.received.wire_kbps:.1f} kbps, "
            f"delay {stats.playout.actual_delay_ms:.0f} ms, {stats.playout.concealed} concealed"
        )

    def type(self, text: str | None) -> None:
        """Nothing: a service has no keys."""

    def pick(self, member: int | None) -> None:
        """Nothing: a service has no keys."""

    def close(self) -> None:
        """The call is over: no sound is expected to flow."""
        self._watchdog.observe(False, 0)
