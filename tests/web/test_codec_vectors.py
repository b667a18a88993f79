"""The vectors that the browser client is held to are what Python answers today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.labs.codec_vectors import ANSWERS, FOLDER

# Of fractions: transforms and matrix products are rounded differently on every machine.
_TOLERANCE = 2e-4


def agree(found: Any, stored: Any) -> bool:
    """Whether two answers are equal, all but the last places of fractions."""
    if isinstance(found, dict):
        return found.keys() == stored.keys() and all(agree(found[k], stored[k]) for k in found)
    if isinstance(found, list):
        return len(found) == len(stored) and all(map(agree, found, stored))
    if isinstance(found, float):
        return bool(abs(found - stored) <= _TOLERANCE * (1 + abs(stored)))
    return bool(found == stored)


@pytest.mark.parametrize("name", ANSWERS)
def test_they_are_current(name: str) -> None:
    for vector in json.loads((FOLDER / f"{name}.json").read_text()):
        answer = json.loads(json.dumps(ANSWERS[name](vector)))
        stored = {key: vector[key] for key in answer}
        assert agree(answer, stored), "run python -m tests.labs.codec_vectors"
