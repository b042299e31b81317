from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.core.mapdata import LAYERS, ROAD_KINDS, Bounds, Streetscape
from mdps_ros.maps import load_map
from mdps_ros.maps.drawing import line_layer, point_layer

LINES = ("pavement", "cycleway", "path", "tram", "rail", "wall", "fence", "hedge", "tree_row")
POINTS = ("tree", "lamp", "signal", "bus_stop", "bollard", "sign", "crossing")


@pytest.fixture
def street(new_town, tmp_path):
    town = new_town()
    town.way([(-100.0, 0.0), (100.0, 0.0)], highway="residential")
    town.way([(-100.0, 50.0), (100.0, 50.0)], highway="service", motor_vehicle="no")
    town.way([(-100.0, 10.0), (0.0, 10.0), (100.0, 10.0)], railway="tram")
    town.ring([(-20.0, 20.0), (20.0, 20.0), (20.0, 40.0), (-20.0, 40.0)], barrier="hedge")
    town.box(40.0, 20.0, 60.0, 40.0, leisure="park")
    town.box(70.0, 60.0, 90.0, 70.0, building="yes")  # stretches the map to the north
    town.node(-50.0, 6.0, highway="street_lamp")
    town.node(-60.0, 0.0, highway="crossing")
    town.node(-70.0, 6.0, natural="tree", diameter_crown="5")
    town.node(-80.0, 6.0, amenity="bench")
    return load_map(town.write(tmp_path / "a.osm"), anchor=town.anchor)


def test_the_streetscape_holds_what_the_tags_say(street):
    lines = {line.kind: line for line in street.streetscape.lines}
    assert set(lines) == {"road:residential", "road:service", "tram", "hedge"}
    assert street.roads.count == 1  # the one barred to cars is seen, but not driven
    np.testing.assert_allclose(
        lines["tram"].xy, [(-100.0, 10.0), (0.0, 10.0), (100.0, 10.0)], atol=0.02
    )
    assert lines["tram"].width == 2.5
    assert not lines["tram"].closed
    assert lines["hedge"].closed
    assert lines["hedge"].xy.shape == (4, 2)
    points = {point.kind: point for point in street.streetscape.points}
    assert {kind: point.size for kind, point in points.items()} == {
        "lamp": 0.0,
        "crossing": 0.0,
        "tree": 5.0,
    }
    np.testing.assert_allclose(points["lamp"].xy, (-50.0, 6.0), atol=0.02)
    (park,) = street.streetscape.areas
    assert park.kind == "grass"
    assert park.exterior.shape == (4, 2)
    with pytest.raises(ValueError, match="read-only"):
        park.exterior[0, 0] = 0.0


def test_the_raster_shows_the_streetscape(street):
    tile = street.raster(Bounds(-100.0, -20.0, 100.0, 60.0), 0.25)

    def area(name):
        return tile.layer(name).sum() * 0.0625

    assert area("tram") == pytest.approx(200.0 * 2.5, rel=0.01)
    assert not tile.layer("rail").any()
    # A ring of hedge: all four sides, of one metre.
    assert area("barrier") == pytest.approx(120.0, rel=0.02)
    # Discs are drawn with twelve corners.
    assert area("pole") == pytest.approx(3.0 * 0.6**2, rel=0.15)
    assert area("crossing") == pytest.approx(3.0 * 2.0**2, rel=0.05)
    assert area("tree") == pytest.approx(3.0 * 2.5**2, rel=0.05)
    assert area("grass") == pytest.approx(400.0, rel=0.01)
    assert area("service") == pytest.approx(200.0 * 4.0, rel=0.02)
    row = int((6.0 + 20.0) / 0.25)
    assert tile.layer("pole")[row, int((-50.0 + 100.0) / 0.25)]


def test_every_kind_of_feature_has_a_layer():
    roads = tuple(f"road:{kind}" for kind in ROAD_KINDS)
    assert {line_layer(kind) for kind in LINES + roads + ("water",)} <= set(LAYERS)
    assert {point_layer(kind) for kind in POINTS} == {"tree", "crossing", "pole"}
    with pytest.raises(KeyError):
        line_layer("river")


def test_an_occupancy_map_has_no_streetscape(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5 2 2 255\n\x00\xfe\xfe\x00")
    header = "image: a.pgm\nresolution: 1.0\norigin: [0, 0, 0]\noccupied_thresh: 0.65\n"
    (tmp_path / "a.yaml").write_text(header + "free_thresh: 0.25\n")
    assert load_map(tmp_path / "a.yaml").streetscape == Streetscape()
