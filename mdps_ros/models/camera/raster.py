"""Map layers as the map encoder takes them: shares of 1 m cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import LAYERS, Bounds, TileSource

CELL = 1.0  # m
LEVELS = 4  # samples per cell, on a lattice of half a metre


def metre_layers(tiles: TileSource, bounds: Bounds) -> NDArray[np.uint8]:
    """Layers of a window in cells of 1 m.

    Args:
        tiles: the map.
        bounds: window, m, a whole number of metres wide and high from its south-west corner.

    Returns:
        (layers, rows, columns), how many of a cell's LEVELS samples have the layer; row 0 is the
        south edge. Zero outside the map.
    """
    columns, rows = round(bounds.width), round(bounds.height)
    x = bounds.min_x + (np.arange(2 * columns) + 0.5) / 2
    y = bounds.min_y + (np.arange(2 * rows) + 0.5) / 2
    fine = np.zeros((len(LAYERS), len(y), len(x)), np.uint8)
    side, cell = tiles.tile_size, tiles.resolution
    across, along = (
        np.floor((values - corner) / side).astype(np.int64)
        for values, corner in ((x, tiles.bounds.min_x), (y, tiles.bounds.min_y))
    )
    for row in np.unique(along):
        for column in np.unique(across):
            tile = tiles.tile(int(column), int(row))
            inner_y, inner_x = np.flatnonzero(along == row), np.flatnonzero(across == column)
            last = np.array(tile.layers.shape[1:]) - 1
            v = np.minimum(((y[inner_y] - tile.origin[1]) / cell).astype(np.int64), last[0])
            u = np.minimum(((x[inner_x] - tile.origin[0]) / cell).astype(np.int64), last[1])
            fine[:, inner_y[0] : inner_y[-1] + 1, inner_x[0] : inner_x[-1] + 1] = tile.layers[
                :, v[:, None], u[None, :]
            ]
    # added by hand: numpy's sum over the two short axes takes ten times as long
    west, east = fine[:, :, 0::2], fine[:, :, 1::2]
    pairs = west + east
    shares: NDArray[np.uint8] = pairs[:, 0::2] + pairs[:, 1::2]
    return shares
