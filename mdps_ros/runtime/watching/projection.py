"""Points of the map in a camera's picture: the pinhole model, exactly."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mdps_ros.runtime.events import PinholeCamera

Floats = NDArray[np.float64]


def to_camera(points: Floats, T_map_base: Floats, T_base_camera: Floats) -> Floats:
    """Points of the map in the optical frame (x right, y down, z ahead).

    Args:
        points: (..., 3) m in the map frame; the vehicle stands on z = 0.
        T_map_base: (3,) x m, y m, yaw rad.
        T_base_camera: (4, 4) base <- optical frame.

    Returns:
        (..., 3) m.
    """
    cos, sin = math.cos(T_map_base[2]), math.sin(T_map_base[2])
    T_map = np.array(
        [
            [cos, -sin, 0.0, T_map_base[0]],
            [sin, cos, 0.0, T_map_base[1]],
            [0, 0, 1, 0],
            [0, 0, 0, 1],
        ]
    )
    T_map_camera = T_map @ T_base_camera
    moved: Floats = (points - T_map_camera[:3, 3]) @ T_map_camera[:3, :3]
    return moved


def to_pixels(points: Floats, camera: PinholeCamera) -> Floats:
    """(..., 2) column and row of (..., 3) points of the optical frame before the camera."""
    depth = points[..., 2]
    column = camera.fx * points[..., 0] / depth + camera.cx
    row = camera.fy * points[..., 1] / depth + camera.cy
    return np.stack([column, row], axis=-1)


def clip_near(segments: Floats, nearest: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Cut segments of the optical frame where they come nearer than a plane before the camera.

    Args:
        segments: (S, 2, 3) m.
        nearest: depth of the plane, m.

    Returns:
        (S, 2, 3) with ends behind the plane moved onto it, and (S,) whether anything is left.
    """
    depth = segments[:, :, 2]
    left = np.asarray((depth > nearest).any(axis=1))
    a, b = segments[:, 0], segments[:, 1]
    rise = b[:, 2] - a[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(rise == 0.0, 0.0, (nearest - a[:, 2]) / rise)
    cut = a + share[:, None] * (b - a)
    clipped = segments.copy()
    clipped[:, 0] = np.where((a[:, 2] < nearest)[:, None], cut, a)
    clipped[:, 1] = np.where((b[:, 2] < nearest)[:, None], cut, b)
    return clipped, left
