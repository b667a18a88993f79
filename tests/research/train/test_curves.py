"""Pictures of a run's losses, and that no picture is worth a run."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import pytest

from q2d2_stream.errors import InputError, MissingExtra
from research.train import curves
from research.train.curves import main, save_curves, try_curves

HEAD = "stage,step,minutes,audio_hours,audio_per_second,rate,loss,mel"
GOOD = ["1,100,0.9,0.5,36,0.0006,1.2,0.5", "1,200,1.8,1.1,35,0.0012,1.1,0.4"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "stage1.csv"
    path.write_text("\n".join([HEAD, *GOOD]) + "\n")
    return path


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[float]]:
    """What every panel showed, by its title."""
    figure = pytest.importorskip("matplotlib.figure", reason="the picture needs matplotlib")
    panels: dict[str, list[float]] = {}

    def savefig(self: Any, *args: object, **options: object) -> None:
        for axes in self.axes:
            panels[axes.get_title()] = list(axes.lines[0].get_ydata())
        saved(self, *args, **options)

    saved = figure.Figure.savefig
    monkeypatch.setattr(figure.Figure, "savefig", savefig)
    return panels


def test_a_panel_to_each_loss(table: Path, drawn: dict[str, list[float]]) -> None:
    assert main([str(table)]) == 0
    assert table.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert drawn == {"rate": [0.0006, 0.0012], "loss": [1.2, 1.1], "mel": [0.5, 0.4]}


def test_rows_that_do_not_fit_are_left_out(table: Path, drawn: dict[str, list[float]]) -> None:
    with table.open("a") as file:
        file.write("1,300,2.7,1.6,35,0.0012,1.0,0.3,0.2\n1,400,3.6,2.2,35,0.0")
    try_curves(table)
    assert drawn["loss"] == [1.2, 1.1]


@pytest.mark.parametrize("text", ["", HEAD + "\n", "step,loss\n1,2\n", "audio_hours\n1\n"])
def test_a_table_without_losses_is_refused_in_a_sentence(
    text: str, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table.write_text(text)
    with pytest.raises(InputError, match="nothing to draw"):
        save_curves(table, table.with_suffix(".png"))
    assert main([str(table)]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_table_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        save_curves(tmp_path / "no.csv", tmp_path / "no.png")


def test_training_goes_on_without_a_picture(
    table: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    curves._log_once.cache_clear()
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"q2d2-stream\[train\]"):
        save_curves(table, table.with_suffix(".png"))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            try_curves(table)
            try_curves(table.with_name("not_yet.csv"))
    assert len(caplog.records) == 1

    def broken(*_: object) -> None:
        raise RuntimeError("anything at all")

    monkeypatch.setattr(curves, "save_curves", broken)
    with caplog.at_level(logging.INFO):  # other tests may have raised the level
        try_curves(table)
    assert "anything at all" in caplog.text
