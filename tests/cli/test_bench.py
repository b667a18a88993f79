"""``q2d2 bench --all``: a row to each engine, in processes of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from q2d2_stream.cli import bench_engines
from q2d2_stream.cli.main import main
from q2d2_stream.engine.choice import available
from q2d2_stream.engine.codec import MODELS


@pytest.fixture(autouse=True)
def one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_engines, "_ROUNDS", 1)


@pytest.mark.slow
def test_every_engine_has_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--all", "--seconds", "0.5", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    ours = [row for row in rows if not row["name"].startswith("Opus")]
    assert [row["name"] for row in ours] == [" ".join(choice) for choice in available(MODELS)]
    for row in ours:
        assert 0 < row["median_us"] <= row["p99_us"]
        assert 1 < row["files_mb"] < 20
        assert row["load_ms"] > 0


def test_the_table_names_its_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"name": "tflite int8", "median_us": 270.4}, {"name": "Opus", "median_us": 90.0}]
    monkeypatch.setattr(bench_engines, "measure_engines", lambda *_: rows)
    assert main(["bench", "--all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({len(line) for line in table}) == 1
    assert "270" in table[2]
    assert " - " in table[3]


def test_a_folder_without_models_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "--all", "--models", str(tmp_path)]) == 1
    assert "holds no models that run here" in capsys.readouterr().err
