"""Random clips with their pitch, and what the outside world does to them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import soxr
import torch
from numpy.typing import NDArray
from torch import Tensor

from q2d2_stream.config import CodecConfig
from q2d2_stream.netsim.gilbert_elliott import GilbertElliott
from research.train.corpus import HIGHEST_F0, LOWEST_F0, Corpus, Source

__all__ = [
    "REFINED_SHARE",
    "Batch",
    "Clips",
    "Sending",
    "augment",
    "draw_clips",
    "draw_flags",
    "fill_unvoiced",
]


REFINED_SHARE = 0.25
"""Of the clips of a batch, those with refinement, where a stage does not ask for another share."""

# A microphone's response: steps of half an octave from 47 Hz to 12 kHz, and the root of their
# covariance, which falls with the square of their distance in octaves.
_OCTAVES = np.linspace(0.0, 8.0, 17)
_WANDERING = np.linalg.cholesky(
    np.exp(-0.5 * (_OCTAVES[:, None] - _OCTAVES) ** 2) + 1e-3 * np.eye(len(_OCTAVES))
)


class Clips(NamedTuple):
    """Speech and its labels.

    Attributes:
        pcm: ``(batch, 320 * frames)``.
        f0: ``(batch, frames)``, Hz at the end of each frame, interpolated where unvoiced.
        voiced: ``(batch, frames)``, 1 where voiced.
    """

    pcm: Tensor
    f0: Tensor
    voiced: Tensor


class Batch(NamedTuple):
    """What a step of training is given: clips, and what the decoder gets of each frame.

    Attributes:
        pcm, f0, voiced: as in :class:`Clips`.
        flags: ``(batch, frames, rates + 1)``, one-hot of the rate or of "lost".
        mask: ``(batch, frames, 2 * pairs)``, 1 where the latent dimension arrives.
        rate: ``(batch, frames)``, index of the rate at which each frame was sent, lost or not.
        refined: ``(batch, frames)``, 1 where symbols of the refinement arrive.
        step: ``(batch,)``, the refinement's step over the usual one: it adapts to a budget.
    """

    pcm: Tensor
    f0: Tensor
    voiced: Tensor
    flags: Tensor
    mask: Tensor
    rate: Tensor
    refined: Tensor
    step: Tensor


def fill_unvoiced(f0: NDArray[np.float32]) -> NDArray[np.float32]:
    """F0 with its zeros bridged by straight lines in log frequency; 120 Hz when all are zero."""
    voiced = np.nonzero(f0 > 0)[0]
    if not len(voiced):
        return np.full_like(f0, 120.0)
    return np.exp(np.interp(np.arange(len(f0)), voiced, np.log(f0[voiced]))).astype(np.float32)


def _at_speed(
    source: Source, start: int, frames: int, speed: float, hop: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """``frames`` frames from frame ``start`` on, played ``speed`` times as fast, so that pitch and
    formants rise together, as a smaller speaker's; with its F0, 0 where unvoiced."""
    needed = math.ceil(frames * speed) * hop
    raw = np.asarray(source.pcm[start * hop : start * hop + needed], np.float32)
    pcm = np.pad(raw, (0, needed - len(raw))) / np.float32(32767)
    if speed == 1.0:
        f0 = np.asarray(source.f0[start + 1 : start + frames + 1])
        return pcm, np.pad(f0, (0, frames - len(f0)))
    pcm = soxr.resample(pcm, speed, 1.0)[: frames * hop]
    pcm = np.pad(pcm, (0, frames * hop - len(pcm)))
    ends = start + np.arange(1, frames + 1) * speed
    f0 = source.f0[np.minimum(np.rint(ends).astype(int), len(source.f0) - 1)] * np.float32(speed)
    return pcm, np.where((f0 < LOWEST_F0) | (f0 > HIGHEST_F0), np.float32(0), f0)


def draw_clips(
    corpus: Corpus,
    batch: int,
    frames: int,
    rng: np.random.Generator,
    hop: int = 320,
    speeds: tuple[float, float] | None = None,
) -> Clips:
    """Clips from random places of random sources, starting on a hop boundary.

    Clips of near silence are drawn again, up to a few times: they teach little. With ``speeds``
    (lowest, highest) half of the clips are played at another speed, as if by other speakers.
    """
    pcms, f0s = [], []
    for _ in range(batch):
        for _ in range(4):
            source = corpus.sources[rng.choice(len(corpus.sources), p=corpus.weights)]
            speed = 1.0
            if speeds and rng.random() < 0.5:
                speed = float(np.exp(rng.uniform(*np.log(speeds))))
            total = len(source.pcm) // hop
            start = int(rng.integers(0, max(1, total - math.ceil(frames * speed))))
            pcm, f0 = _at_speed(source, start, frames, speed, hop)
            if np.sqrt(np.mean(pcm**2)) > 0.005:
                break
        pcms.append(pcm)
        f0s.append(f0)
    labels = np.stack(f0s)
    filled = np.stack([fill_unvoiced(f0) for f0 in labels])
    return Clips(
        torch.from_numpy(np.stack(pcms)),
        torch.from_numpy(filled),
        torch.from_numpy((labels > 0).astype(np.float32)),
    )


def _filter(pcm: Tensor, gain: Tensor) -> Tensor:
    """A gain for every bin of the whole clip's spectrum."""
    filtered: Tensor = torch.fft.irfft(torch.fft.rfft(pcm) * gain, n=pcm.shape[-1])
    return filtered


def _band_limit(pcm: Tensor, low_hz: float, high_hz: float, sample_rate: int) -> Tensor:
    hz = torch.fft.rfftfreq(pcm.shape[-1], 1.0 / sample_rate).to(pcm.device)
    gate = torch.sigmoid((hz - low_hz) / 15.0) if low_hz else torch.ones_like(hz)
    return _filter(pcm, gate * torch.sigmoid((high_hz - hz) / 60.0))


def _room(pcm: Tensor, rng: np.random.Generator, sample_rate: int) -> Tensor:
    """A synthetic room: the direct sound and exponentially decaying noise behind it."""
    seconds = float(rng.uniform(0.1, 0.5))
    t = np.arange(int(seconds * sample_rate)) / sample_rate
    response = rng.standard_normal(len(t)) * np.exp(-6.9 * t / seconds)
    response *= float(rng.uniform(0.1, 0.4)) / np.sqrt((response**2).sum())
    response[0] = 1.0
    size = -(-(pcm.shape[-1] + len(t)) // 4096) * 4096  # without large prime factors
    taps = torch.from_numpy(response.astype(np.float32)).to(pcm.device)
    wet: Tensor = torch.fft.irfft(
        torch.fft.rfft(pcm, n=size) * torch.fft.rfft(taps, n=size), n=size
    )
    return wet[..., : pcm.shape[-1]]


def _microphone(pcm: Tensor, rng: np.random.Generator, sample_rate: int) -> Tensor:
    """A response that wanders by some 4 dB over an octave or two, and tilts; the level stays."""
    wandering = 4.0 * (_WANDERING @ rng.standard_normal(len(_OCTAVES)))
    decibels = wandering + rng.normal(0.0, 1.0) * (_OCTAVES - 5.0)
    hz = np.fft.rfftfreq(pcm.shape[-1], 1.0 / sample_rate)
    at = np.log2(np.maximum(hz, 1.0) / (sample_rate / 2)) + _OCTAVES[-1]
    gain = 10.0 ** (np.interp(at, _OCTAVES, decibels) / 20.0)
    shaped = _filter(pcm, torch.from_numpy(gain.astype(np.float32)).to(pcm.device))
    return shaped * (pcm.square().mean() / (shaped.square().mean() + 1e-9)).sqrt()


def _coloured_noise(samples: int, rng: np.random.Generator, sample_rate: int) -> Tensor:
    """Gaussian noise of 0 to -9 dB per octave, cut off somewhere from 500 Hz to 12 kHz."""
    white = torch.from_numpy(rng.standard_normal(samples).astype(np.float32))
    hz = torch.fft.rfftfreq(samples, 1.0 / sample_rate).clamp(min=50.0)
    tilt = (hz / 1000.0) ** -float(rng.uniform(0.0, 1.5))
    return _band_limit(_filter(white, tilt), 0.0, float(rng.uniform(500, 12_000)), sample_rate)


def _rumble(samples: int, rng: np.random.Generator, sample_rate: int) -> Tensor:
    """What a microphone picks up below all speech: noise up to 20 to 70 Hz."""
    white = torch.from_numpy(rng.standard_normal(samples).astype(np.float32))
    hz = torch.fft.rfftfreq(samples, 1.0 / sample_rate)
    return _filter(white, torch.sigmoid((float(rng.uniform(20.0, 70.0)) - hz) / 4.0))


def augment(
    pcm: Tensor,
    rng: np.random.Generator,
    noise: Corpus | None = None,
    sample_rate: int = 24_000,
) -> Tensor:
    """Levels from whisper to shout for all; noise, rooms, rumble below speech and narrow bands for
    some.

    The clip is the target too: the codec transmits what the microphone hears.
    """
    pcm = pcm.clone()
    for row in range(pcm.shape[0]):
        if rng.random() < 0.5:
            pcm[row] = _microphone(pcm[row], rng, sample_rate)
        kind = rng.random()
        if kind < 0.06:
            pcm[row] = _band_limit(pcm[row], 300.0, 3400.0, sample_rate)
        elif kind < 0.13:
            pcm[row] = _band_limit(pcm[row], 0.0, 7800.0, sample_rate)
        elif kind < 0.25:
            pcm[row] = _room(pcm[row], rng, sample_rate)
        elif kind < 0.43:
            level = pcm[row].square().mean().sqrt() * 10 ** (-float(rng.uniform(10, 40)) / 20)
            if noise is not None and rng.random() < 0.6:
                interference = draw_clips(noise, 1, pcm.shape[1] // 320, rng).pcm[0]
            else:
                interference = _coloured_noise(pcm.shape[1], rng, sample_rate)
            pcm[row] += interference.to(pcm.device) * (
                level / (interference.square().mean().sqrt() + 1e-4)
            )
        if kind > 0.13 and rng.random() < 0.4:
            level = pcm[row].square().mean().sqrt() * 10 ** (-float(rng.uniform(8, 35)) / 20)
            rumble = _rumble(pcm.shape[1], rng, sample_rate).to(pcm.device)
            pcm[row] += rumble * (level / (rumble.square().mean().sqrt() + 1e-9))
        gain = 10 ** (float(np.clip(rng.normal(0.0, 6.0), -24.0, 10.0)) / 20)
        pcm[row] *= min(gain, 0.99 / (float(pcm[row].abs().max()) + 1e-6))
    return pcm


_LOSSES = GilbertElliott(share=1 / 11, burst=3.0)


def _lost(frames: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which frames are lost: 9 % of them, in bursts of three on average."""
    lost = np.zeros(frames, bool)
    bad = False
    for frame, draw in enumerate(rng.random(frames)):
        lost[frame] = bad = _LOSSES.next(bad, draw)
    return lost


class Sending(NamedTuple):
    """What is sent of some clips, and what arrives; as in :class:`Batch`."""

    flags: Tensor
    mask: Tensor
    rate: Tensor
    refined: Tensor
    step: Tensor


def draw_flags(
    config: CodecConfig,
    batch: int,
    frames: int,
    rng: np.random.Generator,
    refined_share: float = REFINED_SHARE,
) -> Sending:
    """A rate per clip, sometimes changing, and bursts of loss.

    Where there is refinement the first clips have it, ``refined_share`` of them all.
    """
    ladder = config.ladder
    pairs = np.array([*(rate.pairs for rate in ladder), 0])
    top, lost = ladder[-1], len(ladder)
    refined = max(1, int(batch * refined_share)) if top.refined else 0
    rate = np.repeat(rng.integers(0, len(config.rates), (batch, 1)), frames, axis=1)
    received = rate.copy()
    for row in range(batch):
        if row < refined:
            rate[row] = top.index
        if rng.random() < 0.2:
            begin = int(rng.integers(1, frames))
            part = slice(0, begin) if rng.random() < 0.5 else slice(begin, frames)
            rate[row, part] = rng.integers(0, len(config.rates))
        received[row] = rate[row]
        if rng.random() < 0.5:
            received[row, _lost(frames, rng)] = lost
    mask = np.arange(2 * config.pairs) < 2 * pairs[received][..., None]
    flags = np.eye(lost + 1, dtype=np.float32)[received]
    step = np.exp2(np.where(rng.random(batch) < 0.5, 0.0, rng.uniform(0.0, 1.0, batch)))
    return Sending(
        torch.from_numpy(flags),
        torch.from_numpy(mask.astype(np.float32)),
        torch.from_numpy(rate),
        torch.from_numpy((received == top.index).astype(np.float32) * top.refined),
        torch.from_numpy(step.astype(np.float32)),
    )
