"""The waveform metrics: the unchanged original scores best, more damage scores less."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from q2d2_stream.errors import InputError

Array = npt.NDArray[np.float32]


def voice(seconds: float = 1.5) -> Array:
    """Syllables of a buzzing 120 Hz voice: enough like speech for PESQ to find utterances."""
    time = np.arange(int(24_000 * seconds)) / 24_000
    buzz = sum(np.sin(2 * np.pi * 120 * k * time) / k for k in range(1, 40))
    return (0.1 * buzz * np.sin(2 * np.pi * 2 * time) ** 2).astype(np.float32)


def noisy(pcm: Array, level: float) -> Array:
    hiss = np.random.default_rng(0).standard_normal(len(pcm), np.float32)
    return pcm + np.float32(level) * hiss


def pesq_wb() -> Callable[[Array, Array], float]:
    pytest.importorskip("pesq", reason="PESQ needs the package pesq")
    from research.eval.signal_metrics import pesq_wb

    return pesq_wb


def stoi() -> Callable[[Array, Array], float]:
    pytest.importorskip("pystoi", reason="STOI needs the package pystoi")
    from research.eval.signal_metrics import stoi

    return stoi


@pytest.mark.parametrize(("load", "best"), [(pesq_wb, 4.64), (stoi, 1.0)])
def test_identity_is_best_and_damage_costs(
    load: Callable[[], Callable[[Array, Array], float]], best: float
) -> None:
    metric, ref = load(), voice()
    assert metric(ref, ref) == pytest.approx(best, abs=0.01)
    assert best > metric(ref, noisy(ref, 0.01)) > metric(ref, noisy(ref, 0.3))


@pytest.mark.parametrize(("load", "floor"), [(pesq_wb, 1.0), (stoi, 0.0)])
def test_silence_scores_the_floor(
    load: Callable[[], Callable[[Array, Array], float]], floor: float
) -> None:
    metric, ref = load(), voice()
    assert metric(ref, np.zeros_like(ref)) == pytest.approx(floor, abs=1e-3)
    assert metric(np.zeros_like(ref), np.zeros_like(ref)) == pytest.approx(floor, abs=1e-3)


def test_quick_scores() -> None:
    pesq_wb(), stoi()
    from research.eval.quick import quick_scores

    clips = [voice(), voice(1.0)]
    assert quick_scores(lambda pcm: pcm, clips) == pytest.approx(
        {"pesq": 4.64, "stoi": 1.0}, abs=0.01
    )
    short = quick_scores(lambda pcm: pcm[: len(pcm) // 2], clips)
    assert short["stoi"] < 0.9


def test_quick_scores_refuses() -> None:
    from research.eval.quick import quick_scores

    with pytest.raises(InputError, match="no clips"):
        quick_scores(lambda pcm: pcm, [])
    with pytest.raises(InputError, match="NaN"):
        quick_scores(lambda pcm: pcm * np.float32(np.nan), [voice(0.6)])
