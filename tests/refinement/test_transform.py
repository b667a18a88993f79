"""Transforms of windows are those of numpy, with and without its inner loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from q2d2_stream.refinement import transform as module
from q2d2_stream.refinement.transform import Transform


def agrees_with_numpy(transform: Transform) -> None:
    windows = np.random.default_rng(0).normal(size=(2, 640)).astype(np.float32)
    spectra = transform.forward(windows)
    assert spectra.dtype == np.complex64
    np.testing.assert_array_equal(spectra, np.fft.rfft(windows).astype(np.complex64))
    np.testing.assert_array_equal(spectra[0], transform.forward(windows[0]))
    samples = transform.inverse(spectra[0])
    assert samples.dtype == np.float32
    np.testing.assert_array_equal(samples, np.fft.irfft(spectra[0]).astype(np.float32))


def test_inner_loops_are_used_where_there_are_any() -> None:
    transform = Transform(640)
    assert transform.is_direct == (module._rfft is not None)
    agrees_with_numpy(transform)


def wrong(*_: Any, out: Any) -> None:
    out[...] = 1.0


def refuses(*_: Any, **__: Any) -> None:
    raise TypeError("another number of arguments")


@pytest.mark.parametrize("loop", [None, wrong, refuses])
@pytest.mark.parametrize("name", ["_rfft", "_irfft"])
def test_loops_that_are_not_what_they_were_are_not_used(
    monkeypatch: pytest.MonkeyPatch, name: str, loop: Any
) -> None:
    monkeypatch.setattr(module, name, loop)
    transform = Transform(640)
    assert not transform.is_direct
    agrees_with_numpy(transform)
