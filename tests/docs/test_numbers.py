"""The scores that documents show are those of the quality report."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from q2d2_stream.config import BITSTREAM_1
from tests.labs.paths import ROOT

# Column of the report -> its decimals in other documents.
DECIMALS = {"kbps": 2, "PESQ-WB": 2, "STOI": 3, "ViSQOL": 2, "DistillMOS": 2}


def _tables(path: str) -> list[list[dict[str, str]]]:
    """The tables of a document: a list of rows each, cells by the heading of their column."""
    tables: list[list[dict[str, str]]] = []
    head: list[str] | None = None
    for line in (ROOT / path).read_text().splitlines():
        cells = [re.sub(r"[*`]", "", cell).strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = cells
            tables.append([])
        elif not set("".join(cells)) <= set("-: "):
            tables[-1].append(dict(zip(head, cells, strict=True)))
    return tables


def _report() -> dict[str, dict[str, str]]:
    (table, *_) = _tables("docs/topics/quality.md")
    return {row["codec"]: {k: v.split(" ")[0] for k, v in row.items()} for row in table}


def _same(shown: str, measured: str, decimals: int) -> bool:
    return f"{float(shown):.{decimals}f}" == f"{float(measured):.{decimals}f}"


@pytest.mark.parametrize(
    ("path", "column", "headings"),
    [
        ("README.md", "codec", {"kbps": "kbps sent", "coded": "kbps in a file"}),
        ("docs/topics/evaluation.md", "rate", {"PESQ-WB": "PESQ", "coded": "kbps in a file"}),
    ],
)
def test_scores_are_those_of_the_report(path: str, column: str, headings: dict[str, str]) -> None:
    report = _report()
    rates = {rate.name: f"q2d2 {rate.kbps:.2f} kbps" for rate in BITSTREAM_1.ladder}
    table = next(
        rows for rows in _tables(path) if rows and {column, "ViSQOL", "DistillMOS"} <= set(rows[0])
    )
    compared = 0
    for row in table:
        name = row[column].removeprefix("q2d2 ")
        title = rates.get(name) or next(
            (title for title in report if name and title.startswith(name)), None
        )
        if title is None:
            continue
        for measure, decimals in {**DECIMALS, "coded": 2}.items():
            shown = row.get(headings.get(measure, measure), "")
            if shown:
                assert _same(shown, report[title][measure], decimals), (path, name, measure)
                compared += 1
    assert compared >= 20


def test_the_log_has_the_shipped_weights() -> None:
    card = (ROOT / "docs" / "project" / "model_card.md").read_text()
    shipped = re.search(r"\| weights \| (q2d2-24k-[0-9a-f]{8})", card)
    assert shipped is not None
    assert shipped[1] in (ROOT / "research" / "log" / "shipped_weights.csv").read_text()
    samples = (ROOT / Path("docs/samples/index.md")).read_text()
    assert shipped[1] in samples
