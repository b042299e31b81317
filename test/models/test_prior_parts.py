"""Parts of a start over a map: what lies in a circle, and what in a polygon."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mdps_ros.models.prior import FreePrior, RoadPrior, sample_prior, start_count
from mdps_ros.models.prior_parts import inside, within
from test.models.road_worlds import roads
from test.models.test_prior import TOWN


@pytest.mark.parametrize(
    ("centre", "radius", "streets"),
    [
        ((50.0, 20.0), 21.0, [0]),  # beside the middle of the first
        ((50.0, 20.0), 19.0, []),
        ((-30.0, 0.0), 31.0, [0]),  # before its end
        ((0.0, 1150.0), 1.0, [1]),
        ((0.0, 0.0), 1e5, [0, 1, 2, 3]),
    ],
)
def test_a_region_holds_the_roads_that_reach_into_it(centre, radius: float, streets) -> None:
    part = within(RoadPrior(TOWN), np.array(centre), radius)
    if not streets:
        assert part is None
        return
    assert isinstance(part, RoadPrior)
    np.testing.assert_array_equal(part.roads.start, TOWN.start[streets])
    np.testing.assert_array_equal(part.roads.oneway, TOWN.oneway[streets])


def test_a_region_holds_the_free_cells_in_it() -> None:
    floor = FreePrior(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), 1.0)
    part = within(floor, np.zeros(2), 5.0)
    assert isinstance(part, FreePrior)
    np.testing.assert_array_equal(part.centres, floor.centres[:2])
    assert within(floor, np.array([50.0, 0.0]), 5.0) is None


def box(x0: float, y0: float, x1: float, y1: float) -> np.ndarray:
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def test_a_polygon_cuts_streets_at_its_border_and_keeps_their_direction() -> None:
    part = inside(RoadPrior(TOWN, (1.0, 0.2)), box(-50.0, -50.0, 40.0, 1100.0))
    assert isinstance(part, RoadPrior)
    assert part.heading == (1.0, 0.2)
    np.testing.assert_allclose(part.roads.start, [[0.0, 0.0], [0.0, 1000.0]], atol=1e-9)
    np.testing.assert_allclose(part.roads.end, [[40.0, 0.0], [0.0, 1100.0]], atol=1e-9)
    np.testing.assert_array_equal(part.roads.oneway, TOWN.oneway[:2])
    np.testing.assert_array_equal(part.roads.width, TOWN.width[:2])


@pytest.mark.parametrize("turned", [False, True])
def test_the_length_inside_is_that_of_the_chord(turned: bool) -> None:
    """A diamond |x - 50| + |y| <= 30 about a street along x; one-way streets stay as they lead."""
    ends = ((100.0, 0.0), (0.0, 0.0)) if turned else ((0.0, 0.0), (100.0, 0.0))
    diamond = np.array([[80.0, 0.0], [50.0, 30.0], [20.0, 0.0], [50.0, -30.0]])
    streets = roads((ends, ((0.0, 10.0), (100.0, 10.0))), oneway=[True, False])
    part = inside(RoadPrior(streets), diamond)
    assert isinstance(part, RoadPrior)
    np.testing.assert_allclose(part.roads.lengths, [60.0, 40.0], atol=1e-9)
    np.testing.assert_allclose(part.roads.yaw, streets.yaw, atol=1e-9)
    assert start_count(part, 1.0) == 60 + 2 * 40


def test_a_street_that_leaves_a_polygon_and_comes_back_is_in_two_parts() -> None:
    u_shape = np.array(
        [[0, -5], [100, -5], [100, 50], [70, 50], [70, -1], [30, -1], [30, 50], [0, 50]], float
    )
    part = inside(RoadPrior(roads((((-10.0, 20.0), (110.0, 20.0)),), oneway=[True])), u_shape)
    assert isinstance(part, RoadPrior)
    order = np.argsort(part.roads.start[:, 0])
    np.testing.assert_allclose(part.roads.start[order, 0], [0.0, 70.0], atol=1e-9)
    np.testing.assert_allclose(part.roads.end[order, 0], [30.0, 100.0], atol=1e-9)
    drawn = sample_prior(part, 1, 4000, torch.Generator().manual_seed(5))[0, :, 0].numpy()
    between = (drawn > 30.5) & (drawn < 69.5)
    assert not between.any()
    assert abs(np.mean(drawn < 50.0) - 0.5) < 3 * math.sqrt(0.25 / 4000)


def test_a_polygon_beside_all_streets_or_touching_one_holds_nothing() -> None:
    assert inside(RoadPrior(TOWN), box(500.0, 500.0, 600.0, 600.0)) is None
    assert inside(RoadPrior(TOWN), box(100.0, -10.0, 120.0, 10.0)) is None
    assert inside(FreePrior(np.zeros((1, 2)), 1.0), box(1.0, 1.0, 2.0, 2.0)) is None


def test_a_polygon_holds_the_free_cells_in_it() -> None:
    floor = FreePrior(np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]), 1.0, (0.5, 0.1))
    part = inside(floor, box(2.0, 2.0, 7.0, 9.0))
    assert isinstance(part, FreePrior)
    np.testing.assert_array_equal(part.centres, floor.centres[1:])
    assert part.heading == (0.5, 0.1)
