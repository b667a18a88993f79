"""One command: its sub-commands, their older names and their exit statuses."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from q2d2_stream.cli import main as module
from q2d2_stream.cli.exit_codes import EXIT_CODES, ExitCode
from q2d2_stream.cli.main import main

COMMANDS = (
    "call", "loopback", "encode", "decode", "info", "doctor", "serve", "relay", "bench", "grid",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_the_exit_codes(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: q2d2 {command}")
    assert out.endswith(EXIT_CODES)


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert all(f"    {command} " in out for command in COMMANDS)


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["fly"])
    assert ended.value.code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("name", "command"),
    [("call", "call"), ("loopback", "loopback"), ("doctor", "doctor"), ("serve", "serve")],
)
def test_older_names_are_the_same_commands(
    name: str, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = EntryPoint("q2d2-x", f"q2d2_stream.cli.main:{name}", "console_scripts")
    monkeypatch.setattr(sys, "argv", ["q2d2-x", "--help"])
    with pytest.raises(SystemExit):
        entry.load()()
    assert capsys.readouterr().out.startswith(f"usage: q2d2 {command}")
    assert name in module.__all__


def test_every_code_has_a_meaning() -> None:
    assert all(code.meaning for code in ExitCode)


def test_a_reader_that_has_had_enough_gets_no_traceback() -> None:
    command = f"{sys.executable} -m q2d2_stream info | head -n 0"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""
