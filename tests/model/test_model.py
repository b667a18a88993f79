"""Encoder, lattice and decoder together: streaming is offline, and costs stay in budget."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="the model is tested where the extra [train] is")

import torch
from torch import Tensor

from q2d2_stream.errors import ModelError
from q2d2_stream.lattice import Lattice
from q2d2_stream.model import ModelConfig
from q2d2_stream.model.net import CodecNet

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def net() -> CodecNet:
    torch.manual_seed(1)
    net = CodecNet(ModelConfig()).eval()
    with torch.no_grad():  # a pitch head with opinions, as a trained one has
        net.decoder.head.bias[-65:-1] = -0.5 * (torch.arange(64) - 25.2).square()
    return net


@torch.no_grad()
def test_streamed_encoder_gives_the_same_tokens(net: CodecNet, speech: NDArray[np.float32]) -> None:
    pcm = torch.from_numpy(speech[: 320 * 90])[None]
    whole, _ = net.encoder(pcm, net.encoder.initial_state())
    state, parts = net.encoder.initial_state(), []
    for chunk in torch.split(pcm, [320, 640, 320 * 50, 320 * 37], dim=1):
        latent, state = net.encoder(chunk, state)
        parts.append(latent)
    assert torch.equal(net.quantizer(torch.cat(parts, 1))[1], net.quantizer(whole)[1])


@torch.no_grad()
def test_streamed_decoder_gives_the_same_audio(net: CodecNet, speech: NDArray[np.float32]) -> None:
    points, _ = net.encode(torch.from_numpy(speech[: 320 * 60])[None])
    flags = torch.eye(5)[torch.arange(60) % 5][None]
    whole, _ = net.decoder(points, flags, net.decoder.initial_state())
    state, parts = net.decoder.initial_state(), []
    for n in range(60):
        pcm, state = net.decoder(points[:, n : n + 1], flags[:, n : n + 1], state)
        parts.append(pcm)
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-4, rtol=0)


@torch.no_grad()
def test_the_future_changes_no_token_and_no_sample_of_the_past(
    net: CodecNet, speech: NDArray[np.float32]
) -> None:
    pcm = torch.from_numpy(speech[: 320 * 40].copy())[None]
    changed = pcm.clone()
    changed[:, 320 * 30 :] *= -0.5
    outs = []
    for x in (pcm, changed):
        points, index = net.encode(x)
        flags = torch.eye(5)[3].expand(1, 40, 5)
        outs.append((index[:, :30], net.decoder(points, flags, net.decoder.initial_state())[0]))
    assert torch.equal(outs[0][0], outs[1][0])
    assert torch.equal(outs[0][1][:, : 320 * 30], outs[1][1][:, : 320 * 30])
    assert not torch.equal(outs[0][1], outs[1][1])


@pytest.mark.parametrize("kind", ["rhombic", "hexagonal", "rectangular"])
def test_quantizer_is_the_lattice(kind: str) -> None:
    from q2d2_stream.config import CodecConfig
    from q2d2_stream.model.quantizer import Quantizer

    config = CodecConfig(lattice=kind, levels=(9, 9, 7, 5), rates=(1, 2))
    lattice, quantizer = Lattice.of(config), Quantizer(config)
    latent = np.random.default_rng(0).normal(0, 3, (4000, 4)).astype(np.float32)
    points, index = quantizer(torch.from_numpy(latent))
    theirs = lattice.nearest(latent)
    same = index.numpy() == theirs
    assert same.mean() > 0.9999  # float32 and float64 may part at a cell border
    mine = points.numpy().reshape(-1, 2, 2)[same]
    np.testing.assert_allclose(mine, lattice.normalised(theirs).reshape(-1, 2, 2)[same], atol=1e-6)


def test_gradient_goes_straight_through(net: CodecNet) -> None:
    latent = torch.randn(5, 24, requires_grad=True)
    net.quantizer(latent)[0].sum().backward()
    assert latent.grad is not None
    torch.testing.assert_close(latent.grad, (1.0 / net.quantizer.norm).expand(5, 24))


@torch.no_grad()
@pytest.mark.parametrize("signal", ["silence", "full-scale noise", "square wave", "click"])
def test_strange_input_stays_finite(net: CodecNet, signal: str) -> None:
    pcm = torch.zeros(1, 320 * 20)
    if signal == "full-scale noise":
        pcm = torch.rand(1, 320 * 20) * 2 - 1
    elif signal == "square wave":
        pcm[0, ::2] = 1.0
    elif signal == "click":
        pcm[0, 3000] = 1.0
    points, _ = net.encode(pcm)
    out, _ = net.decoder(points, torch.eye(5)[3].expand(1, 20, 5), net.decoder.initial_state())
    assert torch.isfinite(out).all()


@torch.no_grad()
def test_drift_below_speech_is_hardly_heard(net: CodecNet, speech: NDArray[np.float32]) -> None:
    analysis, frames = net.encoder.analysis, 40
    pcm = torch.from_numpy(speech[: 320 * frames])[None]
    t = torch.arange(pcm.shape[1]) / 24_000

    def features(samples: Tensor) -> Tensor:  # of windows without the step at the start
        found: Tensor = analysis(samples, analysis.initial_state(1))[0]
        return found[:, 3:]

    # what a constant and a slope do to features is rounding, but in bins with nothing else in them
    assert (features(pcm + 0.3 - 0.1 * t) - features(pcm)).abs().mean() < 1e-3
    wind = features(0.1 * torch.sin(2 * torch.pi * 10 * t)[None])
    loudest = torch.exp((wind[..., :481] - 2.0) / 0.3).amax(-1)
    assert (loudest < 0.1 * 10 ** (-14 / 20)).all()  # the tone's own magnitude would be 0.1


def test_config_of_another_format_is_refused() -> None:
    text = ModelConfig().to_json()
    assert ModelConfig.from_json(text) == ModelConfig()
    with pytest.raises(ModelError, match="format 0"):
        ModelConfig.from_json(text.replace('"format": 1', '"format": 0'))
    with pytest.raises(ModelError, match="not a model configuration"):
        ModelConfig.from_json("{}")


def test_size_and_cost_are_within_budget(net: CodecNet) -> None:
    from export.graphs import DecoderGraph, EncoderGraph, count_macs, count_parameters

    graphs: list[EncoderGraph | DecoderGraph] = [
        EncoderGraph(net.encoder),
        DecoderGraph(net.decoder),
    ]
    assert sum(count_parameters(graph) for graph in graphs) < 5e6
    assert sum(count_macs(graph) for graph in graphs) * 75 < 350e6


@torch.no_grad()
def test_noise_of_a_flat_spectrum_is_gaussian_and_no_train_of_clicks(net: CodecNet) -> None:
    decoder, frames = net.decoder, 600
    angle, _ = decoder.noise_phase(frames, decoder.noise_phase.initial_state(1))
    windows = decoder.inverse(torch.cos(angle), torch.sin(angle)) * decoder.window
    hiss = (windows[:, 1:, :320] + windows[:, :-1, 320:]).flatten()
    hiss = (hiss - hiss.mean()) / hiss.std()
    assert 2.8 < hiss.pow(4).mean() < 3.2  # a click in every frame had 122
    per_frame = hiss.reshape(-1, 320).square().mean(1)
    assert per_frame.std() < 0.2


def test_clips_of_a_batch_begin_with_sources_of_their_own(net: CodecNet) -> None:
    state = net.decoder.random_state(3)
    assert len({tuple(row) for row in state.noise.tolist()}) == 3
    assert len(set(state.phase[:, 0].tolist())) == 3
    assert all(not block.any() for block in state.blocks)
    again, _ = net.decoder.noise_phase(2, state.noise)
    assert torch.isfinite(again).all()
    assert again.min() >= 0.0
    assert again.max() < 2.0 * torch.pi
