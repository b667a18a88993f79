"""Shared fixtures: bundled speech and the shipped codec."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

SPEECH = Path(__file__).parent.parent / "apps" / "speech"


@pytest.fixture(scope="session")
def speech() -> NDArray[np.float32]:
    """Real speech, 24 kHz mono, whole frames."""
    pcm, rate = soundfile.read(SPEECH / "kathleen_en_0.flac", dtype="float32")
    assert rate == 24_000
    return pcm[: len(pcm) // 320 * 320]
