"""A check that hangs, crashes or raises is a line of the report, and the rest goes on."""

from __future__ import annotations

import pytest

from q2d2_stream.doctor import Check, Verdict, run_check


def test_findings_come_back_from_the_child() -> None:
    check = Check("Python", "q2d2_stream.doctor.python:check_python")
    (finding,) = run_check(check)
    assert finding.name == "Python"
    assert finding.facts["bits"] == 64


def test_a_hang_is_cut_off() -> None:
    (finding,) = run_check(Check("sleeper", "time:sleep", {}, limit_s=1.5))
    assert finding.verdict is Verdict.RED  # sleep() without seconds raises
    (finding,) = run_check(
        Check("sleeper", "subprocess:run", {"args": ["sleep", "30"]}, limit_s=1.5)
    )
    assert finding.verdict is Verdict.RED
    assert "no result within 1.5 seconds" in finding.text


def test_a_crash_is_reported() -> None:
    (finding,) = run_check(Check("engine", "os:abort"))
    assert finding.verdict is Verdict.RED
    assert "SIGABRT" in finding.text


@pytest.mark.parametrize("target", ["no_such_module:f", "os:no_such_function"])
def test_an_exception_is_reported(target: str) -> None:
    (finding,) = run_check(Check("broken", target))
    assert finding.verdict is Verdict.RED
    assert "no_such" in finding.text
