"""The training command as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.labs.paths import ROOT

torch = pytest.importorskip("torch", reason="training is tested where the extra [train] is")
pytest.importorskip("pyworld", reason="training is tested where the extra [train] is")

pytestmark = [pytest.mark.train, pytest.mark.slow]


def test_two_processes_train_and_leave_a_checkpoint(tmp_path: Path, speech: np.ndarray) -> None:
    """Started as a module: what the processes run has to be found by its name."""
    soundfile.write(tmp_path / "a.wav", speech, 24_000)
    command = [
        sys.executable,
        "-m",
        "research.train",
        "--data",
        str(tmp_path),
        "--minutes",
        "0.001",
    ]
    options = ["--stage", "1", "--processes", "2", "--batch", "1"]
    done = subprocess.run(
        [*command, *options, "--out", str(tmp_path / "run")],
        cwd=ROOT, capture_output=True, text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "stage1.pt").exists()
