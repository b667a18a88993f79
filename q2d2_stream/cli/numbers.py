"""Numbers on a command line: nan is none, and nothing lasts for ever or less than nothing."""

from __future__ import annotations

import argparse
import math

__all__ = ["seconds"]

_DAY_S = 86_400.0


def seconds(text: str) -> float:
    """A length of time above 0 s, of a day at most; for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value <= _DAY_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time, expected seconds above 0")
    return value
