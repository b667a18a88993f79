"""The example of docs/guides/embedding.md, run as a reader would."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from q2d2_stream.engine import load_codec
from q2d2_stream.engine.choice import available
from q2d2_stream.engine.codec import MODELS
from tests.labs.paths import ROOT

DOCUMENT = ROOT / "docs" / "guides" / "embedding.md"


@pytest.mark.skipif(
    ("tflite", "int8") not in available(MODELS), reason="no TFLite models or no LiteRT here"
)
def test_the_example_is_our_codec(speech: NDArray[np.float32], tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert "q2d2_stream" not in code
    source, target = tmp_path / "in.wav", tmp_path / "out.wav"
    pcm = speech[: 100 * 320]
    soundfile.write(source, pcm, 24_000, subtype="FLOAT")
    program = tmp_path / "example.py"
    program.write_text(code)
    lost = {0, 1, 2, *range(30, 41), 60}
    command = [sys.executable, *map(str, (program, MODELS, source, target, *sorted(lost)))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    codec = load_codec(engine="tflite", precision="int8")
    decoder, indices = codec.decoder(), codec.encoder("3").push(pcm)
    frames = [decoder.push(None if n in lost else frame) for n, frame in enumerate(indices)]
    expected = np.concatenate(frames)
    heard, _ = soundfile.read(target, dtype="float32")
    np.testing.assert_array_equal(heard, expected)


def test_the_document_names_the_tensors_of_the_files() -> None:
    pytest.importorskip("onnxruntime")
    import onnxruntime

    _, encoder, decoder = re.split(r"\| (?:encoder|decoder) \| shape", DOCUMENT.read_text())
    for role, text in (("encoder", encoder), ("decoder", decoder)):
        path = MODELS / f"{role}.onnx"
        if not path.exists():
            pytest.skip("no ONNX models here")
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for tensor in session.get_inputs():
            first_of_its_kind = re.fullmatch(r"state\.block[1-9]\d*", tensor.name) is None
            if first_of_its_kind:
                row = next(line for line in text.splitlines() if f"`{tensor.name}`" in line)
                assert f"({', '.join(map(str, tensor.shape))})" in row
