"""Scripts that the browser client is held to: Python still does what they say."""

from __future__ import annotations

import json

import pytest

from tests.labs import message_vectors, sending_vectors
from tests.labs.codec_vectors import FOLDER
from tests.labs.session_vectors import ANSWERS


@pytest.mark.parametrize("name", ANSWERS)
def test_python_does_what_the_scripts_say(name: str) -> None:
    for vector in json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8")):
        question = {key: vector.pop(key) for key in ("setup", "steps")}
        answer = json.loads(json.dumps(ANSWERS[name](question)))
        assert answer == vector, "run python -m tests.labs.session_vectors"


def test_messages_mean_what_the_vectors_say() -> None:
    for vector in json.loads(message_vectors.FILE.read_text(encoding="utf-8")):
        means = vector.pop("means")
        answer = json.loads(json.dumps(message_vectors.answer(vector)))
        assert answer["means"] == means, "run python -m tests.labs.message_vectors"


def test_senders_decide_what_the_vectors_say() -> None:
    stored = json.loads(sending_vectors.FILE.read_text(encoding="utf-8"))
    made = json.loads(json.dumps(sending_vectors.make()))
    assert made == stored, "run python -m tests.labs.sending_vectors"
