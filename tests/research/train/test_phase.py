"""The loss for the phases that shape the pulses."""

from __future__ import annotations

from typing import TypeAlias

import pytest

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import torch
from torch import Tensor

from q2d2_stream.model import Decoder, ModelConfig
from q2d2_stream.model.decoder import Filters
from q2d2_stream.model.transform import bin_order
from research.train.phase import PhaseLoss

pytestmark = pytest.mark.train

FRAMES, RATE, HOP = 24, 24_000, 320
Spoken: TypeAlias = tuple[Tensor, Tensor, Tensor]


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    torch.manual_seed(3)
    return Decoder(ModelConfig(decoder_dim=16, decoder_blocks=1))


def _filters(decoder: Decoder, angle: Tensor) -> Filters:
    frames = torch.zeros(1, FRAMES, decoder.bins)
    return Filters(
        harmonic=frames - 3.0,
        angle=angle.expand(1, FRAMES, -1),
        noise=frames - 14.0,
        pitch=torch.zeros(1, FRAMES, 64),
        voicing=torch.full((1, FRAMES), 9.0),
    )


@pytest.fixture(scope="module")
def spoken(decoder: Decoder) -> Spoken:
    """Phases over the bins, pulses at a gliding pitch, and speech made of both."""
    hz = bin_order(2 * HOP) * (RATE / (2 * HOP))
    angle = 1.5 * torch.sin(hz / 600.0) - 1.0 * torch.cos(hz / 1700.0)
    f0 = torch.linspace(110.0, 140.0, FRAMES)[None]
    state = decoder.initial_state()
    speech, _ = decoder.synthesize(_filters(decoder, angle), f0, state, state.blocks)
    return angle, f0[:, :-1], speech[:, HOP:]


def _loss(
    decoder: Decoder, angle: Tensor, f0: Tensor, speech: Tensor, voiced: Tensor | None = None
) -> Tensor:
    frames = f0.shape[1]
    state = decoder.initial_state()
    pulses, _ = decoder.pulse_train(f0, (state.phase, state.f0))
    spectra = [
        decoder.spectrum(each, state.pulses) for each in (pulses, speech.reshape(pulses.shape))
    ]
    voiced = torch.ones(1, frames) if voiced is None else voiced
    loss: Tensor = PhaseLoss(RATE, HOP)(angle.expand(1, frames, -1), *spectra, f0, voiced)
    return loss


def test_the_right_phases_cost_nothing_wherever_the_pulses_fall(
    decoder: Decoder, spoken: Spoken
) -> None:
    angle, f0, speech = spoken
    late = torch.nn.functional.pad(speech, (37, 0))[:, : speech.shape[1]]
    for heard in (speech, late):
        right = float(_loss(decoder, angle, f0, heard))
        wrong = float(_loss(decoder, torch.zeros_like(angle), f0, heard))
        assert right < 0.1 < 0.3 < wrong


def test_its_gradient_leads_to_the_right_phases(decoder: Decoder, spoken: Spoken) -> None:
    angle, f0, speech = spoken
    found = torch.zeros_like(angle).requires_grad_()
    optimizer = torch.optim.Adam([found], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss = _loss(decoder, found, f0, speech)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(loss.detach()) < 0.15


def test_frames_without_voice_count_nothing(decoder: Decoder, spoken: Spoken) -> None:
    angle, f0, speech = spoken
    n = f0.shape[1]
    voiced = torch.ones(1, n)
    voiced[:, n // 2 :] = 0.0
    noisy = speech.clone()
    noisy[:, n // 2 * HOP :] = torch.randn(noisy[:, n // 2 * HOP :].shape)
    whole = float(_loss(decoder, angle, f0, noisy))
    half = float(_loss(decoder, angle, f0, noisy, voiced))
    assert half < 0.1 < whole
    assert float(_loss(decoder, angle, f0, noisy, 0 * voiced)) == pytest.approx(1.0)
