from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.maps import load_map
from mdps_ros.maps.buildings import signed_area, tagged_height


@pytest.mark.parametrize(
    ("tags", "height"),
    [
        ({"height": "12 m"}, 12.0),
        ({"building:levels": "4"}, 4 * 3.3 + 1.5),
        ({"height": "10", "building:levels": "9"}, 10.0),
        ({"height": "high", "building:levels": "1"}, 3.3 + 1.5),
        ({"height": "0"}, None),
        ({}, None),
    ],
)
def test_heights_come_from_height_then_levels(tags, height):
    assert tagged_height(tags) == (None if height is None else pytest.approx(height))


def test_footprints_have_heights_and_holes(village, tmp_path):
    map = load_map(village.write(tmp_path / "a.osm"), anchor=village.anchor)
    house, court = sorted(map.buildings, key=lambda b: b.height)
    assert house.height == pytest.approx(2 * 3.3 + 1.5)
    assert court.height == 12.0
    assert abs(signed_area(court.exterior)) == pytest.approx(1600.0, rel=2e-3)
    assert abs(signed_area(court.holes[0])) == pytest.approx(400.0, rel=2e-3)
    assert map.unknown_heights == 0
    raster = map.raster(map.bounds, 0.5)
    assert raster.layer("building").sum() * 0.25 == pytest.approx(1200.0 + 200.0, rel=0.01)


def test_defaults_by_size_are_counted_as_unknown(new_town, tmp_path):
    town = new_town()
    town.way([(0.0, -10.0), (50.0, -10.0)], highway="residential")
    town.box(0.0, 0.0, 5.0, 5.0, building="garage")
    town.box(10.0, 0.0, 30.0, 20.0, building="yes")
    town.box(40.0, 0.0, 50.0, 20.0, building="yes", height="30")
    map = load_map(town.write(tmp_path / "a.osm"))
    assert [b.height for b in map.buildings] == [3.5, 9.0, 30.0]
    assert map.unknown_heights == 2


def test_the_highest_part_gives_an_untagged_building_its_height(new_town, tmp_path):
    town = new_town()
    town.way([(0.0, -10.0), (50.0, -10.0)], highway="residential")
    town.box(0.0, 0.0, 20.0, 20.0, building="yes")
    town.box(1.0, 1.0, 9.0, 19.0, building__part="yes", height="14")
    town.box(11.0, 1.0, 19.0, 19.0, building__part="yes", building__levels="6")
    town.box(40.0, 0.0, 60.0, 20.0, building="yes")
    map = load_map(town.write(tmp_path / "a.osm"))
    assert [b.height for b in map.buildings] == [pytest.approx(6 * 3.3 + 1.5), 9.0]
    assert map.unknown_heights == 1


def test_area_is_positive_counter_clockwise():
    ring = np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 3.0), (0.0, 3.0)]) + 1e6
    assert signed_area(ring) == 12.0
    assert signed_area(ring[::-1]) == -12.0
