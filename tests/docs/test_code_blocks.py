"""The code of the README and of the guides, run as a reader would; tables against the code."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from q2d2_stream.cli.exit_codes import ExitCode
from q2d2_stream.cli.main import main
from q2d2_stream.config import BITSTREAM_1
from q2d2_stream.service.config import ServiceConfig
from tests.labs.documents import Block, blocks, shell_commands
from tests.labs.paths import ROOT, SPEECH

RUN = ("README.md", "docs/index.md", "docs/guides/python.md")
PYTHON = [
    pytest.param(
        path,
        block,
        id=f"{path}:{block.line}",
        marks=[pytest.mark.net] if "asyncio" in block else [],
    )
    for path in RUN
    for block in blocks(Path(path), "python")
]


@pytest.mark.parametrize(("path", "block"), PYTHON)
def test_python_runs(path: str, block: Block, tmp_path: Path) -> None:
    shutil.copy(SPEECH / "kathleen_en_0.flac", tmp_path / "speech.flac")
    program = tmp_path / "example.py"
    program.write_text(block)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, f"{path}:{block.line}: {done.stderr}"


@pytest.mark.slow
def test_the_guide_to_files_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(SPEECH / "kathleen_en_0.flac", tmp_path / "speech.wav")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus" / "talks").mkdir(parents=True)
    shutil.copy(SPEECH / "kathleen_en_0.flac", tmp_path / "corpus" / "talks" / "one.flac")
    for block in blocks(Path("docs/guides/files.md"), "sh"):
        for words in shell_commands(re.sub(r"--jobs \d+", "--jobs 1", block)):
            assert main(words[1:]) == 0, words
    heard = next((tmp_path / "heard").rglob("*.flac"))
    for path in (tmp_path / "back.wav", tmp_path / "spoken.wav", heard):
        assert path.stat().st_size > 40_000


def test_configurations_are_ones(tmp_path: Path) -> None:
    found = blocks(Path("docs/guides/raspberry_pi.md"), "toml")
    known = ServiceConfig.__dataclass_fields__
    assert len(found) == 2
    assert all(set(tomllib.loads(toml)) <= set(known) for toml in found)


def test_exit_codes_are_those_of_the_commands() -> None:
    text = (ROOT / "docs" / "reference" / "exit_codes.md").read_text()
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", text, re.MULTILINE))
    assert rows == {str(int(code)): code.meaning for code in ExitCode}


def test_the_rates_of_the_guide_are_those_of_the_codec() -> None:
    text = (ROOT / "docs" / "topics" / "codec.md").read_text()
    rows = re.findall(
        r"^\| `([\d.]+)` \| (\d+)(?: and refinement)? \| ([\d.]+) \| ([\d.]+) \|$",
        text,
        re.MULTILINE,
    )
    ladder = [
        (rate.name, str(rate.pairs), f"{rate.bits_per_frame:.1f}", f"{rate.kbps:.2f}")
        for rate in BITSTREAM_1.ladder
    ]
    assert rows == ladder
