"""The programs of apps/, run as a reader would: they are what the documents show."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.labs.paths import ROOT, SPEECH

PROGRAMS = ("batch", "bytes", "call", "files", "microphone", "robot")
SOUND = SPEECH / "s2i_en_3.flac"


def start(name: str, *arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, str(ROOT / "apps" / f"{name}.py"), *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(name: str, *arguments: str | Path) -> str:
    process = start(name, *arguments)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out


def seconds(path: Path) -> float:
    return float(soundfile.info(path).duration)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_is_short_and_says_how_it_is_run(name: str) -> None:
    text = (ROOT / "apps" / f"{name}.py").read_text()
    assert len(text.splitlines()) <= 60
    said = ast.get_docstring(ast.parse(text)) or ""
    assert f"python apps/{name}.py" in said


def test_bytes(tmp_path: Path) -> None:
    out = run("bytes", SOUND, tmp_path / "heard.wav", "--rate", "1.5", "--loss", "0.1")
    kbps = re.search(r"([\d.]+) kbps", out)
    assert kbps
    assert 0.8 < float(kbps[1]) < 1.8
    assert seconds(tmp_path / "heard.wav") == pytest.approx(seconds(SOUND), abs=0.05)


def test_files(tmp_path: Path) -> None:
    out = run("files", SOUND, tmp_path / "a.q2d2", tmp_path / "b.flac", "--rate", "6")
    assert f"{(tmp_path / 'a.q2d2').stat().st_size} bytes" in out
    assert seconds(tmp_path / "b.flac") == pytest.approx(seconds(SOUND), abs=1e-3)


@pytest.mark.slow
def test_microphone(tmp_path: Path) -> None:
    pcm, rate = soundfile.read(SOUND, dtype="float32")
    soundfile.write(tmp_path / "said.wav", pcm[:rate], rate)
    run("microphone", "--input", tmp_path / "said.wav", "--output", tmp_path / "heard.wav")
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="float32")
    assert len(heard) == pytest.approx(24_000, abs=640)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(pcm[:rate] ** 2)), rel=0.5)


@pytest.mark.net
def test_a_call_with_the_robot(tmp_path: Path) -> None:
    """It is heard to repeat what was said to it."""
    pcm, rate = soundfile.read(SOUND, dtype="float32")
    # The caller listens for as long as this plus a second: the silence leaves room for the pause
    # that the robot waits for, its answer, and 3 s of delay each way on a busy machine.
    said = np.concatenate([pcm[: 2 * rate], np.zeros(8 * rate, np.float32)])
    soundfile.write(tmp_path / "said.wav", said, rate)
    secret = ("--secret", "correct horse battery")
    robot = start("robot", "127.0.0.1:0", "--calls", "1", *secret)
    try:
        assert robot.stdout is not None
        port = re.search(r"port (\d+)", robot.stdout.readline())
        assert port
        address = f"127.0.0.1:{port[1]}"
        out = run("call", address, tmp_path / "said.wav", tmp_path / "heard.wav", *secret)
        assert "kbps sent" in out
        _, err = robot.communicate(timeout=60)
        assert robot.returncode == 0, err
    finally:
        robot.kill()
    heard, _ = soundfile.read(tmp_path / "heard.wav", dtype="float32")
    level = np.sqrt(np.sum(heard**2) / np.sum(said**2))
    assert 0.5 < level < 1.5


@pytest.mark.slow
def test_a_batch(tmp_path: Path) -> None:
    (tmp_path / "deeper").mkdir()
    shutil.copy(SOUND, tmp_path / "one.flac")
    shutil.copy(SOUND, tmp_path / "deeper" / "two.flac")
    assert "one.flac: 5.6 s" in run("batch", tmp_path, "--jobs", "2")
    assert (tmp_path / "deeper" / "two.q2d2").stat().st_size > 500
    (tmp_path / "three.wav").write_bytes(b"no sound at all")
    process = start("batch", tmp_path, "--jobs", "1")
    out, _ = process.communicate(timeout=240)
    assert process.returncode == 1
    assert out.count("FAILED") == 1
    assert "three.wav" in out
