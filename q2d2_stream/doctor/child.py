"""The child process of a check: reads which one, runs it, writes what it found."""

from __future__ import annotations

import importlib
import json
import sys

from q2d2_stream.doctor.finding import Finding
from q2d2_stream.doctor.runner import ANSWER

__all__ = ["main"]


def main() -> None:
    """Run the check that standard input names; see :func:`q2d2_stream.doctor.run_check`."""
    request = json.loads(sys.stdin.read())
    module, _, function = request["target"].partition(":")
    findings: list[Finding] = getattr(importlib.import_module(module), function)(
        **request["options"]
    )
    answer = json.dumps([finding.to_dict() for finding in findings])
    print(f"\n{ANSWER}{answer}", flush=True)
