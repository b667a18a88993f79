"""The shipped model sounds as it did: PESQ and STOI of the bundled clips, as they were kept."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("pesq", reason="PESQ needs the package pesq")
pytest.importorskip("pystoi", reason="STOI needs the package pystoi")

from tools.keep_quality import KEPT, measure

pytestmark = pytest.mark.slow


def test_scores_are_the_kept_ones() -> None:
    kept = json.loads(KEPT.read_text())
    model_id, scores = measure()
    assert model_id == kept["model"], "other weights: run python -m tools.keep_quality, and compare"
    assert scores.keys() == kept["scores"].keys()
    for clip, rates in scores.items():
        assert rates.keys() == kept["scores"][clip].keys()
        for rate, (pesq, stoi) in rates.items():
            kept_pesq, kept_stoi = kept["scores"][clip][rate]
            # Another processor rounds otherwise: that moves PESQ in its third digit.
            assert pesq == pytest.approx(kept_pesq, abs=0.05), f"{clip} at {rate} kbps"
            assert stoi == pytest.approx(kept_stoi, abs=0.01), f"{clip} at {rate} kbps"
