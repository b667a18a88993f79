"""What a user installs: the product, its models, and nothing of what made them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

import q2d2_stream
from tests.labs.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Built from a copy, since building writes beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("q2d2_stream", "research", "tests", "export", "tools"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    subprocess.run([*command, str(source)], check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    info = f"q2d2_stream-{q2d2_stream.__version__}.dist-info"
    assert {Path(name).parts[0] for name in wheel.namelist()} == {"q2d2_stream", info}
    files = [path for path in (ROOT / "q2d2_stream").rglob("*") if path.is_file()]
    ours = {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}
    assert {name for name in wheel.namelist() if name.startswith("q2d2_stream/")} == ours


def test_its_metadata_names_version_and_commands(wheel: zipfile.ZipFile) -> None:
    (folder,) = {Path(n).parts[0] for n in wheel.namelist() if ".dist-info/" in n}
    metadata = message_from_bytes(wheel.read(f"{folder}/METADATA"))
    assert metadata["Version"] == q2d2_stream.__version__
    assert metadata["Author"]
    needs = [need for need in metadata.get_all("Requires-Dist", []) if "extra ==" not in need]
    assert "numpy" in " ".join(needs)
    assert "torch" not in " ".join(needs)
    commands = wheel.read(f"{folder}/entry_points.txt").decode()
    assert "q2d2 = q2d2_stream.cli.main:main" in commands
