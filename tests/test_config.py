"""The ladder of bit rates: one list, and what users may call its steps."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.config import CodecConfig, Rate
from q2d2_stream.errors import InputError

CONFIG = CodecConfig()


def test_the_ladder_is_in_order_and_numbered() -> None:
    ladder = CONFIG.ladder
    assert [rate.index for rate in ladder] == list(range(len(ladder)))
    assert [rate.pairs for rate in ladder] == list(CONFIG.rates)
    assert all(low.kbps < high.kbps for low, high in itertools.pairwise(ladder))
    for rate in ladder:
        assert rate.codebook_sizes == CONFIG.codebook_sizes[: rate.pairs]
        assert rate.kbps == pytest.approx(CONFIG.frame_rate * rate.bits_per_frame / 1000)
        assert str(rate) == f"{rate.name} kbps"


def test_names_are_the_nearest_half_kbps() -> None:
    assert [rate.name for rate in CodecConfig(rates=(2, 3, 4, 6, 12)).ladder] == [
        "1", "1.5", "2", "3", "6"
    ]  # fmt: skip


def test_names_tell_rates_apart_where_halves_do_not() -> None:
    ladder = CodecConfig(rates=(3, 11, 12)).ladder
    assert [rate.name for rate in ladder] == ["1.5", "5.5", "6"]
    close = CodecConfig(levels=(3, 3) * 4, rates=(1, 2, 3, 4)).ladder
    assert len({rate.name for rate in close}) == 4


@pytest.mark.parametrize("rate", CONFIG.ladder, ids=str)
def test_a_rate_is_found_by_name_and_number(rate: Rate) -> None:
    for wish in (rate, rate.name, float(rate.name), rate.kbps, round(rate.kbps, 1), str(rate.kbps)):
        assert CONFIG.find_rate(wish) is rate


def test_whole_numbers_are_kbps_and_no_index() -> None:
    assert CONFIG.find_rate(2).kbps == pytest.approx(1.98, abs=0.005)
    assert CONFIG.find_rate(3).kbps == pytest.approx(2.94, abs=0.005)


@pytest.mark.parametrize(
    "wish", [0, 1, 4, -3, 2.5, math.nan, math.inf, True, "", "two", "nan", "3 kbps", b"3", [3]]
)
def test_an_unknown_rate_is_refused_with_the_known_ones(wish: object) -> None:
    with pytest.raises(InputError, match=r"expected one of 1\.5, 2, 3, 6 \(kbps\)"):
        CONFIG.find_rate(wish)  # type: ignore[arg-type]


def test_another_models_rate_is_refused() -> None:
    other = CodecConfig(levels=(3, 3) * 12).ladder[0]
    with pytest.raises(InputError, match="expected one of"):
        CONFIG.find_rate(other)


@given(st.floats())
def test_a_number_finds_at_most_one_rate_and_a_near_one(kbps: float) -> None:
    try:
        rate = CONFIG.find_rate(kbps)
    except InputError:
        return
    assert abs(rate.kbps - kbps) < 0.2


def test_the_default_is_about_3_kbps() -> None:
    assert CONFIG.default_rate is CONFIG.find_rate("3")
    assert CONFIG.find_rate(None) is CONFIG.default_rate
    low = CodecConfig(rates=(2,))
    assert low.default_rate is low.ladder[0]


@given(st.integers(0, 3), st.integers(0, 100))
def test_packed_bytes_hold_all_bits(index: int, frames: int) -> None:
    rate = CONFIG.ladder[index]
    assert rate.packed_bytes(frames) == math.ceil(frames * rate.bits_per_frame / 8 - 1e-9)


def test_refinement_is_one_more_rate_a_hop_later() -> None:
    refined = CodecConfig(levels=(9, 9) + (7, 7) * 5, rates=(2, 3, 4, 6), refined=True)
    *plain, top = refined.ladder
    assert [rate.name for rate in refined.ladder] == ["1", "1.5", "2", "3", "6"]
    assert top == refined.refined_rate
    assert not any(rate.refined for rate in plain)
    assert (top.pairs, len(top.codebook_sizes)) == (6, 15)
    assert top.lookahead == plain[-1].lookahead + refined.hop == 640
    assert top.bits_per_frame == pytest.approx(plain[-1].bits_per_frame + 38.3, abs=0.1)
    assert CodecConfig.from_json(refined.to_json()) == refined
    assert CONFIG.refined_rate is None
    assert "refined" not in CONFIG.to_json()
