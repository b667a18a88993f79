"""The shipped files on tflite-runtime, the engine of older boards, which wants numpy below 2.

It needs an environment of its own, whose Python ``TFLITE_RUNTIME_PYTHON`` names (CONTRIBUTING.md).
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from q2d2_stream import decode_file
from q2d2_stream.engine import load_codec
from tests.labs.call import SECRET, codec, free_port, start_command
from tests.labs.paths import ROOT, SPEECH

CLIP = SPEECH / "s2i_en_3.flac"

PYTHON = os.environ.get("TFLITE_RUNTIME_PYTHON", "")
pytestmark = [
    pytest.mark.net,
    pytest.mark.skipif(not PYTHON, reason="TFLITE_RUNTIME_PYTHON names no other Python"),
]


def other(*args: str) -> subprocess.CompletedProcess[str]:
    """This package in the other environment."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [PYTHON, *args], capture_output=True, text=True, env=environment, timeout=600
    )


def test_it_is_what_it_is_called() -> None:
    asked = "import numpy, importlib.util as u, tflite_runtime as t; print(numpy.__version__, "
    said = other("-c", asked + "t.__version__, u.find_spec('ai_edge_litert'))").stdout.split()
    assert said[0].startswith("1.")
    assert said[1:] == ["2.14.0", "None"]


@pytest.mark.parametrize("rate", ["1.5", "6"])
def test_the_bundled_clip_is_coded(tmp_path: Path, rate: str) -> None:
    coded, back = tmp_path / "a.q2d2", tmp_path / "a.wav"
    engine = ("--engine", "tflite")
    for args in (
        ("encode", str(CLIP), str(coded), "--rate", rate, *engine),
        ("decode", str(coded), str(back), *engine),
    ):
        done = other("-m", "q2d2_stream", *args)
        assert done.returncode == 0, done.stderr
    heard, _ = soundfile.read(back, dtype="float32")
    ours = tmp_path / "b.wav"
    decode_file(coded, ours, codec=load_codec(engine="tflite"))
    expected, _ = soundfile.read(ours, dtype="float32")  # of LiteRT: pulses may fall elsewhere
    assert len(heard) == len(expected)
    levels = [10 * np.log10(np.square(each).mean()) for each in (heard, expected)]
    assert levels[0] == pytest.approx(levels[1], abs=0.3)


def test_it_calls_litert(tmp_path: Path) -> None:
    codec()
    port = free_port()
    secret = tmp_path / "secret.txt"
    secret.write_text(SECRET + "\n")
    common = ("--secret-file", str(secret), "--rate", "6")
    listener = start_command(
        "call", "--listen", f"127.0.0.1:{port}", *common,
        "--input", "silence", "--output", str(tmp_path / "heard.wav"),
    )  # fmt: skip
    called = other(
        "-m", "q2d2_stream", "call", "--peer", f"127.0.0.1:{port}", "--wait", "30", *common,
        "--input", str(CLIP), "--output", "null", "--engine", "tflite", "--no-ns", "--no-aec",
    )  # fmt: skip
    assert called.returncode == 0, called.stderr
    out, errors = listener.communicate(timeout=60)
    assert listener.returncode == 0, out + errors
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="float32")
    said, _ = soundfile.read(CLIP, dtype="float32")
    energies = np.square(heard).sum(), np.square(said).sum()
    assert abs(10 * np.log10(energies[0] / energies[1])) < 6  # a call has a gain control
