"""A line of text that is typed during a call, one key at a time."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["NoteLine"]

_MOST_BYTES = 1000  # what a note of the protocol holds


class NoteLine:
    """Takes keys between :meth:`begin` and Enter or Escape.

    Args:
        send: called with the line at Enter, unless it is empty.

    Attributes:
        text: what has been typed so far; None while no line is being typed.
    """

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self.text: str | None = None

    def begin(self) -> None:
        """Begin an empty line."""
        self.text = ""

    def press(self, key: str) -> None:
        """Take one key: a character, Enter, Backspace, or Escape to give the line up."""
        if self.text is None:
            return
        if key in "\r\n":
            line, self.text = self.text.strip(), None
            if line:
                self._send(line)
        elif key == "\x1b":
            self.text = None
        elif key in "\x7f\b":
            self.text = self.text[:-1]
        elif key.isprintable() and len((self.text + key).encode()) <= _MOST_BYTES:
            self.text += key
