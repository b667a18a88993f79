"""The traces that the browser's playout is held to are what Python's playout does today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.labs.codec_vectors import FOLDER
from tests.labs.playout_vectors import MAKERS


def _assert_equal(made: Any, stored: Any, where: str) -> None:
    # Sums of 32-bit samples depend on the order that a processor adds them in.
    if isinstance(stored, float):
        assert made == pytest.approx(stored, rel=1e-6, abs=1e-4), where
        return
    assert type(made) is type(stored), where
    if isinstance(stored, dict | list):
        assert len(made) == len(stored), where
        for key in stored if isinstance(stored, dict) else range(len(stored)):
            _assert_equal(made[key], stored[key], f"{where}/{key}")
    else:
        assert made == stored, where


@pytest.mark.parametrize("name", MAKERS)
def test_they_are_current(name: str) -> None:
    stored = json.loads((FOLDER / f"{name}.json").read_text())
    made = json.loads(json.dumps(MAKERS[name]()))
    _assert_equal(made, stored, "run python -m tests.labs.playout_vectors")
