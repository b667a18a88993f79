"""q2d2-call on a clock that goes slower, for a processor that cannot keep real time.

    python tools/arm64/slow_call.py 60 --peer 127.0.0.1:9000 --input a.wav --output b.wav

Everything of the call is as it is, sockets and messages too; only a second of it lasts 60. Both
sides need the same factor.
"""

from __future__ import annotations

import selectors
import sys
import time


def slow_down(factor: float) -> None:
    """Slow ``time.monotonic`` down, and the event loop's waiting with it; call it first of all."""
    real, origin = time.monotonic, time.monotonic()
    time.monotonic = lambda: origin + (real() - origin) / factor
    selector = selectors.DefaultSelector
    select = selector.select

    def slow_select(
        self: selectors.DefaultSelector, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        return select(self, None if timeout is None else timeout * factor)

    selector.select = slow_select  # type: ignore[method-assign]


def main() -> int:
    """Arguments: the factor, then those of q2d2 call."""
    slow_down(float(sys.argv[1]))
    from q2d2_stream.cli.main import main as q2d2  # what it imports must find the slow clock

    return q2d2(["call", *sys.argv[2:]])


if __name__ == "__main__":
    sys.exit(main())
