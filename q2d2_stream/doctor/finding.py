"""What a check has found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["Finding", "Verdict", "worst"]


class Verdict(StrEnum):
    """How good it is."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"

    @property
    def severity(self) -> int:
        """0, 1 or 2; also the exit status of ``q2d2-doctor``."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked at, in a word or three.
        verdict: green: fine; yellow: a call works, but not at its best; red: no call.
        text: what was found.
        advice: what to do about it; empty when there is nothing to do.
        facts: the figures behind the text, for ``--json``.
    """

    name: str
    verdict: Verdict
    text: str
    advice: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Finding:
        """Inverse of :meth:`to_dict`."""
        return cls(**{**values, "verdict": Verdict(values["verdict"])})


def worst(findings: Iterable[Finding]) -> Verdict:
    """The worst verdict of all; green when there are none."""
    verdicts = (finding.verdict for finding in findings)
    return max(verdicts, key=lambda verdict: verdict.severity, default=Verdict.GREEN)
