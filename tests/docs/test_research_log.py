"""The research log is complete: every experiment says what it asked and what it found."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tests.labs.paths import ROOT

LOG = ROOT / "research" / "log"
EXPERIMENTS = sorted(LOG.glob("2*.md"))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.stem)
def test_an_experiment_asks_and_answers(path: Path) -> None:
    text = path.read_text()
    date = re.fullmatch(r"(\d{4}-\d\d-\d\d)-[a-z-]+", path.stem)
    assert date
    assert text.startswith(f"# {date[1]}: ")
    for part in ("**Question.**", "**Set-up.**", "**Result.**", "**Conclusion.**"):
        assert text.count(part) == 1, part
    assert path.name in (LOG / "README.md").read_text()


def test_runs_are_rows() -> None:
    with (LOG / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["run"] for row in rows}) == len(rows) >= 43
    for row in rows:
        assert row["stage"] in "0123"
        assert 0 < float(row["wall_min"]) < 24 * 60
        assert float(row["speech_h"]) > 0
        assert row["shipped"] in ("yes", "no", "as average")
        assert row["reached"]


def test_shipped_weights_have_scores_within_their_scales() -> None:
    with (LOG / "shipped_weights.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len({row["model_id"] for row in rows}) >= 13
    for row in rows:
        assert 1 <= float(row["pesq_wb"]) <= 4.65
        assert 0.5 <= float(row["stoi"]) <= 1
        assert 1 <= float(row["distillmos"]) <= 5


def test_negative_results_are_one_table() -> None:
    rows = [
        line for line in (LOG / "negative_results.md").read_text().splitlines() if line[:1] == "|"
    ]
    assert len(rows) > 30
    assert all(re.match(r"\| \d{4}-\d\d-\d\d \| .+ \| .+ \|$", row) for row in rows[2:])
