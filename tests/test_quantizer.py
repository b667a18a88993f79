"""Noise shaping: a lattice with a memory, in numpy and in torch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError, ModelError
from q2d2_stream.lattice import Lattice
from q2d2_stream.quantizer import LAGS, NoiseShaper

CONFIG = CodecConfig()
LATTICE = Lattice.of(CONFIG)
SIZE = (LAGS, 2 * CONFIG.pairs)


def shaped(feedback: np.ndarray | None, latents: np.ndarray) -> np.ndarray:
    shaper = NoiseShaper(LATTICE, feedback)
    return np.array([shaper.quantize(latent) for latent in latents])


def random_latents(seed: int, frames: int = 40, spread: float = 2.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, (frames, SIZE[1])).astype(np.float32)


@given(st.integers(0, 1000), st.floats(0.01, 50.0))
def test_without_feedback_it_is_the_lattice(seed: int, spread: float) -> None:
    latents = random_latents(seed, spread=spread)
    inside = latents.clip(-LATTICE.scale, LATTICE.scale).astype(np.float32)
    np.testing.assert_array_equal(shaped(None, latents), LATTICE.nearest(inside))


def test_errors_are_given_back() -> None:
    """With all of the last error given back, the mean of many points is the latent, however far it
    is from any point; without, it never is."""
    latents = np.tile(random_latents(1, 1, 0.5), (200, 1))
    whole = np.zeros(SIZE)
    whole[0] = 1.0
    mean = LATTICE.point(shaped(whole, latents)).mean(0)
    np.testing.assert_allclose(mean, latents[0], atol=0.01)
    alone = LATTICE.point(LATTICE.nearest(latents)).mean(0)
    assert np.abs(alone - latents[0]).max() > 0.3


def test_errors_cannot_pile_up() -> None:
    """A latent that no point reaches leaves an error, but not one that grows."""
    far = np.full((300, SIZE[1]), 1e6, np.float32)
    shaper = NoiseShaper(LATTICE, np.full(SIZE, 0.5))
    for latent in far:
        shaper.quantize(latent)
    there = LATTICE.point(shaper.quantize(np.zeros(SIZE[1], np.float32)))
    assert np.abs(there).max() <= 1.0


def test_pairs_do_not_hear_of_each_other() -> None:
    """So a rate's indices are those of a higher one, less the last."""
    feedback = np.random.default_rng(2).uniform(-0.5, 0.5, SIZE)
    one, other = random_latents(3), random_latents(4)
    other[:, :6] = one[:, :6]
    np.testing.assert_array_equal(shaped(feedback, one)[:, :3], shaped(feedback, other)[:, :3])


def test_a_bad_latent_counts_for_nothing() -> None:
    feedback = np.full(SIZE, 0.4)
    latents = random_latents(5)
    shaper, untouched = NoiseShaper(LATTICE, feedback), NoiseShaper(LATTICE, feedback)
    for latent in latents[:20]:
        shaper.quantize(latent), untouched.quantize(latent)
    for bad in (np.nan, np.inf, -np.inf):
        with pytest.raises(InputError, match="finite"):
            shaper.quantize(np.where(np.arange(SIZE[1]) == 7, bad, latents[20]).astype(np.float32))
    for latent in latents[20:]:
        np.testing.assert_array_equal(shaper.quantize(latent), untouched.quantize(latent))


def test_reset_begins_a_stream() -> None:
    latents, feedback = random_latents(6), np.full(SIZE, 0.4)
    shaper = NoiseShaper(LATTICE, feedback)
    for latent in latents:
        shaper.quantize(latent)
    shaper.reset()
    again = np.array([shaper.quantize(latent) for latent in latents])
    np.testing.assert_array_equal(again, shaped(feedback, latents))


@pytest.mark.parametrize(
    "feedback", [np.zeros((1, 24)), np.zeros((2, 23)), np.full(SIZE, np.nan), "none", [[1], [1, 2]]]
)
def test_what_is_no_feedback_is_refused(feedback: object) -> None:
    with pytest.raises(ModelError, match="feedback"):
        NoiseShaper(LATTICE, feedback)  # type: ignore[arg-type]


@pytest.mark.train
def test_torch_shapes_as_the_engine_does() -> None:
    torch = pytest.importorskip("torch")
    from q2d2_stream.model.quantizer import Quantizer

    quantizer = Quantizer(CONFIG)
    feedback = np.random.default_rng(7).uniform(-0.5, 0.5, SIZE).astype(np.float32)
    with torch.no_grad():
        quantizer.feedback.copy_(torch.from_numpy(feedback))
    latents = np.stack([random_latents(8, 500), random_latents(9, 500, 6.0)])
    points, indices = quantizer.shaped(torch.from_numpy(latents))
    for clip, mine, theirs in zip(latents, points.detach().numpy(), indices.numpy(), strict=True):
        expected = shaped(feedback, clip)
        # float32 and float64 may part at a cell border, and once parted stay so for a while
        assert (theirs == expected).mean() > 0.995
        same = (theirs == expected).all(1)
        np.testing.assert_allclose(mine[same], LATTICE.normalised(expected[same]), atol=1e-6)


@pytest.mark.train
def test_gradients_of_shaping() -> None:
    """The latents' goes straight through, the feedback's is what each error would do."""
    torch = pytest.importorskip("torch")
    from q2d2_stream.model.quantizer import Quantizer

    quantizer = Quantizer(CONFIG)
    latents = torch.from_numpy(random_latents(10)[None]).requires_grad_()
    points, _ = quantizer.shaped(latents)
    (points * quantizer.norm).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(latents.grad, torch.ones_like(latents))
    edge = torch.tensor(LATTICE.scale, dtype=torch.float32)
    inside = latents.detach().clamp(-edge, edge)
    errors = inside - quantizer.nearest(inside)[0]
    expected = torch.stack([errors[0, :-1].sum(0), errors[0, :-2].sum(0)])
    torch.testing.assert_close(quantizer.feedback.grad, expected)
