"""Every layer: the future changes nothing in the past, and chunks add up to the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import pytest

pytest.importorskip("torch", reason="the model is tested where the extra [train] is")

import torch
from torch import Tensor, nn

from q2d2_stream.model import ModelConfig
from q2d2_stream.model.excitation import NoisePhase, PulseTrain
from q2d2_stream.model.features import Analysis
from q2d2_stream.model.layers import CausalDepthwiseConv, CausalStack, ConvNeXtBlock
from q2d2_stream.model.transform import InverseRealDft, RealDft, bin_order

pytestmark = pytest.mark.train

FRAMES, DIM = 24, 16


class Layer(Protocol):
    """What all layers have."""

    def initial_state(self, batch: int) -> Any: ...
    def __call__(self, x: Tensor, state: Any) -> tuple[Tensor, Any]: ...
    def eval(self) -> Layer: ...


class _Pulses(nn.Module):
    """PulseTrain behind the face of the other layers."""

    def __init__(self) -> None:
        super().__init__()
        self.train_ = PulseTrain(24_000, 320)

    def initial_state(self, batch: int) -> Any:
        return self.train_.initial_state(batch, torch.device("cpu"))

    def forward(self, x: Tensor, state: Any) -> Any:
        return self.train_(120.0 + 40.0 * torch.tanh(x[..., 0]), state)


class _Noise(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.noise = NoisePhase(DIM)

    def initial_state(self, batch: int) -> Any:
        return self.noise.initial_state(batch)

    def forward(self, x: Tensor, state: Any) -> Any:
        return self.noise(x.shape[1], state)


class _Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.analysis = Analysis(ModelConfig())

    def initial_state(self, batch: int) -> Any:
        return self.analysis.initial_state(batch)

    def forward(self, x: Tensor, state: Any) -> Any:
        pcm = 0.1 * x.repeat_interleave(320 // DIM, -1)
        return self.analysis(pcm.reshape(len(x), -1), state)


LAYERS: dict[str, Callable[[], Layer]] = {
    "conv": lambda: CausalDepthwiseConv(DIM, 7),
    "block": lambda: ConvNeXtBlock(DIM, 7, 3, 0.5),
    "stack": lambda: CausalStack(DIM, 3, 7, 3),
    "pulses": _Pulses,
    "noise": _Noise,
    "features": _Features,
}


@pytest.fixture(params=LAYERS)
def layer(request: pytest.FixtureRequest) -> Layer:
    torch.manual_seed(0)
    return LAYERS[request.param]().eval()


@torch.no_grad()
def test_the_future_changes_nothing_in_the_past(layer: Layer) -> None:
    x = torch.randn(2, FRAMES, DIM)
    changed = x.clone()
    changed[:, 15:] += 1.0
    before, _ = layer(x, layer.initial_state(2))
    after, _ = layer(changed, layer.initial_state(2))
    assert torch.equal(before[:, :15], after[:, :15])


@torch.no_grad()
@pytest.mark.parametrize("chunks", [[1] * FRAMES, [5, 1, 7, 11], [23, 1]])
def test_chunks_add_up_to_the_whole(layer: Layer, chunks: list[int]) -> None:
    x = torch.randn(2, FRAMES, DIM)
    whole, _ = layer(x, layer.initial_state(2))
    state, parts = layer.initial_state(2), []
    for part in torch.split(x, chunks, dim=1):
        y, state = layer(part, state)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-4)


def test_every_initial_state_is_zero(layer: Layer) -> None:
    state = layer.initial_state(1)
    for tensor in state if isinstance(state, tuple) else (state,):
        assert not tensor.any()


@pytest.mark.parametrize("size", [8, 640, 960])
def test_transforms_are_the_fourier_transform(size: int) -> None:
    x = torch.randn(3, size, dtype=torch.float64).float()
    wanted = torch.fft.rfft(x)[..., bin_order(size)]
    re, im = RealDft(size)(x)
    torch.testing.assert_close(re, wanted.real, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(im, wanted.imag, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(InverseRealDft(size)(re, im), x, atol=1e-5, rtol=1e-4)


def test_pulse_train_has_its_harmonics_and_unit_power() -> None:
    layer = PulseTrain(24_000, 320)
    f0 = torch.full((1, 75), 200.0)
    pcm, _ = layer(f0, layer.initial_state(1, torch.device("cpu")))
    pcm = pcm.reshape(-1)
    assert abs(float(pcm.square().mean()) - 1.0) < 0.02
    power = torch.fft.rfft(pcm).abs().square()
    harmonics = torch.arange(200, 11_401, 200)  # one bin is one hertz
    assert float(power[harmonics].sum() / power.sum()) > 0.98
    assert float(power[11_700:].sum() / power.sum()) < 1e-3


def test_noise_generator_has_its_full_period_exactly() -> None:
    layer = NoisePhase(4)
    state, seen = layer.initial_state(1), set()
    for _ in range(NoisePhase.MODULUS):
        _, state = layer(1, state)
        seen.add(float(state[0, 0]))
    assert len(seen) == NoisePhase.MODULUS
    assert not state.any()  # and it is back where it began, to the last bit
