"""The package as its users see it."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import q2d2_stream

HEAVY = (
    "numpy",
    "torch",
    "onnxruntime",
    "sounddevice",
    "websockets",
    "rich",
    "soundfile",
    "matplotlib",
)
NEEDS_TORCH = ("q2d2_stream.model", "research.train")


def _modules() -> list[str]:
    found = pkgutil.walk_packages(q2d2_stream.__path__, "q2d2_stream.", onerror=lambda _name: None)
    return [m.name for m in found if not m.name.startswith((*NEEDS_TORCH, "q2d2_stream.__main__"))]


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import q2d2_stream, sys; print([m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", _modules())
def test_all_names_what_exists(name: str) -> None:
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), f"{name}.__all__ names {public}, which does not exist"
