"""Excerpts and distances of sounds; utterances and classifiers of the probe."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

pytest.importorskip("torch", reason="training is tested where the extra [train] is")

import torch

from q2d2_stream.errors import InputError
from research.experiments.harness.mel_distance import mel_distance_db
from research.experiments.probe import accuracy, align, spelled_out, utterances, with_context
from research.experiments.sounds import excerpts, score_table

pytestmark = pytest.mark.train


def test_excerpts_are_spread_over_files_and_pass_over_silence(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    loud = rng.normal(size=(48_000 * 4, 2)) * 0.1
    loud[: 48_000 * 2] = 0.0
    soundfile.write(tmp_path / "a.wav", loud, 48_000)
    soundfile.write(tmp_path / "b.flac", rng.normal(size=24_000 * 4) * 0.1, 24_000)
    found = list(excerpts(tmp_path, count=4, seconds=0.5))
    assert [len(each) for each in found] == [12_000] * 3  # the first of a.wav is silent
    with pytest.raises(InputError, match="has no sound files"):
        list(excerpts(tmp_path / "a.wav"))


def test_half_the_amplitude_is_six_decibels() -> None:
    pcm = np.random.default_rng(0).normal(size=24_000).astype(np.float32) * 0.1
    assert mel_distance_db(pcm, pcm) == 0.0
    assert mel_distance_db(pcm * 0.5, pcm) == pytest.approx(6.02, abs=0.3)


def test_intervals_are_over_excerpts_and_seeds_are_averaged() -> None:
    shared = {"title": "a", "kind": "music", "visqol": [3.0, 4.0], "mel_db": [1.0, 1.0]}
    records = [{**shared, "embedding": each} for each in ([0.2, 0.2], [0.4, 0.4])]
    rows = score_table(records).splitlines()
    assert rows[2] == "| a | music | 3.50 ± 0.98 | 1.00 ± 0.00 | 0.300 ± 0.000 |"
    assert len(rows) == 3


def test_utterances_lie_between_pauses(speech: NDArray[np.float32]) -> None:
    part = speech[24_000:72_000]
    pause = np.zeros(24_000, np.float32)
    found = utterances(np.concatenate([pause, part, pause, part, pause]))
    assert found
    for first, last in found:
        assert last - first >= 12_000
    covered = sum(last - first for first, last in found)
    assert covered < 96_000 + 24_000


class _Refusing:
    """A decoder to which no text fits."""

    texts: ClassVar[list[str]] = []

    def set_align_text(self, text: str) -> None:
        self.texts.append(text)
        raise RuntimeError("no alignment")


def test_what_cannot_be_aligned_has_no_words() -> None:
    pcm, known = np.zeros(24_000, np.float32), {"a", "dark", "roast"}
    for said in ("A dark roast.", "A 120 ounce roast.", "A light roast.", " "):
        assert align(pcm, said, _Refusing(), known) == ([], [])
    assert _Refusing.texts == ["a dark roast"]  # the others were not tried


@pytest.mark.parametrize(
    ("heard", "said"),
    [("0", "zero"), ("12", "twelve"), ("40", "forty"), ("99", "ninety nine"), ("roast", "roast")],
)
def test_numbers_below_a_hundred_are_spelled_out(heard: str, said: str) -> None:
    assert spelled_out(heard) == said.split()


def test_context_stands_around_each_frame() -> None:
    frames = torch.arange(1.0, 5.0)[:, None]
    assert with_context(frames, 1).tolist() == [[0, 1, 2], [1, 2, 3], [2, 3, 4], [3, 4, 0]]


def test_a_line_separates_what_a_line_can_and_a_perceptron_more() -> None:
    x = torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    half = (x[:, 0] > 0).long()
    corners = ((x[:, 0] > 0) ^ (x[:, 1] > 0)).long()
    assert accuracy(x, half, 3000, 2, 0, seed=0) > 0.95
    assert accuracy(x, corners, 3000, 2, 0, seed=0) < 0.65
    assert accuracy(x, corners, 3000, 2, 32, seed=0) > 0.9
