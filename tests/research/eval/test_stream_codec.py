"""Our codec under test: its name, the key of its scores, and what a process of its own computes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import q2d2_stream.engine
from research.eval.codecs import StreamCodec
from tests.files.test_commands import CONFIG, level_codec, steps


def use_level(monkeypatch: pytest.MonkeyPatch, model_id: str = "level") -> None:
    """The smallest codec is what ``load_codec`` gives."""
    monkeypatch.setattr(q2d2_stream.engine, "load_codec", lambda *_, **__: level_codec(model_id))


def test_it_is_named_by_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    use_level(monkeypatch)
    codec = StreamCodec("3")
    assert (codec.name, codec.title) == ("q2d2_3", "q2d2 2.94 kbps")
    assert pickle.loads(pickle.dumps(codec)) == codec != StreamCodec("2")


def test_the_key_tells_models_and_rates_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for model_id in ("level", "other"):
        use_level(monkeypatch, model_id)
        keys += [StreamCodec(rate).key() for rate in ("1.5", "3")]
    assert len(set(keys)) == 4
    assert keys[1].endswith(" rate 2")  # as scores have been kept so far


def test_it_encodes_the_same_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    use_level(monkeypatch)
    pcm, codec = steps(20 * CONFIG.hop), StreamCodec("3")
    for used in (codec, pickle.loads(pickle.dumps(codec))):
        np.testing.assert_allclose(used.roundtrip(pcm).pcm, pcm, atol=1e-4)
