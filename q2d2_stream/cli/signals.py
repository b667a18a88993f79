"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is half written is tidied up."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["TERMINATING", "Terminated", "die_of", "terminating"]

TERMINATING: tuple[signal.Signals, ...] = (
    (signal.SIGTERM,) if sys.platform == "win32" else (signal.SIGTERM, signal.SIGHUP)
)


class Terminated(BaseException):
    """A signal has come that ends the process; like KeyboardInterrupt nobody should hold it up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def terminating() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise :class:`Terminated`.

    Signals that whoever started this process has others do (``nohup``) stay as they are.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may
        return
    ours = [number for number in TERMINATING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _raise)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # once is enough, and tidying up must not be disturbed
    raise Terminated(number)


def die_of(number: int) -> NoReturn:
    """End as the signal would have ended this process, so that its parent sees what it sent."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)
