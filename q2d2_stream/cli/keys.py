"""Single keys from a terminal, without waiting for Enter."""

from __future__ import annotations

import asyncio
import codecs
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from q2d2_stream.cli.terminal import is_foreground

__all__ = ["key_presses"]

_ESCAPED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)")  # arrows and the like: no key of ours


@contextmanager
def key_presses(on_key: Callable[[str], None]) -> Iterator[bool]:
    """Call ``on_key`` in the running loop for every key while the block lasts.

    Keys are taken only while this process is in the foreground of its terminal: Ctrl-Z, ``bg`` and
    ``fg`` work, and a background job is not stopped.

    Yields whether there can be keys: not when standard input is no terminal, nor on Windows, whose
    console asyncio cannot watch.
    """
    if sys.platform == "win32" or sys.stdin is None or not sys.stdin.isatty():
        yield False
        return
    import termios

    loop = asyncio.get_running_loop()
    keys = _Keys(sys.stdin.fileno(), loop, on_key)
    # A shell sends this when it brings the job to the foreground or lets it go on behind.
    loop.add_signal_handler(signal.SIGCONT, keys.look)
    try:
        keys.look()
        yield True
    finally:
        loop.remove_signal_handler(signal.SIGCONT)
        keys.stop(termios.TCSADRAIN)


class _Keys:
    def __init__(
        self, stdin: int, loop: asyncio.AbstractEventLoop, on_key: Callable[[str], None]
    ) -> None:
        self._stdin, self._loop, self._on_key = stdin, loop, on_key
        self._before: list[Any] | None = None
        self._decode = codecs.getincrementaldecoder("utf-8")("ignore").decode

    def look(self) -> None:
        """Take keys if this process is in the foreground, and leave the terminal alone if not."""
        import termios
        import tty

        if not is_foreground(sys.stdin):
            self._loop.remove_reader(self._stdin)
            return
        if self._before is None:
            self._before = termios.tcgetattr(self._stdin)
        tty.setcbreak(self._stdin)  # Ctrl-C still interrupts
        self._loop.add_reader(self._stdin, self._on_readable)

    def stop(self, when: int) -> None:
        """Give the terminal back as it was."""
        import termios

        self._loop.remove_reader(self._stdin)
        if self._before is not None and is_foreground(sys.stdin):
            termios.tcsetattr(self._stdin, when, self._before)

    def _on_readable(self) -> None:
        try:
            pressed = os.read(self._stdin, 64)
        except OSError:  # the terminal is gone
            pressed = b""
        if not pressed:
            self._loop.remove_reader(self._stdin)
        for key in _ESCAPED.sub("", self._decode(pressed)):
            self._on_key(key)
