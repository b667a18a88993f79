"""Errors as numbers, and both ends of the closed loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.config import REFINEMENT_LEVELS
from q2d2_stream.errors import ModelError
from q2d2_stream.lattice import Lattice
from q2d2_stream.refinement import (
    BANDS,
    STEPS,
    SYMBOL_ZERO,
    SYMBOLS,
    Bands,
    ErrorMeter,
    RefinementCode,
    Refiner,
    SymbolChoice,
    band_bank,
)


def a_code(seed: int = 0) -> RefinementCode:
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((BANDS, BANDS)))[0].astype(np.float32)
    mean = rng.normal(0, 0.1, BANDS).astype(np.float32)
    return RefinementCode(mean, basis, 0.7, np.linspace(1.5, 0.5, 18, dtype=np.float32), 0.125)


CODE = a_code()


def test_bands_share_every_bin_out() -> None:
    bank = band_bank(640, 24_000)
    assert bank.shape == (BANDS, 321)
    np.testing.assert_allclose(bank.sum(0), 1.0)
    assert bank.min() >= 0
    middles = bank.argmax(1) * 37.5
    assert middles[0] < 150
    assert 7500 < middles[-1] < 8100


def test_a_louder_sine_has_a_higher_level_and_a_gain_undoes_it() -> None:
    bands = Bands(24_000, 320)
    sine = np.sin(2 * np.pi * 1000 / 24_000 * np.arange(640)).astype(np.float32)
    levels = [bands.levels(bands.spectrum(scale * sine)) for scale in (0.1, 0.2)]
    near = levels[0].argmax()
    assert levels[1][near] - levels[0][near] == pytest.approx(np.log(2), abs=0.01)
    louder = bands.spectrum(0.1 * sine) * bands.gains(levels[1] - levels[0])
    assert bands.levels(louder)[near] == pytest.approx(levels[1][near], abs=0.05)


@given(st.integers(0, 2**32 - 1), st.integers(0, len(STEPS) - 1), st.floats(0.05, 3.0))
def test_symbols_tell_an_error_to_within_a_step(seed: int, step: int, spread: float) -> None:
    error = np.random.default_rng(seed).normal(0, spread, (5, BANDS)).astype(np.float32)
    symbols = CODE.symbols(error, step)
    assert symbols.dtype == np.uint8
    assert symbols.max() < SYMBOLS
    got = CODE.symbols_to_error(symbols, step)
    away = np.abs((got - error) @ CODE.basis)
    inside = (symbols > 0) & (symbols < SYMBOLS - 1)
    assert away[inside].max(initial=0) <= 0.61 * CODE.step * STEPS[step]
    np.testing.assert_array_equal(CODE.symbols(got, step), symbols)


@given(st.integers(0, 2**32 - 1), st.integers(0, len(STEPS) - 1), st.floats(0.1, 30.0))
def test_the_sender_chooses_the_cheapest_symbols(seed: int, step: int, spread: float) -> None:
    """Number by number as in arrays, with small errors and with some that no symbol reaches."""
    rng = np.random.default_rng(seed)
    bits = rng.uniform(0.1, 14.0, (BANDS, SYMBOLS))
    bits[: BANDS // 2, SYMBOL_ZERO] = 0.5  # as in tables of speech, where none is the likeliest
    choice = SymbolChoice(CODE, step, bits, 2.0)
    for error in rng.normal(0, spread, (5, BANDS)).astype(np.float32):
        symbols, taken = choice.symbols(error)
        np.testing.assert_array_equal(symbols, CODE.symbols(error, step, bits))
        assert taken == pytest.approx(2.0 + bits[np.arange(BANDS), symbols].sum())


@given(st.integers(0, 2**32 - 1))
def test_the_fixed_form_is_always_of_one_size(seed: int) -> None:
    error = np.random.default_rng(seed).normal(0, 1.0, (4, BANDS)).astype(np.float32)
    indices = CODE.indices(error)
    assert indices.shape == (4, len(REFINEMENT_LEVELS) // 2)
    assert (indices < Lattice("rhombic", REFINEMENT_LEVELS).codes).all()
    got = CODE.indices_to_error(indices)
    np.testing.assert_array_equal(CODE.indices(got), indices)


def test_no_error_is_no_symbol() -> None:
    assert (CODE.symbols(CODE.mean) == SYMBOL_ZERO).all()
    np.testing.assert_allclose(
        CODE.symbols_to_error(np.full(BANDS, SYMBOL_ZERO, np.uint8)), CODE.mean
    )


def test_a_code_comes_back_from_metadata() -> None:
    again = RefinementCode.from_json(CODE.to_json())
    np.testing.assert_allclose(again.basis, CODE.basis, atol=1e-3)
    np.testing.assert_allclose(again.mean, CODE.mean, atol=1e-3)
    assert (again.step, again.sharpening) == (CODE.step, CODE.sharpening)
    assert again.to_json() == RefinementCode.from_json(again.to_json()).to_json()


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", CODE.to_json().replace('"step": 0.7', '"step": -1')]
)
def test_damaged_statistics_are_refused(text: str) -> None:
    with pytest.raises(ModelError, match="damaged"):
        RefinementCode.from_json(text)


def test_without_errors_speech_passes_a_frame_later(speech: np.ndarray) -> None:
    refiner, out = Refiner(24_000, 320), []
    state = refiner.initial_state()
    frames = speech[: 30 * 320].reshape(-1, 320)
    for frame in frames:
        refined, state = refiner.step(frame, None, state)
        out.append(refined)
    assert np.abs(np.stack(out)[1:] - frames[:-1]).max() < 1e-5


def test_the_loop_closes(speech: np.ndarray) -> None:
    """Speech whose bands are 5 dB off comes back."""
    rng = np.random.default_rng(1)
    gain = np.exp(rng.normal(0, 0.6, BANDS)).astype(np.float32)
    bands, meter, refiner = Bands(24_000, 320), ErrorMeter(24_000, 320), Refiner(24_000, 320)
    none, straight = np.zeros(BANDS, np.float32), np.eye(BANDS, dtype=np.float32)
    code = RefinementCode(none, straight, 0.1, CODE.unit)
    frames = speech[: 60 * 320].reshape(-1, 320)
    bins = np.interp(np.arange(161), np.linspace(0, 107, 40), gain)
    off = np.fft.irfft(np.fft.rfft(frames) * bins)
    late = np.concatenate([np.zeros((1, 320)), off[:-1]]).astype(np.float32)
    seen, state, out = meter.initial_state(), refiner.initial_state(), []
    for original, decoded in zip(frames, late, strict=True):
        error, seen = meter.step(original, decoded, seen)
        refined, state = refiner.step(decoded, code.symbols_to_error(code.symbols(error)), state)
        out.append(refined)

    def level_error(got: np.ndarray, wanted: np.ndarray) -> float:
        windows = [np.concatenate([x[:-1], x[1:]], 1) for x in (got, wanted)]
        a, b = (np.stack([bands.levels(bands.spectrum(w)) for w in each]) for each in windows)
        return float(np.sqrt(np.square(a - b)[b > b.max() - 4].mean()))

    before, after = level_error(off, frames), level_error(np.stack(out)[2:], frames[:-2])
    assert before > 0.3
    assert after < 0.35 * before


def test_a_lost_error_fades_and_the_next_one_is_whole() -> None:
    refiner = Refiner(24_000, 320)
    state = refiner.initial_state()
    frame, error = np.ones(320, np.float32) * 0.1, np.full(BANDS, 0.5, np.float32)
    known = []
    for came, lost in ((error, False), *[(None, True)] * 5, (error, False), (None, False)):
        _, state = refiner.step(frame, came, state, lost=lost)
        known.append(float(state.error[0]))
    assert known == pytest.approx([0.5, 0.35, 0.245, 0.1715, 0, 0, 0.5, 0])


def test_sharpening_deepens_valleys(speech: np.ndarray) -> None:
    """Of refined windows alone."""
    frames = speech[: 20 * 320].reshape(-1, 320)
    spectra, nearly_none = [], np.full(BANDS, 1e-6, np.float32)
    for sharpening in (0.0, 0.2):
        refiner = Refiner(24_000, 320, sharpening)
        state, out = refiner.initial_state(), []
        for frame in frames:
            refined, state = refiner.step(frame, nearly_none, state)
            out.append(refined)
        window = np.concatenate(out[9:11])
        spectra.append(np.log(np.abs(np.fft.rfft(window * np.hanning(640))) + 1e-6)[4:200])
    assert np.std(spectra[1]) > 1.05 * np.std(spectra[0])
