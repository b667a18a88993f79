"""Means, confidence intervals and entropies against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from research.eval.metrics import Score
from research.eval.summary import mean, token_counts, token_use


def test_mean_and_interval() -> None:
    result = mean([Score(float(value)) for value in (1, 2, 3, 4, 5)])
    # Standard deviation sqrt(2.5), t(4) = 2.776.
    assert result.value == 3
    assert result.half_width == pytest.approx(2.776 * math.sqrt(2.5 / 5), rel=0.01)
    assert result.clips == 5


def test_weights_make_it_all_errors_over_all_words() -> None:
    assert mean([Score(1.0, 1.0), Score(0.0, 9.0)]).value == pytest.approx(0.1)
    assert mean([Score(0.5, 3.0)]).half_width == 0


def test_entropy() -> None:
    tokens = np.array([[0, 1], [1, 1], [2, 1], [3, 1]] * 1000, np.uint8)
    counts = token_counts(tokens, (4, 85))
    assert counts[0] == [1000] * 4
    assert len(counts[1]) == 85
    even, constant = token_use(counts)
    assert even.entropy_bits == pytest.approx(2.0)
    assert even.share == pytest.approx(1.0)
    assert constant.entropy_bits == pytest.approx(0.0)
    assert constant.size_bits == pytest.approx(math.log2(85))
