"""Results as JSON lines: one line for each thing measured, so that a run can be taken up again and
tables and pictures are made from the file alone."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["FOLDER", "PICTURES", "Results", "commit", "newest", "rounded", "spread"]

FOLDER = Path(__file__).parents[1] / "results"
PICTURES = Path(__file__).parents[3] / "docs" / "pictures"
Record = dict[str, Any]


@dataclass(frozen=True)
class Results:
    """One file of records.

    A record has what tells it from the others (its key: arm, seed, settings), the commit of the
    code that made it, and what was measured.
    """

    path: Path

    @classmethod
    def of(cls, experiment: str, folder: Path = FOLDER) -> Results:
        """The file of an experiment."""
        return cls(folder / f"{experiment}.jsonl")

    def read(self, **key: Any) -> list[Record]:
        """All records that have these values, in the order in which they were made."""
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").splitlines()
        return [r for r in map(json.loads, lines) if all(r.get(k) == v for k, v in key.items())]

    def measure(self, key: Mapping[str, Any], work: Callable[[], Mapping[str, Any]]) -> Record:
        """The record of ``key``: read where it is there, else measured and appended."""
        plain = json.loads(json.dumps(key))
        kept = self.read(**plain)
        if kept:
            return kept[-1]
        record: Record = {**plain, "commit": commit(), **rounded(dict(work()))}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        return record


def newest(records: Sequence[Record]) -> list[Record]:
    """Those of the weights that were measured last, and those that concern no weights."""
    known = [r["model_id"] for r in records if "model_id" in r]
    return [r for r in records if r.get("model_id") in (None, *known[-1:])]


def rounded(value: Any) -> Any:
    """Floats to five digits, NaN to None, arrays to lists: what JSON is to hold."""
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [rounded(each) for each in value]
    if isinstance(value, float | np.floating):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.integer) else value


def commit() -> str:
    """The commit of the checkout; "+" where files differ from it."""
    command = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    try:
        said = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return said.stdout.strip()


def spread(values: list[float], digits: int = 3, sign: bool = False) -> str:
    """Mean and standard deviation over the seeds, "1.234 ± .005"."""
    form = f"{'+' if sign else ''}.{digits}f"
    deviation = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):{form}}{deviation}"
