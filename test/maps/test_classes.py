from __future__ import annotations

import pytest

from mdps_ros.core.mapdata import LAYERS
from mdps_ros.maps import classes
from mdps_ros.maps.classes import (
    area_layers,
    is_building,
    number,
    out_of_sight,
    point_dot,
    road_kind,
    way_stroke,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6", 6.0),
        (" 6.5 m", 6.5),
        ("6,5", 6.5),
        ("3;4", 3.0),
        ("20'", 6.096),
        ("20 ft", 6.096),
        ("-1", -1.0),
        ("narrow", None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (None, None),
    ],
)
def test_measures_are_read_as_people_write_them(text, value):
    assert number(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize(
    "tags",
    [
        {"tunnel": "yes"},
        {"tunnel": "building_passage"},
        {"layer": "-1"},
        {"covered": "yes"},
        {"indoor": "yes"},
        {"location": "underground"},
    ],
)
def test_what_the_sky_does_not_see_is_out_of_sight(tags):
    assert out_of_sight({"highway": "footway", **tags})


@pytest.mark.parametrize("tags", [{}, {"layer": "1"}, {"tunnel": "no"}, {"layer": "ground"}])
def test_what_lies_open_is_in_sight(tags):
    assert not out_of_sight(tags)


def test_links_count_as_the_road_they_link():
    assert road_kind({"highway": "motorway_link"}) == "motorway"
    assert road_kind({"highway": "road"}) == "unclassified"
    assert road_kind({"highway": "footway"}) is None
    assert road_kind({}) is None


def test_a_closed_pedestrian_way_is_a_line_unless_it_says_area():
    square = {"highway": "pedestrian"}
    assert way_stroke(square, closed=True).kind == "pavement"
    assert area_layers(square) == ()
    assert way_stroke({**square, "area": "yes"}, closed=True) is None
    assert area_layers({**square, "area": "yes"}) == ("pavement",)


def test_roofs_and_bridges_between_houses_are_no_buildings():
    assert is_building({"building": "yes"})
    assert is_building({"building": "yes", "min_height": "0"})
    assert not is_building({"building": "roof"})
    assert not is_building({"building": "yes", "min_height": "5"})
    assert not is_building({"building": "yes", "building:min_level": "2"})
    assert not is_building({"leisure": "park"})


def test_an_absurd_width_is_ignored():
    assert way_stroke({"highway": "footway", "width": "3"}, closed=False).width == 3.0
    assert way_stroke({"highway": "footway", "width": "300"}, closed=False).width == 2.0
    assert point_dot({"natural": "tree", "diameter_crown": "8"}).size == 8.0


def test_parking_under_ground_is_no_parking_place():
    assert area_layers({"amenity": "parking"}) == ("parking",)
    assert area_layers({"amenity": "parking", "parking": "underground"}) == ()


def test_a_tram_is_no_railway():
    assert way_stroke({"railway": "tram"}, closed=False) == ("tram", 2.5)
    assert way_stroke({"railway": "light_rail"}, closed=False) == ("rail", 2.5)


@pytest.mark.parametrize(
    ("tags", "kind"),
    [
        ({"natural": "tree"}, "tree"),
        ({"highway": "street_lamp"}, "lamp"),
        ({"highway": "traffic_signals", "traffic_sign": "stop"}, "signal"),
        ({"highway": "bus_stop"}, "bus_stop"),
        ({"barrier": "bollard"}, "bollard"),
        ({"traffic_sign": "FI:231"}, "sign"),
        ({"highway": "crossing", "crossing": "uncontrolled"}, "crossing"),
    ],
)
def test_each_small_thing_has_its_kind(tags, kind):
    assert point_dot(tags).kind == kind


@pytest.mark.parametrize(
    "tags", [{}, {"barrier": "gate"}, {"highway": "crossing", "crossing": "unmarked"}]
)
def test_what_a_street_does_not_show_is_no_point(tags):
    assert point_dot(tags) is None


def test_every_layer_named_by_a_tag_exists():
    assert set(classes._AREAS.values()) <= set(LAYERS)
    roads = {classes.road_layer(kind) for kind in ("primary", "residential", "service")}
    assert roads == {"road_major", "road_minor", "service"}
