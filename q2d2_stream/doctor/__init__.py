"""Can this machine hold a call? Checks that end in green, yellow or red and say what to do."""

from __future__ import annotations

from q2d2_stream.doctor.checks import Subject, checks_for
from q2d2_stream.doctor.finding import Finding, Verdict, worst
from q2d2_stream.doctor.runner import Check, run_check

__all__ = ["Check", "Finding", "Subject", "Verdict", "checks_for", "run_check", "worst"]
