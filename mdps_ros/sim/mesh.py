"""Triangle meshes of what stands on the ground. Arrays are (T, 3 corners, xyz), metres."""

from __future__ import annotations

import mapbox_earcut
import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Building


def building_triangles(building: Building) -> NDArray[np.float64]:
    """Walls of every ring and a flat roof.

    Args:
        building: footprint and height.

    Returns:
        (T, 3, 3) m; the winding is arbitrary, rays hit both sides.
    """
    rings = [building.exterior, *building.holes]
    walls = [_walls(ring, building.height) for ring in rings if len(ring) >= 3]
    return np.concatenate([*walls, _roof(rings, building.height)])


def prism(
    outline: NDArray[np.float64], bottom: float, top: float, *, top_scale: float = 1.0
) -> NDArray[np.float64]:
    """A closed convex outline pulled up, its top shrunk about its middle.

    Args:
        outline: (V, 2) m, convex, not closed.
        bottom: height of the lower face, m.
        top: height of the upper face, m.
        top_scale: size of the upper face relative to the outline.

    Returns:
        (4 V, 3, 3) m: side walls (2 V), top and bottom fans (V each).
    """
    middle = outline.mean(axis=0)
    lower = np.column_stack([outline, np.full(len(outline), bottom)])
    upper = np.column_stack([middle + top_scale * (outline - middle), np.full(len(outline), top)])
    lower_next, upper_next = np.roll(lower, -1, axis=0), np.roll(upper, -1, axis=0)
    fans = [
        np.stack([np.broadcast_to([*middle, z], ring.shape), ring, np.roll(ring, -1, axis=0)], 1)
        for z, ring in ((bottom, lower), (top, upper))
    ]
    return np.concatenate(
        [
            np.stack([lower, lower_next, upper_next], axis=1),
            np.stack([lower, upper_next, upper], axis=1),
            *fans,
        ]
    )


def rectangle(
    centre: NDArray[np.float64], yaw: float, length: float, width: float
) -> NDArray[np.float64]:
    """(4, 2) m, corners of a rectangle whose long side points along `yaw`."""
    along = np.array([np.cos(yaw), np.sin(yaw)]) * length / 2
    across = np.array([-np.sin(yaw), np.cos(yaw)]) * width / 2
    return np.asarray(
        centre + np.array([along + across, -along + across, -along - across, along - across])
    )


def polygon(centre: NDArray[np.float64], radius: float, sides: int) -> NDArray[np.float64]:
    """(sides, 2) m, corners of a regular polygon."""
    angle = np.arange(sides) * (2 * np.pi / sides)
    return np.asarray(centre + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _walls(ring: NDArray[np.float64], height: float) -> NDArray[np.float64]:
    low = np.column_stack([ring, np.zeros(len(ring))])
    high = np.column_stack([ring, np.full(len(ring), height)])
    low_next, high_next = np.roll(low, -1, axis=0), np.roll(high, -1, axis=0)
    return np.concatenate(
        [np.stack([low, low_next, high_next], axis=1), np.stack([low, high_next, high], axis=1)]
    )


def _roof(rings: list[NDArray[np.float64]], height: float) -> NDArray[np.float64]:
    rings = [ring for ring in rings if len(ring) >= 3]
    if not rings:
        return np.zeros((0, 3, 3))
    corners = np.concatenate(rings).astype(np.float64)
    ends = np.cumsum([len(ring) for ring in rings]).astype(np.uint32)
    index = mapbox_earcut.triangulate_float64(corners, ends).reshape(-1, 3)
    flat = corners[index]
    return np.concatenate([flat, np.full((*flat.shape[:2], 1), height)], axis=2)
