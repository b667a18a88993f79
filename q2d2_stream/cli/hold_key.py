"""Push to talk on a terminal, which tells when a key is pressed and not when it is let go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

__all__ = ["HoldKey"]

# A key that is held comes again: after a while that the system sets, half a second or so, and then
# some 30 times a second.
_FIRST_S = 0.75
_REPEAT_S = 0.25


class HoldKey:
    """Tells when a key is held, by how it repeats: at once when it is pressed, and a quarter of a
    second after it was let go. A tap counts as three quarters of a second.

    Args:
        held: called in the running loop with True, and with False.
    """

    def __init__(self, held: Callable[[bool], None]) -> None:
        self._held = held
        self._release: asyncio.TimerHandle | None = None

    def press(self) -> None:
        """The key has come, for the first time or again."""
        is_first = self._release is None
        if self._release is not None:
            self._release.cancel()
        wait_s = _FIRST_S if is_first else _REPEAT_S
        self._release = asyncio.get_running_loop().call_later(wait_s, self._on_release)
        if is_first:
            self._held(True)

    def close(self) -> None:
        """The key is held no more, whatever it was."""
        if self._release is not None:
            self._release.cancel()
            self._release = None

    def _on_release(self) -> None:
        self._release = None
        self._held(False)
