"""Fitting tables, and what the engine makes of the file of them."""

from __future__ import annotations

import itertools
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from export.entropy import fit
from q2d2_stream.config import CodecConfig
from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.engine.codec import TABLES_FILE
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError, ModelError
from q2d2_stream.lattice import Lattice
from tests.labs.entropy import CONFIGS, HASH, random_tables, smooth_indices


@pytest.mark.parametrize("name", CONFIGS)
def test_fitted_tables_are_legal_and_save_bits(name: str) -> None:
    config = CONFIGS[name]
    tables = fit([smooth_indices(config, 300, seed) for seed in range(3)], config, HASH)
    tables.check(config)
    for rate in range(len(config.rates)):
        first, second, following = (mode.frame_bits(rate) for mode in tables.modes)
        assert 0 < max(second, following) < first < config.index_to_rate(rate).bits_per_frame


def test_what_goes_on_as_it_did_takes_fewer_bits() -> None:
    config = CodecConfig()
    turns = np.random.default_rng(0).uniform(0.01, 0.05, 24) * np.arange(400)[:, None]
    swinging = Lattice.of(config).nearest(2.5 * np.sin(2 * np.pi * turns))
    _, second, following = (m.frame_bits(3) for m in fit([swinging], config, HASH).modes)
    assert following < 0.9 * second


def test_a_prediction_uses_only_what_its_rate_sends() -> None:
    config = CodecConfig()
    tables = fit([smooth_indices(config, 300)], config, HASH)
    before = tables.modes[-1].before
    for fewer, more in itertools.pairwise(2 * pairs for pairs in (0, *config.rates)):
        assert before[fewer:more, :, :more].any()
        assert not before[fewer:more, :, more:].any()


def test_sound_that_never_changes_can_be_fitted() -> None:
    config = CodecConfig()
    constant = np.full((10, 12), 3, np.uint8)
    coder = IndexCoder(config, fit([constant], config, HASH))
    coded = coder.encode(constant)
    assert coded is not None
    assert (coder.decode(coded, 3, 10) == constant).all()


def test_nothing_cannot_be_fitted() -> None:
    with pytest.raises(InputError, match="no clips of 3 frames"):
        fit([np.zeros((2, 12), np.uint8)], CodecConfig(), HASH)


@pytest.fixture(scope="module")
def shipped() -> Codec:
    try:
        return load_codec()
    except ModelError as error:
        pytest.skip(f"there are no model weights here: {error}")


def codec_with(shipped: Codec, path: Path) -> Codec:
    return Codec(lambda role: shipped._decoder_runner, tables=path)


def test_the_engine_takes_tables_of_its_own_weights(shipped: Codec, tmp_path: Path) -> None:
    tables = replace(random_tables(shipped.config), model_hash=shipped.model_hash)
    (tmp_path / TABLES_FILE).write_bytes(tables.to_bytes())
    coder = codec_with(shipped, tmp_path / TABLES_FILE).coder
    assert coder is not None
    assert coder.checksum == tables.checksum


@pytest.mark.parametrize("what", ["missing", "damaged", "of other weights"])
def test_the_engine_does_without_other_tables(
    shipped: Codec, tmp_path: Path, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    path = tmp_path / TABLES_FILE
    data = random_tables(shipped.config).to_bytes()  # hash: 00 01 02 ...
    if what != "missing":
        path.write_bytes(data if what == "of other weights" else data[:-9])
    with caplog.at_level(logging.WARNING):
        assert codec_with(shipped, path).coder is None
    if what == "missing":
        assert not caplog.messages
    else:
        (sentence,) = caplog.messages
        assert sentence.startswith("indices.tables ")
        assert "fixed size" in sentence
