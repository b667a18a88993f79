"""Runs a check in a process of its own, for a limited time.

A process, because what is checked may hang in a sound driver, or die of an instruction that an
old processor does not have; the report must go on to the next line all the same.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any

from q2d2_stream.doctor.finding import Finding, Verdict

__all__ = ["ANSWER", "Check", "run_check"]

_CHILD = "from q2d2_stream.doctor.child import main; main()"
# The answer follows this on a line of its own: drivers write to standard output as they please.
ANSWER = "q2d2-doctor-answer:"


@dataclass(frozen=True)
class Check:
    """A function to call in a child process.

    Attributes:
        name: what it looks at, for the line that says that it failed.
        target: "module:function"; the function returns a list of findings.
        options: its keyword arguments, as JSON can carry them.
        limit_s: when it is given up.
    """

    name: str
    target: str
    options: dict[str, Any] = field(default_factory=dict)
    limit_s: float = 20.0


def run_check(check: Check) -> list[Finding]:
    """What a check has found; a check that hangs, crashes or raises is a finding, too."""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CHILD],
            input=json.dumps({"target": check.target, "options": check.options}),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=check.limit_s,
        )
    except subprocess.TimeoutExpired:
        text = f"no result within {check.limit_s:g} seconds"
        return [Finding(check.name, Verdict.RED, text, "something hangs: try again after a reboot")]
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(ANSWER):
            return [Finding.from_dict(values) for values in json.loads(line[len(ANSWER) :])]
    return [Finding(check.name, Verdict.RED, _death(done.returncode, done.stderr), _WHAT_TO_DO)]


_WHAT_TO_DO = "reinstall the package in a fresh environment; if it stays, report it with this line"


def _death(status: int, stderr: str) -> str:
    if status < 0:
        name = signal.Signals(-status).name
        known = {
            "SIGILL": "an instruction that this processor does not have",
            "SIGSEGV": "a crash in a native library",
            "SIGKILL": "killed, most likely for want of memory",
        }
        return f"the check died of {name}" + (f": {known[name]}" if name in known else "")
    last = stderr.strip().splitlines()[-1:] or ["no message"]
    return f"the check failed: {last[0]}"
