"""The integer coder: exact, close to the entropy, and safe on any bytes."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.entropy.coder import TOTAL, Decoder, encode
from q2d2_stream.errors import InputError
from tests.labs.paths import ROOT

inner = st.sets(st.integers(1, TOTAL - 1), max_size=20)
edges_of = inner.map(lambda cuts: [0, *sorted(cuts), TOTAL])


def coded(rows: list[list[int]], symbols: list[int]) -> bytes:
    starts = [row[symbol] for row, symbol in zip(rows, symbols, strict=True)]
    ends = [row[symbol + 1] for row, symbol in zip(rows, symbols, strict=True)]
    return encode(starts, [end - start for start, end in zip(starts, ends, strict=True)])


@given(st.lists(edges_of, max_size=60), st.data())
def test_what_is_coded_is_decoded(rows: list[list[int]], data: st.DataObject) -> None:
    symbols = [data.draw(st.integers(0, len(row) - 2)) for row in rows]
    decoder = Decoder(coded(rows, symbols))
    assert [decoder.take(row) for row in rows] == symbols
    decoder.finish()


@given(st.lists(edges_of, max_size=60), st.binary(max_size=80))
def test_any_bytes_give_symbols_and_those_accepted_are_the_only_ones(
    rows: list[list[int]], data: bytes
) -> None:
    decoder = Decoder(data)
    symbols = [decoder.take(row) for row in rows]
    assert all(0 <= symbol < len(row) - 1 for row, symbol in zip(rows, symbols, strict=True))
    try:
        decoder.finish()
    except InputError:
        return
    assert coded(rows, symbols) == data


@pytest.mark.parametrize("count", [1, 10, 1000, 20_000])
def test_the_length_is_the_entropy(count: int) -> None:
    share = [0.6, 0.2, 0.1, 0.05, 0.03, 0.02]
    row = [0, *(round(TOTAL * sum(share[: n + 1])) for n in range(6))]
    symbols = np.random.default_rng(0).choice(6, count, p=share).tolist()
    bits = sum(math.log2(TOTAL / (row[s + 1] - row[s])) for s in symbols)
    assert 8 * len(coded([row] * count, symbols)) <= 1.002 * bits + 8


def test_nothing_takes_no_bytes() -> None:
    assert encode([], []) == b""
    assert encode([0] * 50, [TOTAL] * 50) == b""  # certain symbols


@pytest.mark.parametrize("data", [b"\x01", b"\x00", b"\xff" * 9])
def test_bytes_left_over_are_refused(data: bytes) -> None:
    with pytest.raises(InputError, match=f"the {len(data)} coded bytes do not end where"):
        Decoder(data).finish()


def test_the_document_shows_the_bytes_that_the_code_writes() -> None:
    document = ROOT / "docs" / "reference" / "file_format.md"
    ((symbols, data),) = re.findall(r"```range\n(.+)\n---\n([0-9a-f ]+)\n```", document.read_text())
    starts, sizes = zip(*re.findall(r"\((\d+), (\d+)\)", symbols), strict=True)
    assert encode([*map(int, starts)], [*map(int, sizes)]) == bytes.fromhex(data)
