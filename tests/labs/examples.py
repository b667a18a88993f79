"""How many examples a property is tried with."""

from __future__ import annotations

from hypothesis import settings

__all__ = ["examples"]

_USUAL = 100  # of hypothesis


def examples(count: int) -> settings:
    """``count`` of them, more or fewer as the profile has more or fewer than usual."""
    usual = settings.default
    assert usual is not None
    return settings(max_examples=max(1, count * usual.max_examples // _USUAL))
