"""The vectors that the browser client is held to are what Python answers today."""

from __future__ import annotations

import json

import pytest

from tests.labs.codec_vectors import ANSWERS, FOLDER


@pytest.mark.parametrize("name", ANSWERS)
def test_they_are_current(name: str) -> None:
    for vector in json.loads((FOLDER / f"{name}.json").read_text()):
        answer = json.loads(json.dumps(ANSWERS[name](vector)))
        stored = {key: vector[key] for key in answer}
        assert answer == stored, "run python -m tests.labs.codec_vectors"
