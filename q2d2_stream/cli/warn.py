"""Warnings of commands that go on all the same."""

from __future__ import annotations

import sys

__all__ = ["warn"]


def warn(sentence: str) -> None:
    """Say it on stderr."""
    print(f"q2d2: warning: {sentence}", file=sys.stderr)
