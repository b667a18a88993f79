"""The vectors that the browser client is held to are what Python makes today."""

from __future__ import annotations

import json

import pytest

from tests.labs.codec_vectors import FOLDER, MAKERS


@pytest.mark.parametrize("name", MAKERS)
def test_they_are_current(name: str) -> None:
    stored = json.loads((FOLDER / f"{name}.json").read_text())
    made = json.loads(json.dumps(MAKERS[name]()))
    assert made == stored, "run python -m tests.labs.codec_vectors"
