"""The clips that a codec is measured on: a bad one is named and left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from q2d2_stream.errors import InputError
from research.eval.clips import load_clips


def test_files_that_cannot_be_read_are_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "text.wav").write_bytes(b"no sound at all")
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 24_000)
    nan = np.full(100, np.nan, np.float32)
    soundfile.write(tmp_path / "nan.wav", nan, 24_000, subtype="FLOAT")
    with pytest.raises(InputError, match="no speech file that can be read"):
        load_clips(tmp_path)
    soundfile.write(tmp_path / "good.wav", np.ones(100) * 0.5, 24_000)
    caplog.clear()
    assert [clip.name for clip in load_clips(tmp_path)] == ["good"]
    for name in ("text.wav", "empty.wav", "nan.wav"):
        assert f"{tmp_path / name}" in caplog.text
