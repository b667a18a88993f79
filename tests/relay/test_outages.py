"""Relays and NATS that go away under six people: processes, as an operator runs them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.labs.paths import ROOT
from tools.nats_server import NatsServer

pytest.importorskip("nats", reason="the extra [relay] is not installed")
pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(NatsServer.missing() is not None, reason=str(NatsServer.missing())),
]


def test_nobody_is_lost_and_nothing_stale_is_heard() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.prove_relays", "--seconds", "1"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines() if " of 6 " in line]
    assert len(rows) == 4
    assert all((row[4].strip(), row[5].strip()) == ("0", "0 of 6") for row in rows)
    assert "status 0" in rows[3][6]
