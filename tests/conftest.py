"""Shared fixtures: bundled speech, and the shipped models but for one."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import settings
from numpy.typing import NDArray

from q2d2_stream.engine.codec import MODELS
from tests.labs.paths import SPEECH

# A busy machine is slow: no example fails for the time it takes.
settings.register_profile("q2d2", deadline=None)
settings.load_profile("q2d2")


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """Real speech, 24 kHz mono, whole frames."""
    pcm, rate = soundfile.read(SPEECH / "kathleen_en_0.flac", dtype="float32")
    assert rate == 24_000
    return pcm[: len(pcm) // 320 * 320]


@pytest.fixture
def without_denoiser(tmp_path: Path) -> Path:
    """A folder of the shipped models but for the denoiser."""
    if not any(MODELS.glob("encoder.*")):
        pytest.skip("there are no model weights here")
    folder = tmp_path / "models"
    folder.mkdir()
    for file in MODELS.iterdir():
        if file.stem.split(".")[0] in ("encoder", "decoder", "indices"):
            shutil.copy(file, folder)
    return folder
