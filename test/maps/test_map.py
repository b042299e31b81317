from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mdps_ros.core.mapdata import Bounds, TileSource
from mdps_ros.maps import MapError, load_map
from mdps_ros.maps.map import CACHE_BYTES


def grid_city(town, side, spacing):
    """Streets every `spacing` metres over a square, one house per block."""
    steps = int(side / spacing) + 1
    nodes = [[town.node(spacing * i, spacing * j) for i in range(steps)] for j in range(steps)]
    for k in range(steps):
        town.way(nodes[k], highway="residential")
        town.way([row[k] for row in nodes], highway="tertiary")
    for i in range(steps - 1):
        for j in range(steps - 1):
            x, y = spacing * i + 40.0, spacing * j + 30.0
            town.box(x, y, x + 30.0, y + 20.0, building="yes")
    return town


def peak_of_a_drive(map, steps):
    """Largest memory that any single tile on a diagonal drive took beyond the cache, bytes."""
    columns, rows = map.tile_count
    peaks = []
    tracemalloc.start()
    for step in range(steps):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        map.tile(step % columns, (step // 2) % rows)
        peaks.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    return max(peaks)


@pytest.fixture(scope="module")
def city_and_village(tmp_path_factory, new_town):
    folder = tmp_path_factory.mktemp("city")
    return (
        grid_city(new_town(), 20_000.0, 200.0).write(folder / "city.osm"),
        grid_city(new_town(), 600.0, 200.0).write(folder / "village.osm"),
    )


def test_a_city_takes_no_more_memory_per_step_than_a_village(city_and_village):
    city, village = (load_map(path) for path in city_and_village)
    assert min(city.bounds.width, city.bounds.height) >= 20_000.0
    city_peak, village_peak = peak_of_a_drive(city, 260), peak_of_a_drive(village, 25)
    assert city_peak < 1.2 * village_peak
    tile_bytes = city.tile(0, 0).layers.nbytes
    # 260 tiles would be more than the cache may hold.
    assert 260 * tile_bytes > CACHE_BYTES
    assert CACHE_BYTES - 2 * tile_bytes <= city.cached_bytes <= CACHE_BYTES


def test_tiles_lie_where_the_contract_says_and_equal_a_window(village, tmp_path):
    map = load_map(village.write(tmp_path / "a.osm"))
    assert isinstance(map, TileSource)
    size = map.tile_size
    assert size == 128.0
    tile = map.tile(1, 0)
    assert tile.origin == (map.bounds.min_x + size, map.bounds.min_y)
    assert tile.layers.shape[1:] == (256, 256)
    whole = map.raster(map.bounds, map.resolution).layers
    part = whole[:, :256, 256:512]
    np.testing.assert_array_equal(tile.layers[:, : part.shape[1], : part.shape[2]], part)
    assert part.any()


def test_nothing_is_drawn_beyond_the_bounds(new_town, tmp_path):
    town = new_town()
    town.way([(0.0, 0.0), (100.0, 0.0)], highway="residential")
    town.box(-5000.0, -5000.0, 5000.0, 5000.0, landuse="forest")
    map = load_map(town.write(tmp_path / "a.osm"))
    box = map.bounds
    # A lake or a forest that reaches far out does not stretch the map.
    assert box.width < 200.0
    assert not map.tile(-1, 0).layers.any()
    grown = Bounds(box.min_x - 10.0, box.min_y - 20.0, box.max_x + 30.0, box.max_y + 40.0)
    tree = map.raster(grown, 1.0).layer("tree")
    assert tree.sum() == box.width * box.height
    assert tree[20:-40, 10:-30].all()


def test_a_kept_tile_is_the_same_object_and_read_only(village, tmp_path):
    map = load_map(village.write(tmp_path / "a.osm"))
    tile = map.tile(0, 0)
    assert map.tile(0, 0) is tile
    with pytest.raises(ValueError, match="read-only"):
        tile.layers[0, 0, 0] = 1
    with pytest.raises(AttributeError):
        map.id = "other"


def test_threads_share_one_cache(village, tmp_path):
    map = load_map(village.write(tmp_path / "a.osm"))
    keys = [(i % 3 - 1, i % 2) for i in range(120)]
    with ThreadPoolExecutor(8) as pool:
        tiles = list(pool.map(lambda key: map.tile(*key), keys))
    assert map.cached_bytes == len(set(keys)) * tiles[0].layers.nbytes
    for key, tile in zip(keys, tiles, strict=True):
        np.testing.assert_array_equal(tile.layers, map.tile(*key).layers)


def test_lengths_by_kind_add_up(village, tmp_path):
    map = load_map(village.write(tmp_path / "a.osm"))
    assert map.drivable_length_by_kind == {
        "residential": pytest.approx(220.0, abs=0.1),
        "secondary": pytest.approx(140.0, abs=0.1),
    }
    assert map.drivable_length == pytest.approx(360.0, abs=0.1)


def test_a_given_anchor_fixes_the_frame(village, tmp_path):
    path = village.write(tmp_path / "a.osm")
    given, free = load_map(path, anchor=village.anchor), load_map(path)
    assert given.anchor == village.anchor
    x = np.sort(given.roads.start[:, 0])
    np.testing.assert_allclose(x, [-100.0, 0.0, 0.0, 0.0], atol=0.02)
    shift = given.anchor.to_map([free.anchor.latitude_deg], [free.anchor.longitude_deg])
    np.testing.assert_allclose(given.roads.start, free.roads.start + shift, atol=1e-3)
    assert given.id != free.id


@pytest.mark.parametrize("resolution", [0.0, 0.001, 50.0, float("nan")])
def test_an_absurd_resolution_is_refused(village, tmp_path, resolution):
    with pytest.raises(MapError, match=r"use e\.g\. 0\.5"):
        load_map(village.write(tmp_path / "a.osm"), resolution=resolution)
