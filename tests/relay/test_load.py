"""The load generator, with few people: it speaks the protocol, and everything arrives."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.labs.paths import ROOT

pytestmark = pytest.mark.net


@pytest.mark.parametrize(
    ("more", "by"), [([], "ws"), (["--tls"], "wss"), (["--udp"], "UDP beside ws")]
)
def test_all_that_is_said_arrives(more: list[str], by: str) -> None:
    done = subprocess.run(
        [sys.executable, "tools/load_relay.py", "--people", "12", "--room", "6", "--talkers", "2",
         "--seconds", "1", *more],
        cwd=ROOT, env={"PYTHONPATH": ".", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    row = done.stdout.splitlines()[2].split("|")
    assert row[1:4] == [" 6, 2 ", f" {by} ", " 12 "]
    assert float(row[10]) > 90.0  # what is under way at the end is not counted


def test_it_is_bounded() -> None:
    done = subprocess.run(
        [sys.executable, "tools/load_relay.py", "--people", "100000"],
        cwd=ROOT, env={"PYTHONPATH": ".", "PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert "expected" in done.stderr
