"""Single keys from a terminal, without waiting for Enter."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["key_presses"]


@contextmanager
def key_presses(on_key: Callable[[str], None]) -> Iterator[bool]:
    """Call ``on_key`` in the running loop for every key while the block lasts.

    Yields whether there are keys: not when standard input is no terminal, nor on Windows, whose
    console asyncio cannot watch.
    """
    if sys.platform == "win32" or not sys.stdin.isatty():
        yield False
        return
    import termios
    import tty

    stdin = sys.stdin.fileno()
    before = termios.tcgetattr(stdin)
    loop = asyncio.get_running_loop()

    def on_readable() -> None:
        for key in os.read(stdin, 64).decode(errors="ignore"):
            on_key(key)

    tty.setcbreak(stdin)  # Ctrl-C still interrupts
    loop.add_reader(stdin, on_readable)
    try:
        yield True
    finally:
        loop.remove_reader(stdin)
        termios.tcsetattr(stdin, termios.TCSADRAIN, before)
