"""The closed form against a search through all the points, borders and outside included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from q2d2_stream.config import CodecConfig
from q2d2_stream.errors import InputError
from q2d2_stream.lattice import HEXAGONAL_PITCH, Lattice

GRIDS = [
    Lattice("rhombic", (9, 9)),
    Lattice("rhombic", (7, 7)),
    Lattice("rhombic", (3, 11)),
    Lattice("hexagonal", (9, 9)),
    Lattice("hexagonal", (6, 8)),
    Lattice("hexagonal", (5, 2)),
    Lattice("rectangular", (7, 7)),
    Lattice("rectangular", (2, 8)),
]


def all_points(lattice: Lattice) -> np.ndarray:
    return lattice.point(np.arange(lattice.codes[0])[:, None]).astype(np.float64)


def exact_points(lattice: Lattice) -> np.ndarray:
    """The points in float64, as nearest() uses them; ``point`` rounds to float32."""
    points = all_points(lattice)
    if lattice.kind == "hexagonal":
        rows = np.rint(points[:, 1] / HEXAGONAL_PITCH * 2) / 2
        points[:, 1] = rows * HEXAGONAL_PITCH
    return points


grids = st.sampled_from(GRIDS)
anywhere = st.floats(-12.0, 12.0)
# Multiples of 1/4 are corners, centres and the borders of every rhombic and rectangular cell.
borders = st.integers(-48, 48).map(lambda n: n / 4)
# Between row and row a hexagonal cell's border runs through multiples of a quarter pitch.
row_borders = st.integers(-48, 48).map(lambda n: n * HEXAGONAL_PITCH / 4)
coordinate = anywhere | borders | row_borders


@given(grids, coordinate, coordinate)
def test_nearest_agrees_with_a_search(lattice: Lattice, x: float, y: float) -> None:
    index = int(lattice.nearest([x, y])[0])
    distances = np.hypot(*(exact_points(lattice) - (x, y)).T)
    assert distances[index] <= distances.min() + 1e-12


@given(st.sampled_from([g for g in GRIDS if g.kind != "hexagonal"]), borders, borders)
def test_on_borders_the_distance_is_exactly_the_smallest(
    lattice: Lattice, x: float, y: float
) -> None:
    index = int(lattice.nearest([x, y])[0])
    squares = ((all_points(lattice) - (x, y)) ** 2).sum(axis=1)  # exact: multiples of 1/16
    assert squares[index] == squares.min()


@pytest.mark.parametrize("lattice", GRIDS, ids=lambda g: f"{g.kind}{g.levels}")
def test_every_point_is_its_own_nearest(lattice: Lattice) -> None:
    index = np.arange(lattice.codes[0])[:, None]
    points = lattice.point(index)
    assert len(np.unique(points, axis=0)) == lattice.codes[0]
    np.testing.assert_array_equal(lattice.nearest(points), index)


@pytest.mark.parametrize("lattice", GRIDS, ids=lambda g: f"{g.kind}{g.levels}")
def test_the_grid_fills_its_scale_and_normalises_into_one(lattice: Lattice) -> None:
    points = all_points(lattice)
    np.testing.assert_allclose(np.abs(points).max(axis=0), lattice.scale, rtol=1e-6)
    normalised = lattice.normalised(np.arange(lattice.codes[0])[:, None])
    assert np.abs(normalised).max() <= 1.0
    np.testing.assert_allclose(normalised * lattice.norm, points, atol=1e-6)


@pytest.mark.parametrize("kind", ["rhombic", "rectangular"])
def test_odd_levels_reach_one_exactly_and_corners_are_integers(kind: str) -> None:
    lattice = Lattice(kind, (9, 7))
    corners = lattice.point(np.arange(63)[:, None])
    np.testing.assert_array_equal(corners, np.rint(corners))
    np.testing.assert_array_equal(lattice.normalised([62]), [1.0, 1.0])
    np.testing.assert_array_equal(lattice.normalised([0]), [-1.0, -1.0])


def test_the_hexagonal_grid_has_six_neighbours_at_distance_one() -> None:
    points = exact_points(Lattice("hexagonal", (7, 7)))
    distance = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    near = np.isclose(distance, 1.0, atol=1e-9).sum(axis=1)
    assert near.max() == 6
    assert near[24] == 6  # the middle of the middle row
    assert distance[distance > 0.5].min() > 1.0 - 1e-9


@given(st.integers(0, 2**32 - 1))
def test_all_pairs_at_once_equal_each_pair_alone(seed: int) -> None:
    config = CodecConfig()
    lattice = Lattice.of(config)
    latent = np.random.default_rng(seed).uniform(-5, 5, (2, 3, 24)).astype(np.float32)
    index = lattice.nearest(latent)
    assert index.shape == (2, 3, 12)
    assert index.dtype == np.uint8
    np.testing.assert_array_equal(lattice.nearest(latent[..., :6]), index[..., :3])
    for pair in range(12):
        axes = slice(2 * pair, 2 * pair + 2)
        alone = Lattice(config.lattice, config.levels[axes])
        np.testing.assert_array_equal(alone.nearest(latent[..., axes]), index[..., pair : pair + 1])
        np.testing.assert_array_equal(
            alone.point(index[..., pair : pair + 1]), lattice.point(index)[..., axes]
        )


@pytest.mark.parametrize("kind", ["rhombic", "hexagonal", "rectangular"])
def test_codes_equal_those_of_the_configuration(kind: str) -> None:
    config = CodecConfig(lattice=kind)
    assert Lattice.of(config).codes == config.codebook_sizes


@pytest.mark.parametrize("lattice", GRIDS, ids=lambda grid: f"{grid.kind}-{grid.levels}")
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_a_frame_is_quantized_to_what_is_nearest(lattice: Lattice, seed: int, ties: bool) -> None:
    """Number by number as in arrays, half-way between points and outside of the grid, too."""
    pairs = 5
    grids = Lattice(lattice.kind, lattice.levels * pairs)
    latent = np.random.default_rng(seed).uniform(-6, 6, 2 * pairs).astype(np.float32)
    if ties:
        latent = (np.rint(4 * latent) / 4).astype(np.float32)
    indices, points = grids.quantize(latent)
    assert indices.dtype == np.uint8
    np.testing.assert_array_equal(indices, grids.nearest(latent))
    np.testing.assert_array_equal(points, grids.point(indices))


def test_ties_go_to_the_even_step_and_to_the_corner() -> None:
    lattice = Lattice("rhombic", (7, 7))
    tie = lattice.point(lattice.nearest([0.25, 0.25]))  # between corner (0, 0), centre (.5, .5)
    np.testing.assert_array_equal(tie, [0.0, 0.0])
    rectangular = Lattice("rectangular", (7, 7))
    np.testing.assert_array_equal(rectangular.point(rectangular.nearest([0.5, -0.5])), [1.0, -1.0])


@pytest.mark.parametrize(
    ("kind", "levels", "sentence"),
    [
        ("rhombic", (8, 7), "8 levels make no rhombic grid"),
        ("rectangular", (1, 7), "1 levels make no grid"),
        ("hexagonal", (7, 7, 7), "3 levels make no grid"),
        ("rectangular", (), "0 levels make no grid"),
        ("rhombic", (13, 13), "make 313 rhombic points"),
        ("square", (7, 7), "the lattice is 'square'"),
    ],
)
def test_levels_that_make_no_grid_are_refused(
    kind: str, levels: tuple[int, ...], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        Lattice(kind, levels)


@pytest.mark.parametrize("latent", [0.0, [1.0], [0.0] * 26, [np.nan, 0.0], [np.inf, 0.0]])
def test_latents_that_fit_no_pair_are_refused(latent: ArrayLike) -> None:
    with pytest.raises(InputError, match="the latent"):
        Lattice.of(CodecConfig()).nearest(latent)


@pytest.mark.parametrize("index", [0, [145], [0, 85], [-1], [0.0], [0] * 13])
def test_indices_beyond_the_grid_are_refused(index: ArrayLike) -> None:
    with pytest.raises(InputError, match="ind"):
        Lattice.of(CodecConfig()).point(index)
