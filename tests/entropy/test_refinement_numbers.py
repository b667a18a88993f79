"""Refinement behind the indices: coded with its tables, or packed at its fixed size."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig
from q2d2_stream.entropy import IndexCoder, Tables
from q2d2_stream.errors import FormatError, InputError, ModelError
from q2d2_stream.packet import PacketCoder, Toc
from q2d2_stream.refinement import STEPS, SYMBOL_ZERO, SYMBOLS
from tests.labs.entropy import HASH, REFINED, coder, random_tables, smooth_indices

TOP = REFINED.ladder[-1]
TABLES = random_tables(REFINED)
CODER = coder(REFINED)
PACKETS = PacketCoder(REFINED, CODER)
WIDTH = 6 + 1 + 40
seeds = st.integers(0, 2**32 - 1)


def numbers(frames: int, seed: int = 0, spread: float = 1.0) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    pairs = smooth_indices(REFINED, frames, seed)
    steps = random.integers(0, len(STEPS), (frames, 1))
    around = np.rint(random.normal(0, spread, (frames, 40))).clip(-30, 30) + SYMBOL_ZERO
    return np.concatenate([pairs, steps, around], axis=1).astype(np.uint8)


@given(st.integers(1, 16), seeds, st.floats(0.0, 1.5))
def test_what_is_coded_is_decoded(frames: int, seed: int, spread: float) -> None:
    sent = numbers(frames, seed, spread)
    data = CODER.encode(sent)
    if data is None:
        return
    assert len(data) < TOP.most_bytes(frames)
    np.testing.assert_array_equal(CODER.decode(data, TOP.index, frames), sent)


def test_small_errors_take_fewer_bytes_than_large_ones() -> None:
    sizes = [len(PACKETS.encode(numbers(3, spread=spread))) for spread in (0.0, 0.4, 0.8)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2]
    assert sizes[0] < TOP.packed_bytes(3)


def test_what_would_be_too_long_is_not_coded() -> None:
    huge = numbers(3)
    huge[:, 7:] = SYMBOLS - 1
    assert CODER.encode(huge) is None
    with pytest.raises(InputError, match="have no fixed size, expected 15"):
        PACKETS.encode(huge)


@given(st.integers(1, 16), seeds)
def test_the_fixed_form_is_packed_though_there_are_tables(frames: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    sent = random.integers(0, TOP.codebook_sizes, (frames, 15)).astype(np.uint8)
    packet = PACKETS.encode(sent)
    assert Toc.from_packet(packet) == Toc(TOP.index, frames, coded=False)
    assert len(packet) == 1 + TOP.packed_bytes(frames)
    np.testing.assert_array_equal(PACKETS.decode(packet), sent)
    np.testing.assert_array_equal(PacketCoder(REFINED).decode(packet), sent)


@given(st.integers(1, 16), st.binary(max_size=200))
def test_any_bytes_give_legal_numbers_or_one_error(frames: int, payload: bytes) -> None:
    packet = bytes([Toc(TOP.index, frames, coded=True).to_byte()]) + payload
    try:
        got = PACKETS.decode(packet)
    except FormatError:
        return
    assert got.shape == (frames, WIDTH)
    assert (got[:, :6] < np.array(REFINED.codebook_sizes)).all()
    assert got[:, 6].max() < len(STEPS)
    assert got[:, 7:].max() < SYMBOLS
    assert PACKETS.encode(got) == packet


@pytest.mark.parametrize(("column", "value"), [(6, len(STEPS)), (7, SYMBOLS), (46, 255), (0, 255)])
def test_numbers_out_of_range_are_refused(column: int, value: int) -> None:
    sent = numbers(2)
    sent[1, column] = value
    with pytest.raises(InputError, match=r"range|expected below"):
        PACKETS.encode(sent)


def test_tables_of_refinement_come_back_from_their_bytes() -> None:
    again = Tables.from_bytes(TABLES.to_bytes(), REFINED)
    assert again.checksum == TABLES.checksum
    assert again.refinement is not None
    assert TABLES.refinement is not None
    np.testing.assert_array_equal(again.refinement.sizes, TABLES.refinement.sizes)


def test_tables_without_refinement_do_not_fit_a_model_with_it() -> None:
    plain: CodecConfig = replace(REFINED, refined=False)
    for tables, config in ((TABLES, plain), (random_tables(plain), REFINED)):
        with pytest.raises(InputError, match=re.escape("do not have the shapes")):
            IndexCoder(config, tables)
        with pytest.raises(ModelError):
            Tables.from_bytes(tables.to_bytes(), config)


def test_a_row_that_does_not_sum_up_is_refused() -> None:
    assert TABLES.refinement is not None
    sizes = TABLES.refinement.sizes.copy()
    sizes[3, 4] += 1
    broken = Tables(HASH, TABLES.modes, replace(TABLES.refinement, sizes=sizes))
    with pytest.raises(InputError, match="does not sum"):
        broken.check(REFINED)
