"""What really lies on the ground ahead of a vehicle, seen from above."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdps_ros.sim.street_ground import Ground


def ground_ahead(
    ground: Ground,
    T_map_base: NDArray[np.float64],
    *,
    ahead_m: float = 40.0,
    side_m: float = 24.0,
    resolution: float = 0.5,
) -> NDArray[np.uint8]:
    """Labels of a rectangle ahead of the vehicle.

    Args:
        ground: of the street as it is, not as the map tells it.
        T_map_base: (3,) x m, y m, yaw rad.
        ahead_m: length of the rectangle, which begins at the base frame's origin, m.
        side_m: how far it goes to the left and to the right, m.
        resolution: m per cell.

    Returns:
        (rows, columns) uint8, numbers of `street_ground.GROUNDS`. Row r, column c has its centre
        at x = (r + 1/2) resolution forward and y = side_m - (c + 1/2) resolution to the left.
    """
    rows, columns = round(ahead_m / resolution), round(2 * side_m / resolution)
    forward = np.repeat((np.arange(rows) + 0.5) * resolution, columns)
    left = np.tile(side_m - (np.arange(columns) + 0.5) * resolution, rows)
    x, y, yaw = T_map_base
    cos, sin = np.cos(yaw), np.sin(yaw)
    places = np.stack([x + cos * forward - sin * left, y + sin * forward + cos * left], axis=1)
    return ground.at(places).reshape(rows, columns)
