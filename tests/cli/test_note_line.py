"""Typing a note while a call goes on."""

from __future__ import annotations

import asyncio
import os
import pty
from collections.abc import Iterator

import pytest

from q2d2_stream.cli.keys import key_presses
from q2d2_stream.cli.note_line import NoteLine
from tests.labs.call import until


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        ("hello\r", ["hello"]),
        ("hi\x7f\x7fho\n", ["ho"]),
        ("  grüß dich \r", ["grüß dich"]),
        ("a\tb\x01\r", ["ab"]),
        ("\r", []),
        ("   \r", []),
        ("never mind\x1b", []),
        ("\x7f\x7fx\r", ["x"]),
        ("x" * 1200 + "\r", ["x" * 1000]),
        ("ä" * 600 + "\r", ["ä" * 500]),
    ],
)
def test_a_line_is_sent_at_enter(keys: str, sent: list[str]) -> None:
    notes: list[str] = []
    line = NoteLine(notes.append)
    line.press("q")
    assert line.text is None
    line.begin()
    for key in keys:
        line.press(key)
    assert notes == sent
    assert line.text is None


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal in place of standard input; what is written to it is typed."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("q2d2_stream.cli.keys.is_foreground", lambda stream: True)
        yield master
    os.close(master)


def test_keys_come_one_by_one_whatever_their_bytes(terminal: int) -> None:
    async def main() -> str:
        keys: list[str] = []
        with key_presses(keys.append) as there_are:
            assert there_are
            os.write(terminal, b"t\x1b[A\x1bOP" + "aé".encode()[:-1])
            await until(lambda: keys == ["t", "a"], "the first keys")
            os.write(terminal, "é".encode()[-1:] + b"\x1b[1;5C\r")
            await until(lambda: len(keys) == 4, "the rest")
        return "".join(keys)

    assert asyncio.run(main()) in ("taé\r", "taé\n")
