"""Mixed radix: nothing lost, nothing wasted, nothing else accepted."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError
from q2d2_stream.packing import MAX_FRAMES, pack, packed_bytes, unpack

CONFIG = CodecConfig()
rates = st.integers(0, len(CONFIG.rates) - 1)


def random_indices(rate: int, frames: int, seed: int) -> np.ndarray:
    codes = CONFIG.codebook_sizes[: CONFIG.rates[rate]]
    return np.random.default_rng(seed).integers(0, codes, (frames, len(codes)), dtype=np.uint8)


@given(rates, st.integers(0, 80), st.integers(0, 2**32 - 1))
def test_unpack_inverts_pack(rate: int, frames: int, seed: int) -> None:
    indices = random_indices(rate, frames, seed)
    data = pack(indices, CONFIG)
    assert len(data) == packed_bytes(CONFIG, rate, frames)
    np.testing.assert_array_equal(unpack(data, CONFIG, rate, frames), indices)


@given(rates, st.integers(0, MAX_FRAMES))
def test_no_byte_more_than_the_entropy_needs(rate: int, frames: int) -> None:
    bits = frames * CONFIG.ladder[rate].bits_per_frame
    assert packed_bytes(CONFIG, rate, frames) == math.ceil(bits / 8 - 1e-9)


def test_the_layout_is_the_documented_one() -> None:
    indices = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8)
    number = 1 + 145 * (2 + 85 * (3 + 85 * (4 + 145 * (5 + 85 * 6))))
    assert pack(indices, CONFIG) == number.to_bytes(5, "little")
    assert pack(indices, CONFIG).hex() == "c1e4343712"


@pytest.mark.parametrize("rate", [0, 1, 2])
def test_the_largest_indices_fill_the_number(rate: int) -> None:
    codes = np.array(CONFIG.codebook_sizes[: CONFIG.rates[rate]])
    largest = np.tile((codes - 1).astype(np.uint8), (7, 1))
    data = pack(largest, CONFIG)
    np.testing.assert_array_equal(unpack(data, CONFIG, rate, 7), largest)
    beyond = (int.from_bytes(data, "little") + 1).to_bytes(len(data), "little")
    with pytest.raises(InputError, match="out of the range of 7 frames"):
        unpack(beyond, CONFIG, rate, 7)


@given(rates, st.integers(0, 8), st.binary(max_size=90))
def test_any_bytes_are_refused_or_are_what_pack_makes(rate: int, frames: int, data: bytes) -> None:
    try:
        indices = unpack(data, CONFIG, rate, frames)
    except InputError:
        return
    assert pack(indices, CONFIG) == data


@pytest.mark.parametrize("length", [0, 4, 6])
def test_wrong_lengths_are_refused(length: int) -> None:
    with pytest.raises(InputError, match=r"expected 5 bytes"):
        unpack(bytes(length), CONFIG, 0, 2)


@pytest.mark.parametrize("frames", [-1, MAX_FRAMES + 1, 10**12])
def test_frames_out_of_range_are_refused(frames: int) -> None:
    with pytest.raises(InputError, match="frames cannot be packed"):
        unpack(b"", CONFIG, 0, frames)


@pytest.mark.parametrize(
    ("indices", "sentence"),
    [
        (np.zeros((1, 3), np.int64), "int64"),
        (np.zeros(3, np.uint8), r"shape \(3,\)"),
        (np.zeros((1, 5), np.uint8), "5 indices"),
        (np.array([[0, 85, 0]], np.uint8), "pair 1 is 85, expected 0 to 84"),
        (np.zeros((MAX_FRAMES + 1, 3), np.uint8), "cannot be packed"),
    ],
)
def test_what_cannot_be_packed_is_refused(indices: np.ndarray, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        pack(indices, CONFIG)


def test_a_rate_that_does_not_exist_is_refused() -> None:
    with pytest.raises(InputError, match="rate is 4"):
        packed_bytes(CONFIG, 4, 1)
