"""The package as its users see it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

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
NEEDS_TORCH = ("q2d2_stream.model", "q2d2_stream.analysis_by_synthesis")


def _modules() -> list[ParameterSet]:
    # By their files: pkgutil imports every package on its way, torch too.
    root = Path(q2d2_stream.__file__).parent
    files = [path.relative_to(root.parent).with_suffix("") for path in root.rglob("*.py")]
    names = sorted(".".join(path.parts).removesuffix(".__init__") for path in files)
    return [
        pytest.param(name, marks=pytest.mark.train if name.startswith(NEEDS_TORCH) else ())
        for name in names
        if not name.endswith("__main__")
    ]


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = f"import q2d2_stream, sys; print([m for m in {HEAVY} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize("name", _modules())
def test_all_names_what_exists(name: str) -> None:
    if name.startswith(NEEDS_TORCH):
        pytest.importorskip("torch", reason="the network is tested where torch is")
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), f"{name}.__all__ names {public}, which does not exist"
