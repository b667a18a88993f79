"""The refinement in torch: levels, symbols and gains."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="the network is tested where torch is")

import torch

from q2d2_stream.model import Decoder, ModelConfig
from q2d2_stream.model.refinement import Refinement, hold_gains
from q2d2_stream.refinement import BANDS, ErrorMeter, RefinementCode, Refiner, band_bank

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def refinement() -> Refinement:
    return Refinement(24_000, 320)


def test_bands_share_every_bin_out() -> None:
    bank = band_bank(640, 24_000)
    assert bank.shape == (BANDS, 321)
    assert np.allclose(bank.sum(0), 1.0)
    assert bank.min() >= 0


def test_symbols_are_within_half_a_step_or_in_the_dead_zone(refinement: Refinement) -> None:
    error = torch.randn(50, BANDS) * 0.8
    step = float(refinement.step)
    for coarser in (1.0, 1.7):
        got = refinement.error(refinement.symbols(error, coarser), coarser)
        assert float((got - error).abs().max()) <= 0.6 * step * coarser + 1e-5
    assert torch.equal(refinement.symbols(torch.zeros(1, BANDS)), torch.zeros(1, BANDS))


def test_speech_that_is_too_quiet_in_a_band_is_raised_there(
    refinement: Refinement, speech: NDArray[np.float32]
) -> None:
    decoder = Decoder(ModelConfig())
    said = torch.from_numpy(speech[: 60 * 320]).reshape(1, -1, 320)
    nothing = torch.zeros(1, 320)
    quiet = refinement.refine(decoder, said, torch.full((1, 60, BANDS), -0.7))
    levels = [refinement.levels(decoder.spectrum(x, nothing)) for x in (said[:, :-1], quiet)]
    loud = levels[0] > levels[0].max() - 4.0
    assert float((levels[0] - levels[1])[loud].mean()) == pytest.approx(0.7, abs=0.05)
    back = refinement.refine(decoder, quiet, torch.full((1, 59, BANDS), 0.7))
    assert float((back - said[:, :-2])[:, 2:].abs().max()) < 1e-4


def test_without_errors_speech_stays_as_it_is(
    refinement: Refinement, speech: NDArray[np.float32]
) -> None:
    decoder = Decoder(ModelConfig())
    said = torch.from_numpy(speech[: 20 * 320]).reshape(1, -1, 320)
    same = refinement.refine(decoder, said, torch.zeros(1, 20, BANDS))
    assert float((same - said[:, :-1]).abs().max()) < 1e-5


def test_lost_gains_fade_and_return() -> None:
    sent = torch.arange(1.0, 11.0)[None, :, None].expand(1, 10, BANDS)
    lost = torch.tensor([[0, 0, 1, 1, 1, 1, 0, 0, 0, 0]]).bool()
    none = torch.tensor([[0, 0, 0, 0, 0, 0, 0, 0, 1, 1]]).bool()
    known = hold_gains(sent, ~lost & ~none, lost)[0, :, 0]
    expected = [1, 2, 1.4, 0.98, 0.686, 0, 7, 8, 0, 0]
    assert torch.allclose(known, torch.tensor(expected))


def test_frame_by_frame_in_numpy_is_the_whole_clip_in_torch(
    refinement: Refinement, speech: NDArray[np.float32]
) -> None:
    decoder = Decoder(ModelConfig())
    original = torch.from_numpy(speech[: 80 * 320]).reshape(1, -1, 320)
    rng = np.random.default_rng(0)
    rough = original + 0.02 * torch.from_numpy(rng.standard_normal((1, 80, 320), np.float32))
    late = torch.cat([torch.zeros(1, 1, 320), rough[:, :-1]], 1)  # as a decoder's output is
    found, _ = refinement.errors(decoder, original, late)
    whole = refinement.symbols(found)
    lost = torch.zeros(1, 80, dtype=torch.bool)
    lost[0, 30:35] = True
    none = torch.zeros(1, 80, dtype=torch.bool)
    none[0, 60:] = True
    sent = refinement.error(whole)
    heard = refinement.refine(decoder, late, hold_gains(sent, ~lost & ~none, lost))[0].numpy()

    code = RefinementCode(
        refinement.mean.numpy(),
        refinement.basis.numpy(),
        float(refinement.step),
        np.ones(18, np.float32),
    )
    meter, refiner = ErrorMeter(24_000, 320), Refiner(24_000, 320)
    seen, state, same, out = meter.initial_state(), refiner.initial_state(), [], []
    for t in range(80):
        error, seen = meter.step(original[0, t].numpy(), late[0, t].numpy(), seen)
        symbols = code.symbols(error)
        same.append((symbols == whole[0, t].numpy() + 30).mean())
        came = None if lost[0, t] or none[0, t] else code.symbols_to_error(symbols)
        frame, state = refiner.step(late[0, t].numpy(), came, state, lost=bool(lost[0, t]))
        out.append(frame)
    assert np.mean(same) > 0.999
    assert np.abs(np.stack(out)[1:] - heard).max() < 2e-3
