"""The browser client's tools: node and npm, and what npm fetches."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.labs.paths import ROOT

__all__ = ["WEB", "install", "npm"]

WEB = ROOT / "web"


def install() -> None:
    """Fetch what ``web/package-lock.json`` lists, unless it is there; skips without node."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm")
    done = subprocess.run(
        ["make", "--silent", "web/node_modules/.package-lock.json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        pytest.skip(f"npm ci fetched nothing: {done.stderr.strip()[-300:]}")


def npm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run npm in ``web/``; what it prints is in ``stdout``."""
    return subprocess.run(
        ["npm", *arguments],
        cwd=WEB,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
