"""Mutual information, rotations, and the study of pairs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

from research.experiments.pairs import klt, mutual_information, study, to_points

pytestmark = pytest.mark.train


def test_mutual_information_of_gaussians_is_that_of_their_correlation() -> None:
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(2, 50_000))
    assert mutual_information(x, noise) == pytest.approx(0.0, abs=0.003)
    y = 0.8 * x + 0.6 * noise
    # bins lose a little of it
    assert mutual_information(x, y) == pytest.approx(-0.5 * np.log2(1 - 0.64), rel=0.08)


def test_a_series_of_few_values_tells_all_of_itself() -> None:
    x = np.random.default_rng(0).integers(0, 4, 20_000) / 3.0
    assert mutual_information(x, x) == pytest.approx(2.0, abs=0.01)


def test_klt_takes_the_correlation_out() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 4)) @ rng.normal(size=(4, 4))
    axes = klt(x)
    np.testing.assert_allclose(axes @ axes.T, np.eye(4), atol=1e-12)
    after = np.cov((x @ axes).T)
    np.testing.assert_allclose(after, np.diag(np.diag(after)), atol=1e-9)
    assert (np.diff(np.diag(after)) <= 1e-9).all()


def test_independent_latents_lose_nothing_when_pairs_are_broken() -> None:
    x = np.tanh(0.7 * np.random.default_rng(0).normal(size=(6000, 12)))
    found = study(x, seed=0)
    assert abs(found["information_pairs"]) < 0.01
    assert found["snr_own_db"] == pytest.approx(found["snr_broken_db"], abs=0.05)
    # both coordinates of a point are whole, or both halves: one bit, of the grid itself
    assert found["information_points"] == pytest.approx(1.0, abs=0.1)
    assert to_points(x).shape == x.shape
