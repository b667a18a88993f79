"""The table of what entropy coding saves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from research.experiments import coded_rate


def test_the_table_has_whole_bytes_and_never_more_than_packed(
    speech: NDArray[np.float32], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    soundfile.write(tmp_path / "clip.wav", speech[:72_000], 24_000)
    assert coded_rate.main(["--data", str(tmp_path)]) == 0
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert rows[0] == ["frames", "1.5 kbps", "2 kbps", "3 kbps", "6 kbps"]
    costs = {
        row[0]: [tuple(map(float, cell.split(",")[0].split(" -> "))) for cell in row[1:]]
        for row in rows[2:-1]
    }
    assert [packed for packed, _ in costs["1 (message)"]] == [24.0, 32.0, 40.0, 80.0]
    # refinement has another form where it is packed
    assert all(coded <= packed for cells in costs.values() for packed, coded in cells[:3])
    assert all(cells[3][1] > cells[2][1] + 20 for cells in costs.values())
    # longer runs cost less, and speech is worth coding
    assert costs["75 (block of a file)"][2][1] < costs["1 (message)"][2][1] < 40.0
    files = [round(coded * 75 / 1000, 2) for _, coded in costs["75 (block of a file)"]]
    assert [float(each) for each in rows[-1][1:]] == [
        pytest.approx(each, abs=0.011) for each in files
    ]
