"""The pictures show what the code and the committed numbers say."""

from __future__ import annotations

import re

import pytest

from tests.labs.documents import documents
from tests.labs.paths import ROOT
from tools.draw_diagrams import DIAGRAMS


@pytest.mark.parametrize("name", DIAGRAMS)
def test_diagrams_are_up_to_date(name: str) -> None:
    drawn = DIAGRAMS[name]().svg()
    kept = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text()
    assert kept == drawn, "run python tools/draw_diagrams.py"


def test_the_quality_picture_shows_the_report() -> None:
    pytest.importorskip("matplotlib")
    from tools.draw_plots import quality_points, quality_text

    kept = (ROOT / "docs" / "pictures" / "quality.svg").read_text()
    assert quality_text() in kept, "run python -m tools.draw_plots quality"
    points = quality_points((ROOT / "docs" / "topics" / "quality.md").read_text())
    assert {"q2d2", "Opus", "Codec2", "Lyra v2"} <= set(points)
    assert all(0.5 < kbps < 20 and 1 < score < 5 for row in points.values() for kbps, score in row)
    assert len(points["q2d2"]) >= 4


def test_a_report_without_the_table_is_refused() -> None:
    pytest.importorskip("matplotlib")
    from tools.draw_plots import quality_points

    with pytest.raises(ValueError, match="no table"):
        quality_points("# Measured quality\n")


def test_every_picture_is_small_and_shown() -> None:
    shown = "".join((ROOT / path).read_text() for path in documents())
    for picture in (ROOT / "docs" / "pictures").iterdir():
        assert picture.name in shown
        assert picture.stat().st_size < 100_000
        text = picture.read_text()
        assert not re.search(r"(?:href|src)=['\"]https?:", text)
