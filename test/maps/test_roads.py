from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.core.mapdata import ROAD_KINDS
from mdps_ros.maps import load_map


@pytest.fixture
def one_street(new_town, tmp_path):
    """Load a map with one straight street to the east, 100 m, with the given tags."""

    def load(**tags):
        town = new_town()
        town.way([(-500.0, 0.0), (-450.0, 0.0)], highway="track")
        town.way([(0.0, 90.0), (30.0, 90.0)], highway="residential", name="always there")
        town.way([(0.0, 0.0), (100.0, 0.0)], **tags)
        network = load_map(town.write(tmp_path / "street.osm"), anchor=town.anchor).roads
        return [
            (network.start[i], network.end[i], network.oneway[i], network.width[i])
            for i in range(network.count)
            if abs(network.start[i, 1]) < 1.0
        ]

    return load


@pytest.mark.parametrize(
    ("tags", "oneway", "eastward"),
    [
        ({"highway": "residential"}, False, True),
        ({"highway": "residential", "oneway": "no"}, False, True),
        ({"highway": "residential", "oneway": "yes"}, True, True),
        ({"highway": "residential", "oneway": "1"}, True, True),
        ({"highway": "residential", "oneway": "true"}, True, True),
        ({"highway": "residential", "oneway": "-1"}, True, False),
        ({"highway": "residential", "oneway": "reverse"}, True, False),
        ({"highway": "residential", "oneway": "reversible"}, False, True),
        ({"highway": "residential", "junction": "roundabout"}, True, True),
        ({"highway": "residential", "junction": "roundabout", "oneway": "no"}, False, True),
        ({"highway": "motorway"}, True, True),
        ({"highway": "motorway", "oneway": "no"}, False, True),
        ({"highway": "motorway_link"}, False, True),
    ],
)
def test_oneway_in_all_its_spellings(one_street, tags, oneway, eastward):
    ((start, end, is_oneway, _),) = one_street(**tags)
    assert is_oneway == oneway
    assert (end[0] > start[0]) == eastward
    assert abs(end[0] - start[0]) == pytest.approx(100.0, abs=0.02)


@pytest.mark.parametrize(
    ("tags", "width"),
    [
        ({"width": "7.5"}, 7.5),
        ({"width": "7,5 m", "lanes": "4"}, 7.5),
        ({"lanes": "3"}, 10.25),
        ({"lanes": "many"}, 6.0),
        ({"width": "0.1"}, 6.0),
        ({}, 6.0),
        ({"oneway": "yes"}, 4.5),
    ],
)
def test_width_comes_from_width_then_lanes_then_kind(one_street, tags, width):
    ((*_, found),) = one_street(highway="residential", **tags)
    assert found == pytest.approx(width)


@pytest.mark.parametrize(
    ("tags", "drivable"),
    [
        ({"access": "private"}, True),
        ({"access": "no"}, True),
        ({"access": "destination"}, True),
        ({"motor_vehicle": "no"}, False),
        ({"vehicle": "no", "bicycle": "yes"}, False),
        ({"vehicle": "no", "motor_vehicle": "destination"}, True),
        ({"tunnel": "yes"}, False),
        ({"covered": "yes"}, False),
        ({"layer": "-1"}, True),
        ({"highway": "footway"}, False),
        ({"highway": "construction"}, False),
        ({"highway": "service"}, True),
    ],
)
def test_which_ways_cars_may_use(one_street, tags, drivable):
    assert bool(one_street(**{"highway": "residential", **tags})) == drivable


def test_streets_that_share_a_node_share_a_graph_node(village, tmp_path):
    roads = load_map(village.write(tmp_path / "a.osm"), anchor=village.anchor).roads
    assert roads.count == 4
    place = {}
    ends = zip([*roads.start_node, *roads.end_node], [*roads.start, *roads.end], strict=True)
    for node, xy in ends:
        np.testing.assert_array_equal(place.setdefault(node, xy), xy)
    assert len(place) == 5
    crossing = [node for node, xy in place.items() if np.hypot(*xy) < 0.02]
    degree = (roads.start_node == crossing[0]).sum() + (roads.end_node == crossing[0]).sum()
    assert degree == 4
    assert sorted({ROAD_KINDS[kind] for kind in roads.kind}) == ["residential", "secondary"]


def test_two_nodes_at_one_place_become_one(new_town, tmp_path):
    town = new_town()
    first, double, last = town.node(0.0, 0.0), town.node(0.0, 0.0), town.node(50.0, 0.0)
    town.way([(-50.0, 0.0), first, double, last], highway="residential")
    roads = load_map(town.write(tmp_path / "a.osm")).roads
    assert roads.count == 2
    assert roads.end_node[0] == roads.start_node[1]
    assert (roads.lengths > 1.0).all()


def test_the_network_cannot_be_written_to(village, tmp_path):
    roads = load_map(village.write(tmp_path / "a.osm")).roads
    with pytest.raises(ValueError, match="read-only"):
        roads.start[0, 0] = 1.0
