"""Tables and pictures are made from the records that are kept, without training."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

from research.experiments import codebooks, levels, sounds, trained_lattices

pytestmark = pytest.mark.train


@pytest.mark.parametrize("experiment", [trained_lattices, codebooks, levels])
def test_codecs_are_compared_from_the_records(
    experiment: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert experiment.main(["--pictures", str(tmp_path)]) == 0  # type: ignore[attr-defined]
    said = capsys.readouterr().out
    rows = [line for line in said.splitlines() if line.startswith("| rhombic |")]
    assert rows
    assert " ± " in rows[0]
    for picture in tmp_path.iterdir():
        kept = Path("docs/pictures") / picture.name
        assert kept.exists()


def test_scores_of_sounds_need_no_sounds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sounds.main(["--pictures", str(tmp_path)]) == 0
    assert (tmp_path / "sounds.svg").stat().st_size < 100_000
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| codec | kind |")
    assert len(lines) > 3
