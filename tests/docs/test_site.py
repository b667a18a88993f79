"""The documentation site: it builds without a warning, asks nothing of other hosts, and plays."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.labs.documents import documents
from tests.labs.paths import ROOT

pytest.importorskip("mkdocs", reason="the extra [docs] is not installed")
pytest.importorskip("mkdocstrings", reason="the extra [docs] is not installed")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder


def _pages(site: Path) -> dict[Path, str]:
    return {path: path.read_text() for path in site.rglob("*.html")}


def test_every_document_is_a_page(site: Path) -> None:
    for path in documents():
        if path.parts[0] == "docs" or path.parts[:2] == ("research", "log"):
            name = path.with_suffix(".html").relative_to("docs") if path.parts[0] == "docs" else (
                path.with_suffix(".html")
            )  # fmt: skip
            page = site / (name.with_name("index.html") if name.stem == "README" else name)
            assert page.exists(), path


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    loads = re.compile(
        r"<(?:script|img|audio|iframe|source)[^>]*\ssrc=[\"']?(?:https?:)?//[^\s>]*"
        r"|<link[^>]*\shref=[\"']?(?:https?:)?//[^\s>]*"
    )
    for path, text in _pages(site).items():
        found = [tag for tag in loads.findall(text) if 'rel="canonical"' not in tag]
        assert not found, path
    for style in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//", style.read_text()), style


def test_sounds_are_there_to_be_played(site: Path) -> None:
    players = 0
    for path, text in _pages(site).items():
        for source in re.findall(r'<audio [^>]*src="([^"]+)"', text):
            assert (path.parent / source).exists(), (path, source)
            players += 1
    assert players >= 36
    assert ".ogg)" not in (site / "samples" / "index.html").read_text()


def test_the_reference_has_the_api_and_the_commands(site: Path) -> None:
    api = (site / "reference" / "api.html").read_text()
    for name in ("load_codec", "StreamEncoder.encode", "StreamDecoder.decode"):
        assert f'id="q2d2_stream.{name}"' in api, name
    commands = (site / "reference" / "cli.html").read_text()
    for name in ("call", "loopback", "encode", "decode", "info", "doctor", "serve", "bench"):
        assert f"usage: q2d2 {name}" in commands, name


def test_programs_are_shown_whole(site: Path) -> None:
    page = re.sub(r"<[^>]+>", "", (site / "guides" / "programs.html").read_text())
    shown = html.unescape(page)
    programs = re.findall(
        r"\(../../(apps/\w+\.py)\)", (ROOT / "docs/guides/programs.md").read_text()
    )
    assert len(programs) >= 6
    for program in programs:
        assert (ROOT / program).read_text().strip() in shown, program
