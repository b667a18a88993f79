"""What the browser's playout and sound are held to is what Python does today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.labs.codec_vectors import FOLDER
from tests.labs.playout_vectors import MAKERS as PLAYOUT
from tests.labs.sound_vectors import MAKERS as SOUND


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


def _check(name: str, made: Any, lab: str) -> None:
    stored = json.loads((FOLDER / f"{name}.json").read_text())
    _assert_equal(json.loads(json.dumps(made)), stored, f"run python -m tests.labs.{lab}; {name}")


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAYOUT)
def test_playout(name: str) -> None:
    _check(name, PLAYOUT[name](), "playout_vectors")


@pytest.mark.parametrize("name", SOUND)
def test_sound(name: str) -> None:
    _check(name, SOUND[name](), "sound_vectors")
