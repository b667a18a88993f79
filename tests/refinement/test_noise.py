"""Where the noise stands is a function of the number of the frame."""

from __future__ import annotations

import numpy as np
import pytest

from q2d2_stream.refinement.noise import MODULUS, noise_seeds, noise_state


@pytest.mark.train
def test_a_state_is_that_of_as_many_steps() -> None:
    torch = pytest.importorskip("torch", reason="the noise it is compared with is the network's")
    from q2d2_stream.model.excitation import NoisePhase

    noise = NoisePhase(321)
    state = noise.initial_state(1)
    np.testing.assert_array_equal(noise_state(0, 321), state.numpy())
    for frames in range(1, 60):
        _, state = noise(1, state)
        np.testing.assert_array_equal(noise_state(frames, 321), state.numpy())
    assert state.dtype == torch.float32


def test_it_comes_again_after_its_whole_period() -> None:
    np.testing.assert_array_equal(noise_state(17, 321), noise_state(17 + MODULUS, 321))
    first = noise_state(0, 321)
    assert not any(np.array_equal(first, noise_state(n, 321)) for n in range(1, MODULUS))


def test_seeds_are_scattered() -> None:
    seeds = noise_seeds(321)
    assert 0 <= seeds.min() <= seeds.max() < MODULUS
    assert len(set(np.diff(seeds).tolist())) > 300
