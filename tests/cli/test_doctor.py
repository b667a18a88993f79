"""``q2d2 doctor``: lines, JSON, exit status."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from q2d2_stream.cli.main import main
from q2d2_stream.doctor import Check, Finding, Verdict


def _pretend(monkeypatch: pytest.MonkeyPatch, verdict: Verdict) -> None:
    facts = {"engine": "onnx", "precision": "fp32", "median_ms": 1.0}

    def run_check(check: Check) -> list[Finding]:
        return [Finding(check.name, verdict, "as it is", "do [something]", facts)]

    monkeypatch.setattr("q2d2_stream.doctor.run_check", run_check)


@pytest.mark.parametrize(
    ("verdict", "status"), [(Verdict.GREEN, 0), (Verdict.YELLOW, 0), (Verdict.RED, 1)]
)
def test_exit_status_is_the_worst_verdict(
    verdict: Verdict,
    status: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _pretend(monkeypatch, verdict)
    assert main(["doctor", "--no-sound"]) == status
    out = capsys.readouterr().out
    assert "Python: as it is" in out
    assert "-> do [something]" in out  # no markup, no colours in a pipe
    assert "\x1b" not in out


def test_json_is_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _pretend(monkeypatch, Verdict.YELLOW)
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "yellow"
    assert {"name", "verdict", "text", "advice", "facts"} == set(report["findings"][0])


def test_configuration_names_what_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Check] = []

    def run_check(check: Check) -> list[Finding]:
        seen.append(check)
        return []

    monkeypatch.setattr("q2d2_stream.doctor.run_check", run_check)
    path = tmp_path / "q2d2.toml"
    path.write_text('peer = "far:9000"\ninput = "USB"\n')
    main(["doctor", "--config", str(path), "--input", "other"])
    options = {check.name: check.options for check in seen}
    assert options["peer"]["peer"] == "far:9000"
    assert options["sound system"]["wanted_input"] == "other"


def test_a_broken_configuration_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "q2d2.toml"
    path.write_text("peer =")
    assert main(["doctor", "--config", str(path)]) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_folder_without_models_is_red(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert main(["doctor", "--models", str(tmp_path), "--no-sound"]) == 1
    assert "no engine runs here" in capsys.readouterr().out
