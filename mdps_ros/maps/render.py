"""A map as a picture, for backgrounds of plots and for people to look at.

Pictures of OSM maps must carry "(c) OpenStreetMap contributors"; that is left to the caller.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, RasterTile
from mdps_ros.maps.map import Map

ATTRIBUTION = "(c) OpenStreetMap contributors"

_GROUND = (238, 234, 227)
# Bottom to top; each layer covers what lies below it.
_FILLS: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("free", (255, 255, 255)),
    ("grass", (211, 232, 190)),
    ("water", (164, 205, 224)),
    ("parking", (228, 228, 236)),
    ("pavement", (226, 219, 214)),
    ("path", (222, 208, 190)),
)
_ROADS: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("service", (250, 250, 250)),
    ("road_minor", (255, 255, 255)),
    ("road_major", (252, 219, 152)),
)
_TOP: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("crossing", (236, 226, 180)),
    ("rail", (150, 142, 150)),
    ("tram", (178, 168, 196)),
    ("building", (201, 188, 178)),
    ("barrier", (160, 140, 125)),
    ("pole", (118, 118, 128)),
)
_TREE = (150, 196, 138)
_ROAD_EDGE = (165, 158, 151)
_BUILDING_EDGE = (140, 124, 114)
_BAND_ROWS = 256
_SUPERSAMPLING = 2


def render(
    map: Map, bounds: Bounds | None = None, pixels_max: int = 2000
) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    """Draw a window of a map.

    Args:
        map: the map.
        bounds: window, m in the map frame; None takes the whole map.
        pixels_max: length of the picture's longer side.

    Returns:
        (H, W, 3) uint8 RGB with row 0 in the north, and its extent (min_x, max_x, min_y, max_y) m:
        `axes.imshow(image, extent=extent)`.

    Raises:
        MapError: the window is empty.
    """
    window = map.bounds if bounds is None else bounds
    resolution = max(window.width, window.height) / pixels_max
    rows = max(1, int(np.ceil(window.height / resolution - 1e-6)))
    columns = max(1, int(np.ceil(window.width / resolution - 1e-6)))
    image = np.empty((rows, columns, 3), np.uint8)
    for first in range(0, rows, _BAND_ROWS):
        last = min(first + _BAND_ROWS, rows)
        # One pixel more on every side, so that outlines do not know of bands.
        band = Bounds(
            window.min_x - resolution,
            window.min_y + (first - 1) * resolution,
            window.min_x + (columns + 1) * resolution,
            window.min_y + (last + 1) * resolution,
        )
        fine = _paint(map.raster(band, resolution / _SUPERSAMPLING))
        image[first:last] = _shrink(fine)[1:-1, 1:-1]
    extent = (
        window.min_x,
        window.min_x + columns * resolution,
        window.min_y,
        window.min_y + rows * resolution,
    )
    return np.ascontiguousarray(image[::-1]), extent


def _paint(tile: RasterTile) -> NDArray[np.uint8]:
    """(rows, columns, 3) colours of a raster, row 0 still in the south."""
    image = np.empty((*tile.layers.shape[1:], 3), np.uint8)
    image[:] = _GROUND
    for name, colour in _FILLS:
        image[tile.layer(name) > 0] = colour
    image[tile.layer("tree") > 0] = _TREE
    asphalt = np.any([tile.layer(name) for name, _ in _ROADS], axis=0)
    # Casing outside the asphalt: a road of one cell keeps its colour in coarse pictures.
    image[_rim(~asphalt)] = _ROAD_EDGE
    for name, colour in _ROADS:
        image[tile.layer(name) > 0] = colour
    for name, colour in _TOP:
        image[tile.layer(name) > 0] = colour
    image[_rim(tile.layer("building") > 0)] = _BUILDING_EDGE
    return image


def _rim(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Cells of a mask with a neighbour outside it; the window's own border is no rim."""
    padded = np.pad(mask, 1, mode="edge")
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return mask & ~inner


def _shrink(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns, _ = image.shape
    s = _SUPERSAMPLING
    blocks = image.reshape(rows // s, s, columns // s, s, 3)
    mean: NDArray[np.uint8] = blocks.mean(axis=(1, 3)).round().astype(np.uint8)
    return mean
