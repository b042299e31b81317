"""A made-up city of any size: a street every hundred metres, a building in every block."""

from __future__ import annotations

import numpy as np

from mdps_ros.core.mapdata import LAYERS, ROAD_KINDS, Bounds, RasterTile, RoadNetwork, Streetscape
from mdps_ros.maps import Map

BLOCK = 100.0  # m between two streets
ROAD = 8.0  # m wide
SETBACK = 14.0  # m from a street's middle to a building


class GridCells:
    """Draws any window of the city."""

    def rasterise(self, window: Bounds, resolution: float) -> RasterTile:
        """Roads and buildings; see `maps.map.CellSource`."""
        x = window.min_x + (np.arange(round(window.width / resolution)) + 0.5) * resolution
        y = window.min_y + (np.arange(round(window.height / resolution)) + 0.5) * resolution
        from_street = [np.abs(values - BLOCK * np.round(values / BLOCK)) for values in (x, y)]
        across, along = from_street[0][None, :], from_street[1][:, None]
        layers = np.zeros((len(LAYERS), len(y), len(x)), np.uint8)
        layers[LAYERS.index("road_minor")] = (across < ROAD / 2) | (along < ROAD / 2)
        layers[LAYERS.index("building")] = (across > SETBACK) & (along > SETBACK)
        return RasterTile(layers, (window.min_x, window.min_y), resolution)


def grid_city(square_km: float) -> Map:
    """A square city about the origin, its streets' corners at multiples of BLOCK.

    Args:
        square_km: area; the side is rounded to whole blocks.
    """
    half = max(1, round(1000.0 * square_km**0.5 / BLOCK / 2)) * BLOCK
    return Map(
        id=f"grid-{half:.0f}",
        name=f"grid city of {square_km:g} km2",
        anchor=None,
        bounds=Bounds(-half, -half, half, half),
        roads=_streets(half),
        buildings=(),
        unknown_heights=0,
        streetscape=Streetscape(),
        cells=GridCells(),
        resolution=0.5,
    )


def _streets(half: float) -> RoadNetwork:
    """Segments from corner to corner."""
    corners = np.arange(-half, half + 1.0, BLOCK)
    count = len(corners)
    x, y = (axis.ravel() for axis in np.meshgrid(corners, corners))
    node = np.arange(count * count).reshape(count, count)
    first = np.concatenate((node[:, :-1].ravel(), node[:-1].ravel()))
    second = np.concatenate((node[:, 1:].ravel(), node[1:].ravel()))
    place = np.stack((x, y), 1)
    return RoadNetwork(
        start=place[first],
        end=place[second],
        width=np.full(len(first), ROAD, np.float32),
        oneway=np.zeros(len(first), np.bool_),
        kind=np.full(len(first), ROAD_KINDS.index("residential"), np.uint8),
        start_node=first.astype(np.int64),
        end_node=second.astype(np.int64),
    )
