"""SIGTERM and SIGHUP end a command as Ctrl-C does: what is half written is tidied up."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import NoReturn

__all__ = ["TERMINATING", "Terminated", "die_of", "terminating"]

TERMINATING: tuple[signal.Signals, ...] = (
    (signal.SIGTERM,) if sys.platform == "win32" else (signal.SIGTERM, signal.SIGHUP)
)

_AGAIN_S = 0.002


class Terminated(BaseException):
    """A signal has come that ends the process; like KeyboardInterrupt nobody should hold it up."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def terminating() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise :class:`Terminated`.

    Signals that whoever started this process has others do (``nohup``) stay as they are. What is
    raised where Python drops exceptions, as a Ctrl-C is in a callback of a C library, is raised
    again outside: libsndfile would take it for the end of a file.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may
        return
    ours = [number for number in TERMINATING if signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _raise)
    hook = sys.unraisablehook
    sys.unraisablehook = partial(_raise_again, hook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # once is enough, and tidying up must not be disturbed
    raise Terminated(number)


def _raise_again(
    otherwise: Callable[[sys.UnraisableHookArgs], object], dropped: sys.UnraisableHookArgs
) -> None:
    """Python has dropped an exception: if it was a signal's, have the signal come once more."""
    error = dropped.exc_value
    if isinstance(error, Terminated):
        number = error.number
        signal.signal(number, _raise)
    elif isinstance(error, KeyboardInterrupt):
        number = signal.SIGINT
    else:
        otherwise(dropped)
        return
    if sys.platform == "win32":  # there os.kill would end the process
        send = partial(_thread.interrupt_main, number)
    else:  # here it also ends a wait for the operating system
        send = partial(os.kill, os.getpid(), number)
    # From another thread, when this function has returned: here it would be dropped again.
    again = threading.Timer(_AGAIN_S, send)
    again.daemon = True
    again.start()


def die_of(number: int) -> NoReturn:
    """End as the signal would have ended this process, so that its parent sees what it sent."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    raise SystemExit(128 + number)
