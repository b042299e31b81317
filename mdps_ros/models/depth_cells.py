"""What the map says about a cell, in one byte: how far from a building's edge and a road's edge.

Signed distances (negative inside) to the nearest building boundary and to the nearest road edge
fall into a few bins each; a cell's class is the pair. Where the surroundings (a block of cells
and those around it, about 400 m of a city) hold no building at all, the map does not know
buildings there (many extracts carry roads alone), and the class says the road distance only;
likewise an occupancy map has no roads.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import TileSource

BUILDING_EDGES = (-1.5, -0.5, 0.75, 2.5, 6.0)  # m, between bins; the third bin is the wall
ROAD_EDGES = (-2.5, -1.0, 0.0, 1.5, 4.0, 8.0)  # m, between bins; kerb parking is -1..1.5
ROAD_LAYERS = ("road_major", "road_minor", "service", "parking")

BUILDING_BINS = len(BUILDING_EDGES) + 1
ROAD_BINS = len(ROAD_EDGES) + 1
ROAD_ONLY = BUILDING_BINS * ROAD_BINS  # first class of cells without known buildings
BUILDING_ONLY = ROAD_ONLY + ROAD_BINS  # first class of cells without known roads
UNKNOWN = BUILDING_ONLY + BUILDING_BINS  # neither, or outside of the map
CLASSES = UNKNOWN + 1

BLOCK_BITS = 8
BLOCK = 1 << BLOCK_BITS  # cells; what a map knows is asked of a block and those around it


def class_block(tiles: TileSource, column: int, row: int) -> NDArray[np.uint8]:
    """Classes of one block of BLOCK x BLOCK cells; they agree with those of any larger raster.

    Args:
        tiles: the map.
        column: blocks east of the map's south-west corner.
        row: blocks north of it.

    Returns:
        (BLOCK, BLOCK) uint8 below CLASSES, row 0 at the south edge.
    """
    reach = max(*BUILDING_EDGES, *ROAD_EDGES) + 2 * tiles.resolution
    pad = min(int(np.ceil(reach / tiles.resolution)), BLOCK)
    building, road = _window(tiles, (column - 1) * BLOCK, (row - 1) * BLOCK, 3 * BLOCK)
    inner = slice(BLOCK - pad, 2 * BLOCK + pad)
    classes = class_raster(
        building[inner, inner],
        road[inner, inner],
        tiles.resolution,
        bool(building.any()),
        bool(road.any()),
    )
    return np.ascontiguousarray(classes[pad : pad + BLOCK, pad : pad + BLOCK])


def class_raster(
    building: NDArray[np.bool_],
    road: NDArray[np.bool_],
    resolution: float,
    knows_buildings: bool,
    knows_roads: bool,
) -> NDArray[np.uint8]:
    """Classes of a raster of which everything beyond its border is ignored.

    Args:
        building: (rows, columns), true inside buildings.
        road: (rows, columns), true on roads and parking.
        resolution: m per cell.
        knows_buildings: whether the map holds buildings around here.
        knows_roads: whether the map holds roads around here.

    Returns:
        (rows, columns) uint8 below CLASSES.
    """
    if not knows_buildings and not knows_roads:
        return np.full(building.shape, UNKNOWN, np.uint8)
    if not knows_buildings:
        return (ROAD_ONLY + _bin(road, resolution, ROAD_EDGES)).astype(np.uint8)
    if not knows_roads:
        return (BUILDING_ONLY + _bin(building, resolution, BUILDING_EDGES)).astype(np.uint8)
    across = _bin(building, resolution, BUILDING_EDGES) * ROAD_BINS
    return (across + _bin(road, resolution, ROAD_EDGES)).astype(np.uint8)


def signed_distance(inside: NDArray[np.bool_], resolution: float) -> NDArray[np.float32]:
    """Distance of each cell's centre to the boundary of a region, m, negative inside.

    Args:
        inside: (rows, columns), true inside the region.
        resolution: m per cell.

    Returns:
        (rows, columns) float32 m; at least the raster's size where the region is absent.
    """
    absent = np.float32(sum(inside.shape) * resolution)
    outward = np.full(inside.shape, absent)
    inward = np.full(inside.shape, absent)
    if inside.any():
        outward = _to_nearest(inside) * np.float32(resolution)
    if not inside.all():
        inward = _to_nearest(~inside) * np.float32(resolution)
    # The boundary runs half a cell before the centre of the first cell on the other side.
    half = np.float32(resolution / 2)
    return np.asarray(np.where(inside, half - inward, outward - half), np.float32)


def _to_nearest(region: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Cells to the nearest true cell, exact Euclidean."""
    distance: NDArray[np.float32] = np.asarray(
        cv2.distanceTransform((~region).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE),
        np.float32,
    )
    return distance


def _bin(
    inside: NDArray[np.bool_], resolution: float, edges: tuple[float, ...]
) -> NDArray[np.int64]:
    distance = signed_distance(inside, resolution)
    return np.asarray(np.digitize(distance, np.array(edges, np.float32)), np.int64)


def _window(
    tiles: TileSource, column: int, row: int, size: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Buildings and roads of `size` x `size` cells from the cell (column, row) of the map."""
    cells = round(tiles.tile_size / tiles.resolution)
    result = np.zeros((2, size, size), np.bool_)
    for j in range(row // cells, (row + size - 1) // cells + 1):
        for i in range(column // cells, (column + size - 1) // cells + 1):
            tile = tiles.tile(i, j)
            x, y = i * cells - column, j * cells - row  # of the tile's corner in the window
            to = (slice(max(y, 0), y + cells), slice(max(x, 0), x + cells))
            of = (slice(max(-y, 0), size - y), slice(max(-x, 0), size - x))
            result[0][to] = tile.layer("building")[of]
            for name in ROAD_LAYERS:
                result[1][to] |= tile.layer(name)[of].astype(np.bool_)
    return result[0], result[1]
