"""Quality against bitrate, drawn from results, and the distance from the targets."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from q2d2_stream.errors import InputError
from research.eval.__main__ import main
from research.eval.cache import Entry
from research.eval.clips import Clip
from research.eval.metrics import METRICS, Score, choose_metrics
from research.eval.plot import save_rate_quality_plot
from research.eval.report import to_json, to_markdown
from research.eval.results import Evaluation, Row


def _row(
    name: str,
    title: str,
    kbps: float,
    pesq: float,
    loss: float = 0.0,
    snr_db: float | None = None,
    coded: float = 0.0,
) -> Row:
    clip = Clip("a_en_0", "a_en", np.zeros(24_000, np.float32))
    scores: dict[str, Score | None] = {METRICS["pesq"].key(): Score(pesq)}
    entry = Entry(kbps * 1000, 0.1, 0, scores, [], coded_bits=coded * 1000)
    return Row(name, title, 26.7, loss, (entry,), (clip,), snr_db)


EVALUATION = Evaluation(
    (
        _row("original", "Original", 0.0, 4.64),
        _row("q2d2_1.5", "q2d2 1.50 kbps", 1.5, 1.69),
        _row("q2d2_3", "q2d2 2.94 kbps", 2.94, 2.8),
        _row("opus6", "Opus 6 kbps", 5.0, 2.45),
        _row("opus6", "Opus 6 kbps", 5.0, 1.1, loss=0.05),
        _row("q2d2_3_search", "q2d2 2.94 kbps, searched", 2.94, 2.7),
        _row("q2d2_3", "q2d2 2.94 kbps", 2.94, 1.2, snr_db=0.0),
        _row("q2d2_3_search", "q2d2 2.94 kbps, searched", 2.94, 1.9, snr_db=0.0),
    ),
    tuple(choose_metrics(["pesq"])),
    (),
)
RESULTS: dict[str, Any] = json.loads(json.dumps(to_json(EVALUATION)))


def test_what_is_drawn_is_measured_published_and_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = pytest.importorskip("matplotlib.figure", reason="the plot needs matplotlib")
    figures = []
    saved = module.Figure.savefig

    def savefig(self: Any, *args: object, **options: object) -> None:
        figures.append(self)
        saved(self, *args, **options)

    monkeypatch.setattr(module.Figure, "savefig", savefig)
    source, picture = tmp_path / "quality.json", tmp_path / "docs" / "quality.png"
    source.write_text(json.dumps(RESULTS))
    assert main(["--from-json", str(source), "--plot", str(picture)]) == 0
    assert picture.read_bytes().startswith(b"\x89PNG")
    (axes,) = figures[0].axes
    assert axes.get_title() == "PESQ-WB"
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    assert list(handles["q2d2"].lines[0].get_xydata().ravel()) == [1.5, 1.69, 2.94, 2.8]
    assert list(handles["q2d2 searched"].lines[0].get_ydata()) == [2.7]
    assert list(handles["Opus"].lines[0].get_ydata()) == [2.45]  # not the row with loss
    assert list(handles["our target"].get_xydata().ravel()) == [1.5, 2.3, 2.94, 2.8]
    lyra = handles["Lyra v2 (published, other clips)"]
    assert lyra.get_markerfacecolor() == "none"
    assert list(lyra.get_xydata()[0]) == [3.2, 2.31]
    for family in ("EVS", "AMR-WB", "HILCodec", "EnCodec"):
        assert f"{family} (published, other clips)" in handles


def test_the_report_says_how_much_is_missing() -> None:
    text = to_markdown(EVALUATION)
    assert "| q2d2 1.50 kbps | 1.69 of 2.30: 0.61 short |" in text
    assert "| q2d2 2.94 kbps | 2.80 of 2.80: met |" in text
    assert text.count(" of 2.80: ") == 1  # not in noise, and not searched
    assert "| q2d2 1.50 kbps | 1.69 of 2.17: 0.48 short |" in text
    assert "| q2d2 2.94 kbps | 2.80 of 2.60: met |" in text
    peers = Evaluation(EVALUATION.rows[3:], EVALUATION.metrics, ())
    assert "targets" not in to_markdown(peers)


def test_losses_have_targets_of_their_own() -> None:
    rows = tuple(_row("q2d2_6", "q2d2 5.81 kbps", 5.8, pesq, loss) for pesq, loss in
                 ((3.1, 0.0), (2.43, 0.05), (1.9, 0.1)))  # fmt: skip
    metrics = choose_metrics(["pesq", "distillmos", "nll"])
    for row, (mos, nll) in zip(rows, ((3.7, 0.27), (3.5, 0.4), (3.0, 0.9)), strict=True):
        row.entries[0].scores.update(
            {METRICS["distillmos"].key(): Score(mos), METRICS["nll"].key(): Score(nll)}
        )
    text = to_markdown(Evaluation(rows, tuple(metrics), ()))
    table = text.split("### Of bitstream version 1")[1].split("###")[0]
    assert "| q2d2 5.81 kbps | 3.10 of 3.00: met | 3.70 of 3.72: 0.02 short |" in table
    lost = "| q2d2 5.81 kbps, 5% of packets lost | 2.43 of 2.45: 0.02 short "
    assert lost + "| falls by 0.20 of 0.15: 0.05 too much |" in table
    assert "0.270 of 0.271: met |" in table
    assert "1.90" not in table


def test_files_are_held_against_the_targets_of_their_own_rates() -> None:
    rows = (
        _row("q2d2_1.5", "q2d2 1.50 kbps", 1.5, 2.2, coded=1.1),
        _row("q2d2_2", "q2d2 1.98 kbps", 1.98, 2.3, coded=1.45),
        _row("q2d2_2_search", "q2d2 1.98 kbps, searched", 1.98, 2.4, coded=1.4),
        _row("q2d2_3", "q2d2 2.94 kbps", 2.94, 2.5, coded=2.1),
    )
    text = to_markdown(Evaluation(rows, EVALUATION.metrics, ()))
    _, table = text.split("### In files of the targets' rates")
    assert "| 1.50 | q2d2 1.98 kbps | 1.45 | 2.30 of 2.30: met |" in table
    assert "| 2.94 | q2d2 2.94 kbps | 2.10 | 2.50 of 2.80: 0.30 short |" in table
    without = to_markdown(Evaluation((rows[0], rows[3]), EVALUATION.metrics, ()))
    assert "In files of" not in without  # it would be the table above once more


def test_other_json_is_refused_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = copy.deepcopy(RESULTS)
    del broken["codecs"][1]["kbps"]
    empty: dict[str, object] = {"metrics": {}, "codecs": []}
    texts = [json.dumps(broken), json.dumps(empty), "[]", "{}", "no JSON"]
    for text in texts:
        (tmp_path / "q.json").write_text(text)
        picture = tmp_path / "q.png"
        assert main(["--from-json", str(tmp_path / "q.json"), "--plot", str(picture)]) == 1
        assert capsys.readouterr().err.count("\n") == 1
        assert not picture.exists()
    assert main(["--from-json", str(tmp_path / "none.json"), "--plot", "q.png"]) == 1
    assert "expected what --json writes" in capsys.readouterr().err
    with pytest.raises(InputError, match="no results"):
        save_rate_quality_plot({"metrics": {}, "codecs": [{"loss": 0}]}, tmp_path / "q.png")


def test_options_that_miss_their_other_half(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--from-json", "q.json"]) == 1
    assert "--plot" in capsys.readouterr().err
    assert main(["--quick"]) == 1
    assert "--data" in capsys.readouterr().err
