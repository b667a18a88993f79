"""Losses of hearing against what they are modelled on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
import soxr
from numpy.typing import NDArray
from scipy.signal import lfilter

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import torch
from torch import Tensor

from q2d2_stream.analysis_by_synthesis.perceptual import ContrastLoss, NsimLoss, PesqLoss, StoiLoss

pytestmark = pytest.mark.train

Pcm: TypeAlias = NDArray[np.float32]
Damage: TypeAlias = Callable[[Pcm], Pcm]


def test_losses_of_hearing_are_zero_for_the_same_and_grow_with_the_damage(speech: Pcm) -> None:
    clean = torch.from_numpy(speech[24_000:96_000].copy())[None]
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(1))
    for loss in (PesqLoss(24_000), StoiLoss(24_000, 320)):
        damage = [float(loss(clean + level * noise, clean)) for level in (0.0, 0.003, 0.03)]
        assert damage[0] < 0.01
        assert damage[0] < damage[1] < damage[2]


def _hummed(pcm: Pcm) -> Pcm:
    hum = 0.05 * np.sin(2 * np.pi * 50 / 24_000 * np.arange(len(pcm)))
    return pcm + np.asarray(hum, np.float32)


def _hissing(level: float) -> Damage:
    rng = np.random.default_rng
    return lambda pcm: pcm + np.float32(level) * rng(0).standard_normal(len(pcm), np.float32)


def _muffled(pcm: Pcm) -> Pcm:
    return np.asarray(lfilter([0.05], [1.0, -0.95], pcm), np.float32)


def _coded(pcm: Pcm) -> Pcm:
    return _smoothed(torch.from_numpy(pcm)[None], 9, 5).numpy()[0, : len(pcm)]


@pytest.mark.parametrize(
    "damage", [_hissing(0.001), _hissing(0.01), _hissing(0.1), _hummed, _muffled, _coded]
)
def test_pesq_loss_is_what_pesq_takes_off(damage: Damage, speech: Pcm) -> None:
    pytest.importorskip("pesq")
    from research.eval.signal_metrics import pesq_wb

    damaged = damage(speech)[: len(speech)]
    clean = speech[: len(damaged)]
    score = pesq_wb(clean, damaged)
    raw = (3.8224 - np.log(4.0 / (score - 0.999) - 1.0)) / 1.3669  # P.862.2, undone
    lost = PesqLoss(24_000)(torch.from_numpy(damaged)[None], torch.from_numpy(clean)[None])
    assert 4.5 - float(lost) == pytest.approx(raw, abs=0.25)


@pytest.mark.parametrize("damage", [_hissing(0.001), _hissing(0.01), _hissing(0.05), _coded])
@pytest.mark.parametrize("pause", [0, 48_000])
def test_stoi_loss_is_the_complement_of_stoi(damage: Damage, pause: int, speech: Pcm) -> None:
    stoi = pytest.importorskip("pystoi").stoi
    clean = np.concatenate([speech[:60_000], np.zeros(pause, np.float32), speech[60_000:120_000]])
    rough = damage(clean)[: len(clean)]
    lost = StoiLoss(24_000, 320)(torch.from_numpy(rough)[None], torch.from_numpy(clean)[None])
    assert 1.0 - float(lost) == pytest.approx(stoi(clean, rough, 24_000), abs=0.02)


def _smoothed(pcm: Tensor, bins: int, frames: int) -> Tensor:
    """Speech with its own phases, and log magnitudes averaged over bins and frames."""
    window = torch.hann_window(640)
    spectrum = torch.stft(pcm, 640, 160, window=window, return_complex=True)
    log = torch.log(spectrum.abs() + 1e-5)[:, None]
    edges = (frames // 2, frames // 2, bins // 2, bins // 2)
    log = torch.nn.functional.pad(log, edges, mode="replicate")
    smooth = torch.nn.functional.avg_pool2d(log, (bins, frames), 1)[:, 0]
    flat = torch.polar(torch.exp(smooth), spectrum.angle())
    return torch.istft(flat, 640, 160, window=window, length=pcm.shape[1])


@pytest.mark.parametrize(("bins", "frames"), [(21, 1), (1, 7)])
def test_contrast_loss_hears_what_is_smoothed_over_frequency_or_time(
    bins: int, frames: int, speech: Pcm
) -> None:
    clean = torch.from_numpy(speech[24_000:96_000].copy())[None]
    loss = ContrastLoss(24_000, 320)
    same, smoothed = _smoothed(clean, 1, 1), _smoothed(clean, bins, frames)
    assert float(loss(clean, clean)) == 0.0
    assert loss(smoothed, clean) > 3.0 * loss(same, clean)
    moved = smoothed.requires_grad_()
    (auxiliary,) = torch.autograd.grad(loss(moved, clean), moved)
    assert torch.isfinite(auxiliary).all()
    step = 0.001 * moved.detach().norm() * auxiliary / auxiliary.norm()
    assert loss(moved - step, clean) < loss(moved, clean)


@pytest.mark.parametrize("damage", [_hissing(0.001), _hissing(0.01), _coded])
def test_nsim_loss_is_the_complement_of_nsim(damage: Damage, speech: Pcm) -> None:
    pytest.importorskip("visqol")
    pytest.importorskip("ai_edge_litert")
    from visqol import VisqolApi

    clean = speech[: 24_000 * 4]
    rough = damage(clean)[: len(clean)]
    visqol = VisqolApi()
    visqol.create(mode="speech", use_lattice_model=True)
    one, other = (soxr.resample(pcm.astype(np.float64), 24_000, 16_000) for pcm in (clean, rough))
    nsim = visqol.measure_from_arrays(one, other, 16_000).vnsim
    lost = NsimLoss(24_000)(torch.from_numpy(rough)[None], torch.from_numpy(clean)[None])
    assert 1.0 - float(lost) == pytest.approx(nsim, abs=0.04)


@pytest.mark.parametrize("loss", [PesqLoss(24_000), NsimLoss(24_000)])
def test_a_loss_of_silence_has_a_gradient(loss: PesqLoss | NsimLoss) -> None:
    silence = torch.zeros(2, 12_800, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(silence, torch.zeros(2, 12_800)).sum(), silence)
    assert torch.isfinite(gradient).all()
