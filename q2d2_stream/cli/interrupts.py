"""Ctrl-C, SIGTERM and SIGHUP for commands that hold calls."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from q2d2_stream.cli.signals import TERMINATING

__all__ = ["Interrupts"]


class Interrupts:
    """Takes Ctrl-C, SIGTERM and SIGHUP for as long as it is entered, in a running event loop.

    A command enters it before it says that it is ready: from then on an interruption ends what is
    under way in good order. One that comes between two calls ends the next as it begins.
    """

    def __init__(self) -> None:
        self._pending = False
        self._action: Callable[[], None] | None = None
        self._handlers = ExitStack()

    def __enter__(self) -> Interrupts:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, *TERMINATING):
            before = signal.getsignal(number)
            if before is signal.SIG_IGN and number != signal.SIGINT:
                continue  # whoever started us wants it so: nohup
            with suppress(NotImplementedError):  # Windows: Ctrl-C cancels the main task instead
                loop.add_signal_handler(number, self._interrupt)
                self._handlers.callback(signal.signal, number, before)
                self._handlers.callback(loop.remove_signal_handler, number)
        return self

    def __exit__(self, *error: object) -> None:
        self._handlers.close()

    @contextmanager
    def end_with(self, action: Callable[[], None]) -> Iterator[None]:
        """Inside, an interruption calls ``action``; so does one that has already come."""
        self._action = action
        if self._pending:
            self._interrupt()
        try:
            yield
        finally:
            self._action = None

    def _interrupt(self) -> None:
        self._pending = self._action is None
        if self._action is not None:
            self._action()
