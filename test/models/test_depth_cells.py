from __future__ import annotations

import numpy as np
import pytest
import torch

from mdps_ros.core.mapdata import Bounds
from mdps_ros.models.depth_cache import ClassCache
from mdps_ros.models.depth_cells import (
    BLOCK,
    BUILDING_ONLY,
    ROAD_BINS,
    ROAD_LAYERS,
    ROAD_ONLY,
    UNKNOWN,
    class_block,
    class_raster,
    signed_distance,
)
from test.models.depth_worlds import DrawnTiles

CPU = torch.device("cpu")


def house(x, y):
    return (np.abs(x - 3) < 11) & (np.abs(y + 4) < 7)


def road(x, y):
    return np.abs(x + 0.7 * y - 20) < 4


TOWN = {"building": house, "road_minor": road}


def test_signed_distance_is_that_of_a_straight_edge() -> None:
    inside = np.zeros((9, 20), bool)
    inside[:, 8:] = True
    found = signed_distance(inside, 0.5)[4]
    expected = 4.0 - (np.arange(20) + 0.5) * 0.5
    assert np.allclose(found, expected, atol=1e-6)


def test_signed_distance_without_the_region_is_far() -> None:
    assert (signed_distance(np.zeros((40, 60), bool), 0.5) > 40).all()
    assert (signed_distance(np.ones((40, 60), bool), 0.5) < -40).all()


@pytest.mark.parametrize("tile_size", [32.0, 20.0, 128.0])
def test_blocks_agree_with_one_big_raster(tile_size) -> None:
    bounds = Bounds(-150.0, -140.0, 150.0, 160.0)
    tiles = DrawnTiles(TOWN, tile_size=tile_size, bounds=bounds)
    cells = 4 * BLOCK
    origin = (bounds.min_x - BLOCK * 0.5, bounds.min_y - BLOCK * 0.5)
    big = tiles.window(*origin, cells)
    building = big.layer("building").astype(bool)
    roads = np.any([big.layer(name) for name in ROAD_LAYERS], axis=0)
    whole = class_raster(building, roads, 0.5, True, True)
    for row in (0, 1):
        for column in (0, 1):
            block = class_block(tiles, column, row)
            y, x = (row + 1) * BLOCK, (column + 1) * BLOCK
            assert np.array_equal(block, whole[y : y + BLOCK, x : x + BLOCK])


def test_a_wall_in_the_next_block_counts_up_to_the_border() -> None:
    tiles = DrawnTiles({"building": lambda x, y: x > 28.0, "road_minor": road})
    west = class_block(tiles, 0, 0) // ROAD_BINS  # ends at x = 28
    assert (west[:, -1] == 2).all()
    alone = class_raster(
        tiles.window(-100.0, -100.0, BLOCK).layer("building").astype(bool),
        tiles.window(-100.0, -100.0, BLOCK).layer("road_minor").astype(bool),
        0.5,
        True,
        True,
    )
    assert not (alone[:, -1] // ROAD_BINS == 2).any()


def test_maps_without_buildings_or_roads_say_only_what_they_know() -> None:
    roads = class_block(DrawnTiles({"service": road}), 0, 0)
    assert roads.min() >= ROAD_ONLY
    assert roads.max() < BUILDING_ONLY
    assert len(np.unique(roads)) == ROAD_BINS
    walls = class_block(DrawnTiles({"building": house, "free": road}), 0, 0)
    assert walls.min() >= BUILDING_ONLY
    assert walls.max() < UNKNOWN
    assert (class_block(DrawnTiles({"grass": house}), 0, 0) == UNKNOWN).all()


def test_the_cache_looks_up_the_cell_under_each_point() -> None:
    tiles = DrawnTiles(TOWN)
    cache = ClassCache(tiles, 64.0, CPU)
    generator = np.random.default_rng(3)
    poses = torch.from_numpy(generator.uniform([-60, -60, -4], [60, 60, 4], (50, 3)))
    points = torch.from_numpy(generator.uniform(-25, 25, (40, 2)))
    assert cache.hold(poses[:, :2], 40.0)
    found = cache.classes_at(poses, points).numpy()
    block = np.block([[class_block(tiles, i, j) for i in (0, 1)] for j in (0, 1)])
    for pose, row in zip(poses.numpy(), found, strict=True):
        cos, sin = np.cos(pose[2]), np.sin(pose[2])
        xy = pose[:2] + points.numpy() @ np.array([[cos, sin], [-sin, cos]])
        at = np.floor((xy + 100.0) / 0.5).astype(int)
        expected = block[at[:, 1], at[:, 0]]
        # A point within rounding of a cell's border may fall on either side.
        assert (row == expected).mean() > 0.99


def test_the_cache_keeps_to_its_bound_and_forgets_the_oldest() -> None:
    tiles = DrawnTiles(TOWN, bounds=Bounds(0.0, 0.0, 128.0 * 6, 128.0))
    cache = ClassCache(tiles, 3 * BLOCK**2 / 1e6, CPU)
    assert cache.capacity == 3
    for centre in (64, 192, 320, 448, 576, 64):
        assert cache.hold(torch.tensor([[float(centre), 64.0]]), 30.0)
        assert cache.held <= 3
        assert cache.classes.shape[0] <= 4
    before = cache.classes.clone()
    wide = torch.tensor([[64.0, 64.0], [320.0, 64.0], [448.0, 64.0], [576.0, 64.0]])
    assert not cache.hold(wide, 30.0)
    assert torch.equal(cache.classes, before)


def test_what_a_cell_holds_does_not_depend_on_what_was_asked_before() -> None:
    tiles = DrawnTiles(TOWN, bounds=Bounds(-300.0, -300.0, 300.0, 300.0))
    fresh, old = (ClassCache(tiles, 4 * BLOCK**2 / 1e6, CPU) for _ in range(2))
    for x in (-280.0, -100.0, 100.0, 280.0, -100.0):
        assert old.hold(torch.tensor([[x, x / 2]]), 30.0)
    poses = torch.tensor([[3.0, 2.0, 0.3], [20.0, -5.0, 3.0]])
    points = torch.from_numpy(np.random.default_rng(5).uniform(-25, 25, (64, 2))).float()
    for cache in (fresh, old):
        assert cache.hold(poses[:, :2], 36.0)
    assert torch.equal(fresh.classes_at(poses, points), old.classes_at(poses, points))


def test_outside_of_the_map_nothing_is_known() -> None:
    cache = ClassCache(DrawnTiles(TOWN), 64.0, CPU)
    poses = torch.tensor([[1e4, 0.0, 0.0], [0.0, -1e6, 1.0], [-1e9, 1e9, 2.0]])
    assert cache.hold(poses[:, :2], 30.0)
    assert (cache.classes_at(poses, torch.tensor([[5.0, 1.0]])) == UNKNOWN).all()
