"""Scripts that the browser client is held to: Python still does what they say."""

from __future__ import annotations

import json

import pytest

from tests.labs.codec_vectors import FOLDER
from tests.labs.session_vectors import ANSWERS


@pytest.mark.parametrize("name", ANSWERS)
def test_python_does_what_the_scripts_say(name: str) -> None:
    for vector in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")):
        question = {key: vector.pop(key) for key in ("setup", "steps")}
        answer = json.loads(json.dumps(ANSWERS[name](question)))
        assert answer == vector, "run python -m tests.labs.session_vectors"
