"""Streets and houses of a part of a map as polygons, for pages and recordings."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Building, RoadNetwork

Rings = list[NDArray[np.float64]]


def drawn_window(points: NDArray[np.float64], margin: float, whole: Bounds) -> Bounds:
    """The part of a map around points (P, 2) m, with a margin, m."""
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    return Bounds(
        max(float(low[0]), whole.min_x),
        max(float(low[1]), whole.min_y),
        min(float(high[0]), whole.max_x),
        min(float(high[1]), whole.max_y),
    )


def touching(
    low: NDArray[np.float64], high: NDArray[np.float64], window: Bounds
) -> NDArray[np.bool_]:
    """(N,) whether boxes from (N, 2) low to high touch a window."""
    least, most = np.array(window[:2]), np.array(window[2:])
    return np.asarray(((high >= least) & (low <= most)).all(axis=1))


def road_quads(roads: RoadNetwork, window: Bounds) -> NDArray[np.float64]:
    """(Q, 4, 2) m, counter-clockwise corners of the carriageway of every segment in a window.

    Each is a little longer than its segment, so that none gapes at a bend.
    """
    low, high = np.minimum(roads.start, roads.end), np.maximum(roads.start, roads.end)
    kept = touching(low, high, window)
    start, end = roads.start[kept], roads.end[kept]
    along = end - start
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    half = 0.5 * roads.width[kept, None].astype(np.float64)
    left = np.stack([-along[:, 1], along[:, 0]], axis=1) * half
    start, end = start - 0.3 * half * along, end + 0.3 * half * along
    return np.stack([start - left, end - left, end + left, start + left], axis=1)


def house_rings(buildings: Iterable[Building], window: Bounds, points_max: int) -> Rings:
    """Outer rings (V, 2) m of the houses in a window, the largest first, at most so many corners.

    A ring does not repeat its first corner.
    """
    near = []
    for building in buildings:
        ring = building.exterior
        low, high = ring.min(axis=0)[None], ring.max(axis=0)[None]
        if touching(low, high, window)[0]:
            near.append((float(np.prod(high - low)), ring))
    near.sort(key=lambda item: -item[0])
    total = np.cumsum([len(ring) for _, ring in near])
    return [ring for (_, ring), count in zip(near, total, strict=True) if count <= points_max]
