"""What was skipped: where CI is set, a skip that nobody expected fails the run.

A test that skips says why in its reason. The reasons that are fine in CI stand in pyproject.toml,
under ``expected_skips``, by a part of their text.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import pytest

__all__ = ["SkipPolicy"]


class SkipPolicy:
    """A pytest plugin; ``expected`` are the parts of reasons that may be given."""

    def __init__(self, expected: Sequence[str]) -> None:
        self._expected = tuple(expected)
        self.unexpected: list[str] = []

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else "no reason"
            if not any(part in reason for part in self._expected):
                self.unexpected.append(f"{report.nodeid}: {reason}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test, or its set-up, was skipped."""
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A whole file was skipped."""
        self._note(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run in CI."""
        if self.unexpected and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name the skips that CI does not accept."""
        if self.unexpected and os.environ.get("CI"):
            terminalreporter.section("skips that were not expected in CI")
            for line in self.unexpected:
                terminalreporter.line(line)
