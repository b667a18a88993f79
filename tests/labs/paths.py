"""Where the checkout's files lie."""

from __future__ import annotations

from pathlib import Path

__all__ = ["ROOT", "SPEECH"]

ROOT = Path(__file__).resolve().parents[2]
SPEECH = ROOT / "apps" / "speech"
