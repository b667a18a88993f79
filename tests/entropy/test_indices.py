"""Coding of indices on all lattices: exact, never longer than packing, safe on any bytes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder, Tables
from q2d2_stream.entropy.coordinates import Coordinates
from q2d2_stream.errors import InputError, ModelError
from q2d2_stream.lattice import Lattice
from q2d2_stream.packing import packed_bytes
from tests.labs.entropy import CONFIGS, HASH, coder, random_indices, random_tables, smooth_indices

CODERS = {name: IndexCoder(config, random_tables(config)) for name, config in CONFIGS.items()}
FITTED = coder()
CONFIG = CodecConfig()
names = st.sampled_from(sorted(CONFIGS))


@pytest.mark.parametrize("name", CONFIGS)
def test_coordinates_are_those_of_the_lattice(name: str) -> None:
    config = CONFIGS[name]
    coordinates, lattice = Coordinates(config), Lattice.of(config)
    for pair, codes in enumerate(config.codebook_sizes[: coordinates.pairs]):
        indices = np.zeros((codes, pair + 1), np.uint8)
        indices[:, pair] = np.arange(codes)
        found = coordinates.of(indices)[:, -2:]
        points = lattice.point(indices)[:, -2:].astype(float)
        low, high = points.min(axis=0), points.max(axis=0)
        highest = np.array(coordinates.highest[2 * pair : 2 * pair + 2])
        np.testing.assert_allclose(found, (points - low) / (high - low) * highest, atol=1e-5)
        assert (found == np.rint(found)).all()
        assert found.min(axis=0).tolist() == [0, 0]
        for index, (x, y) in enumerate(found.tolist()):
            assert coordinates.index[pair][x][y // coordinates.cosets] == index


@given(names, st.data(), st.integers(1, 40), st.integers(0, 9))
def test_what_is_coded_is_decoded(name: str, data: st.DataObject, frames: int, seed: int) -> None:
    config = CONFIGS[name]
    rate = data.draw(st.integers(0, len(config.rates) - 1))
    index_coder = IndexCoder(config, random_tables(config, seed))
    for source in (random_indices(config, rate, frames, seed), smooth_indices(config, frames)):
        indices = np.ascontiguousarray(source[:, : config.rates[rate]])
        coded = index_coder.encode(indices)
        if coded is not None:
            assert len(coded) < packed_bytes(config, rate, frames)
            assert (index_coder.decode(coded, rate, frames) == indices).all()


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_predictable_takes_fewer_bytes(name: str) -> None:
    config = CONFIGS[name]
    fitted = coder(config)
    for rate, pairs in enumerate(config.rates):
        indices = np.ascontiguousarray(smooth_indices(config, 200, seed=9)[:, :pairs])
        coded = fitted.encode(indices)
        assert coded is not None
        assert len(coded) < 0.8 * packed_bytes(config, rate, 200)
        assert len(coded) == pytest.approx(fitted.typical_bytes(rate, 200), rel=0.25)
        assert (fitted.decode(coded, rate, 200) == indices).all()


def test_what_is_not_predictable_is_left_to_packing() -> None:
    assert FITTED.encode(random_indices(CONFIG, 3, 75)) is None
    assert FITTED.encode(np.zeros((0, 3), np.uint8)) is None


@given(names, st.data(), st.integers(0, 255), st.binary(max_size=200))
def test_any_bytes_give_legal_indices_or_one_error(
    name: str, data: st.DataObject, frames: int, payload: bytes
) -> None:
    config, index_coder = CONFIGS[name], CODERS[name]
    rate = data.draw(st.integers(0, len(config.rates)))
    try:
        indices = index_coder.decode(payload, rate, frames)
    except InputError:
        return
    assert indices.shape == (frames, config.rates[rate])
    assert (indices < np.array(config.codebook_sizes[: config.rates[rate]])).all()
    assert index_coder.encode(indices) == payload


@given(st.data())
def test_damage_gives_legal_indices_or_one_error(data: st.DataObject) -> None:
    indices = smooth_indices(CONFIG, 30, data.draw(st.integers(0, 99)))
    coded = FITTED.encode(indices)
    assert coded is not None
    mangled = bytearray(coded)
    mangled[data.draw(st.integers(0, len(coded) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        got = FITTED.decode(bytes(mangled), 3, 30)
    except InputError:
        return
    assert (got < np.array(CONFIG.codebook_sizes)).all()


def test_bad_input_is_refused_in_a_sentence() -> None:
    with pytest.raises(InputError, match="expected a uint8 array of shape"):
        FITTED.encode(np.zeros((1, 3), np.int64))
    with pytest.raises(InputError, match="5 indices"):
        FITTED.encode(np.zeros((1, 5), np.uint8))
    with pytest.raises(InputError, match="an index is out of range"):
        FITTED.encode(np.full((1, 3), 255, np.uint8))
    with pytest.raises(InputError, match="5000 frames"):
        FITTED.encode(np.zeros((5000, 3), np.uint8))
    with pytest.raises(InputError, match="8 coded bytes came for 3 frames at rate 0, expected few"):
        FITTED.decode(bytes(8), 0, 3)
    with pytest.raises(InputError, match="rate is 9"):
        FITTED.decode(b"", 9, 1)


@pytest.mark.parametrize("name", CONFIGS)
def test_tables_are_read_as_they_were_written(name: str) -> None:
    config = CONFIGS[name]
    tables = random_tables(config)
    again = Tables.from_bytes(tables.to_bytes(), config)
    assert (again.model_hash, again.checksum) == (HASH, tables.checksum)
    assert again.to_bytes() == tables.to_bytes()
    assert random_tables(config, 1).checksum != tables.checksum != 0


@given(st.integers(0, 10_000_000), st.integers(1, 255))
def test_damaged_tables_are_refused_or_the_same(at: int, flip: int) -> None:
    """A compressed stream has bits that mean nothing, so damage may leave the tables whole."""
    config = CONFIGS["rectangular"]
    tables = random_tables(config)
    data = bytearray(tables.to_bytes())
    data[at % len(data)] ^= flip
    try:
        found = Tables.from_bytes(bytes(data), config)
    except ModelError:
        return
    assert found.to_bytes() == tables.to_bytes()


def test_tables_with_more_behind_them_are_refused() -> None:
    config = CONFIGS["rectangular"]
    with pytest.raises(ModelError, match="damaged"):
        Tables.from_bytes(random_tables(config).to_bytes() + b"x", config)


@given(st.binary(max_size=60))
def test_noise_is_no_tables(noise: bytes) -> None:
    for data in (noise, b"Q2D2TABS\x02" + noise, random_tables(CONFIG).to_bytes()[:21] + noise):
        with pytest.raises(ModelError):
            Tables.from_bytes(data, CONFIG)


def test_tables_of_another_lattice_are_refused() -> None:
    data = random_tables(CONFIGS["hexagonal"]).to_bytes()
    with pytest.raises(ModelError, match="they are damaged, or of another lattice"):
        Tables.from_bytes(data, CONFIG)
    with pytest.raises(InputError, match="shapes of this lattice"):
        IndexCoder(CONFIG, random_tables(CONFIGS["hexagonal"]))


def test_tables_that_cannot_code_everything_are_refused() -> None:
    config = CONFIGS["rectangular"]
    tables = random_tables(config)

    def with_first(**changes: Any) -> Tables:
        return replace(tables, modes=(replace(tables.modes[0], **changes), *tables.modes[1:]))

    sizes = [array.copy() for array in tables.modes[0].sizes]
    sizes[0][0, 1:3] += np.array([1, -1], np.int16).astype(np.uint16)
    sizes[0][0, 0] += 1
    bad = with_first(sizes=tuple(sizes))
    with pytest.raises(ModelError, match="does not sum to 4096"):
        Tables.from_bytes(bad.to_bytes(), config)
    ahead = with_first(within=tables.modes[1].before[:, 0])
    with pytest.raises(InputError, match="from a later one"):
        IndexCoder(config, ahead)
    far = with_first(bias=np.full_like(tables.modes[0].bias, -(2**31)))
    with pytest.raises(InputError, match="beyond"):
        IndexCoder(config, far)
    with pytest.raises(InputError, match="2 modes, expected 3"):
        IndexCoder(config, replace(tables, modes=tables.modes[1:]))
