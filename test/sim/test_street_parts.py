"""What stands and lies in a street: kerbs, lamps, woods, people, the view from above."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely

from mdps_ros.core.mapdata import AreaFeature, LineFeature, PointFeature, Streetscape
from mdps_ros.sim.street_bev import ground_ahead
from mdps_ros.sim.street_ground import GROUNDS
from mdps_ros.sim.street_kerb import BEHIND_KERB_M, at_kerb
from mdps_ros.sim.street_lamps import LAMP_M, lamp_light, lamp_places
from mdps_ros.sim.street_people import people
from mdps_ros.sim.street_woods import CLEAR_M, SEEN_FROM_M, wood_places
from test.sim.street_worlds import BOUNDS, scenery, street

RING = np.array([[-60.0, -40.0], [60.0, -40.0], [60.0, 40.0], [-60.0, 40.0]])


def test_a_signal_on_the_line_of_a_road_stands_at_its_kerb() -> None:
    # the road runs along y = 0 and is 6 m wide
    points = np.array([[0.0, 0.2], [5.0, -2.9], [9.0, 3.5]])
    moved = at_kerb(points, scenery())
    expected = [[0.0, 3.0 + BEHIND_KERB_M], [5.0, -3.0 - BEHIND_KERB_M], [9.0, 3.5]]
    assert np.allclose(moved, expected)


def test_a_point_that_every_move_puts_on_another_road_stays() -> None:
    lanes = tuple(
        LineFeature("road:residential", np.array([[-50.0, y], [50.0, y]]), 6.0, False)
        for y in np.arange(-20.0, 21.0, 4.0)
    )
    point = np.array([[0.0, 1.0]])
    assert np.array_equal(at_kerb(point, Streetscape(lanes, (), ())), point)


def test_lamp_light_falls_off_as_the_square_and_the_cosine_say() -> None:
    place = np.array([[0.5, 0.5]])
    light = lamp_light(place, BOUNDS)
    origin = light.origin + (np.floor((place[0] - light.origin) / light.resolution) + 0.5) * 2.0
    for steps in (0, 3, 8):
        x = origin[0] + steps * light.resolution
        cell = np.floor((np.array([x, origin[1]]) - light.origin) / light.resolution).astype(int)
        distance = steps * light.resolution
        inverse_square = LAMP_M**2 / (LAMP_M**2 + distance**2)
        cosine = LAMP_M / math.hypot(LAMP_M, distance)
        found = light.values[cell[1], cell[0]]
        assert found == pytest.approx(inverse_square * cosine, rel=1e-5)
        if steps:  # the broken variant: no cosine
            assert found != pytest.approx(inverse_square, rel=0.05)


def test_most_lamps_of_the_map_stand_and_the_same_seed_sets_the_same() -> None:
    lamps = [PointFeature("lamp", np.array([float(x), 8.0]), 0.0) for x in range(1000)]
    only = Streetscape((), tuple(lamps), ())
    places = lamp_places(only, np.random.default_rng(0))
    assert abs(len(places) - 850) < 5 * math.sqrt(1000 * 0.15 * 0.85)
    assert np.array_equal(places, lamp_places(only, np.random.default_rng(0)))


def test_trees_stand_in_the_wood_and_off_the_road_and_are_as_dense_as_said() -> None:
    wood = AreaFeature("tree", RING, ())
    places = wood_places(Streetscape(scenery().lines, (), (wood,)), np.random.default_rng(0))
    gap = np.abs(places[:, 1])
    assert gap.min() >= 3.0 + CLEAR_M
    assert gap.max() <= SEEN_FROM_M
    expected = 120.0 * 2 * (40.0 - 3.0 - CLEAR_M) / 49.0
    assert abs(len(places) - expected) < 5 * math.sqrt(expected)


def test_a_hole_in_a_wood_stays_free() -> None:
    hole = np.array([[-20.0, 10.0], [20.0, 10.0], [20.0, 30.0], [-20.0, 30.0]])
    wood = AreaFeature("tree", RING, (hole,))
    places = wood_places(Streetscape(scenery().lines, (), (wood,)), np.random.default_rng(0))
    assert len(places) > 50
    assert not shapely.contains_xy(shapely.Polygon(hole), places).any()


def test_people_keep_off_the_driven_line() -> None:
    pavement = LineFeature("pavement", np.array([[-60.0, 0.0], [60.0, 0.0]]), 6.0, False)
    walk = Streetscape((pavement,) * 20, (), ())
    path = np.column_stack([np.arange(-60.0, 60.5, 0.5), np.full(241, 0.5)])
    free = people(walk, np.random.default_rng(0))
    kept = people(walk, np.random.default_rng(0), path)
    assert 0 < len(kept.corners) < len(free.corners)

    def gap(corners: np.ndarray) -> float:
        return float(np.abs(corners[..., 1] - 0.5).min())

    assert gap(free.corners) < 1.0
    assert gap(kept.corners) > 2.0 - 0.25


def test_the_ground_ahead_is_the_ground_of_the_street_turned_to_the_vehicle() -> None:
    place = street()
    north = ground_ahead(place.ground, np.array([0.0, -20.0, math.pi / 2]), resolution=0.5)
    assert north.shape == (80, 96)
    asphalt = north == GROUNDS.index("asphalt")
    rows = np.flatnonzero(asphalt.all(axis=1))
    # the road begins 17 m ahead and ends 23 m ahead
    assert (rows.min(), rows.max()) == (34, 45)
    building = north == GROUNDS.index("building")
    # the house begins 25 m ahead, 20 m to the right: column (24 + 20) / 0.5
    assert (np.argwhere(building).min(axis=0) == [50, 88]).all()
    mirrored = north[:, ::-1] == GROUNDS.index("building")
    assert not np.array_equal(mirrored, building)


def test_beyond_the_painted_ground_all_is_bare() -> None:
    labels = ground_ahead(street().ground, np.array([500.0, 500.0, 0.0]))
    assert not labels.any()
