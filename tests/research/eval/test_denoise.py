"""Our codec with the denoising encoder, as a row of its own."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import q2d2_stream.engine
from q2d2_stream.engine import Codec
from research.eval.clips import Clip
from research.eval.codecs import StreamCodec
from research.eval.runner import evaluate
from tests.files.test_commands import CONFIG, Level, level_graph, steps


def use_denoiser(monkeypatch: pytest.MonkeyPatch, digest: str | None) -> None:
    """A codec that ``load_codec`` gives, whose denoiser passes only the loudest frames."""

    def graph(role: str) -> Level:
        level = Level(role)
        if role == "denoiser" and digest is not None:
            level._metadata["q2d2.denoiser_hash"] = digest
        return level

    monkeypatch.setattr(q2d2_stream.engine, "load_codec", lambda *_, **__: Codec(graph))


def test_it_is_named_apart() -> None:
    plain, denoised = StreamCodec("3"), StreamCodec("3", denoise=True)
    assert (plain.name, plain.title) == ("q2d2_3", "q2d2 2.94 kbps")
    assert (denoised.name, denoised.title) == ("q2d2_3_denoise", "q2d2 2.94 kbps, denoised")
    assert pickle.loads(pickle.dumps(denoised)) == denoised != plain


def test_the_key_changes_with_the_denoiser(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, plain = [], []
    for digest in (None, "01", "02"):
        use_denoiser(monkeypatch, digest)
        keys += [StreamCodec(rate, denoise=True).key() for rate in ("1.5", "3")]
        plain.append(StreamCodec("3").key())
    assert len({*keys, *plain}) == 7
    assert plain[0].endswith(" rate 2")  # as scores were kept before there was a denoiser


def test_the_denoiser_is_what_encodes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_denoiser(monkeypatch, None)
    pcm = steps(20 * CONFIG.hop)
    for codec, expected in (
        (StreamCodec("3"), pcm),
        (StreamCodec("3", denoise=True), pcm * (abs(pcm) == 1)),
    ):
        for used in (codec, pickle.loads(pickle.dumps(codec))):
            np.testing.assert_allclose(used.roundtrip(pcm).pcm, expected, atol=1e-4)


def test_models_without_one_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(q2d2_stream.engine, "load_codec", lambda *_, **__: Codec(level_graph))
    clips = [Clip("a_en_0", "a_en", steps(3200))]
    evaluation = evaluate([StreamCodec("3"), StreamCodec("3", denoise=True)], clips, [])
    assert [row.name for row in evaluation.rows] == ["q2d2_3"]
    assert "q2d2 2.94 kbps, denoised: the model file" in evaluation.missing[0]
