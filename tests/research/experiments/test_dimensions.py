"""Lattices of more dimensions: the nearest point, the cell, the comparison."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.lattice import Lattice
from research.experiments.box_lattices import KINDS, SECOND_MOMENTS, BoxLattice, second_moment
from research.experiments.dimensions import main, snr_db, source

SMALL = {"rectangular": 5, "rhombic": 5, "cubic": 4, "bcc": 4, "fcc": 3, "d4": 3, "e8": 2}


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 2**32 - 1), stretch=st.floats(0.9, 1.3))
def test_the_point_found_is_the_nearest(kind: str, seed: int, stretch: float) -> None:
    lattice = BoxLattice(kind, SMALL[kind], stretch)
    x = np.random.default_rng(seed).uniform(-1.4, 1.4, (20, lattice.dims))
    points = lattice.all_points()
    assert len(np.unique(points.round(9), axis=0)) == lattice.points
    found = lattice.quantize(x)
    wanted = np.square(points[None] - x[:, None]).sum(-1).min(-1)
    np.testing.assert_allclose(np.square(found - x).sum(-1), wanted, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_cells_have_the_published_second_moment(kind: str) -> None:
    assert second_moment(kind, 60_000) == pytest.approx(SECOND_MOMENTS[kind], rel=0.01)


def test_rhombic_is_the_codec_s_own() -> None:
    lattice, ours = BoxLattice("rhombic", 7), Lattice("rhombic", (7, 7))
    x = np.random.default_rng(0).uniform(-1, 1, (500, 2))
    assert lattice.points == 85
    points = ours.point(ours.nearest(x * 3.0))
    np.testing.assert_allclose(lattice.quantize(x) * 3.0, points, atol=1e-6)


def test_more_points_are_nearer() -> None:
    x = source("uniform", 0)
    ratios = [snr_db(BoxLattice("bcc", steps), x) for steps in (3, 5, 7, 9)]
    assert ratios == sorted(ratios)


def test_the_table_has_a_row_for_every_lattice(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + len(KINDS)
    assert "| rhombic | 2 | +0.00 | 85 |" in lines[3]
