"""Hand-made road networks for the tests of priors and of the road model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import RoadNetwork

Place = tuple[float, float]


def roads(
    segments: Sequence[tuple[Place, Place]],
    *,
    width: float | Sequence[float] = 6.0,
    oneway: bool | Sequence[bool] = False,
) -> RoadNetwork:
    """Straight segments; ends at the same place are the same node."""
    count = len(segments)
    ends = np.array(segments, dtype=np.float64).reshape(2 * count, 2)
    _, nodes = np.unique(ends.round(6), axis=0, return_inverse=True)
    nodes = nodes.reshape(count, 2).astype(np.int64)
    ends = ends.reshape(count, 2, 2)
    return RoadNetwork(
        start=ends[:, 0].copy(),
        end=ends[:, 1].copy(),
        width=np.broadcast_to(np.asarray(width, np.float32), count).copy(),
        oneway=np.broadcast_to(np.asarray(oneway, np.bool_), count).copy(),
        kind=np.full(count, 6, np.uint8),
        start_node=nodes[:, 0].copy(),
        end_node=nodes[:, 1].copy(),
    )


def random_roads(seed: int, count: int, size: Place = (900.0, 400.0)) -> RoadNetwork:
    """Scattered segments of 1 to 120 m in a box."""
    rng = np.random.default_rng(seed)
    start = rng.uniform((0, 0), size, (count, 2))
    yaw, length = rng.uniform(-np.pi, np.pi, count), rng.uniform(1.0, 120.0, count)
    end = start + length[:, None] * np.stack((np.cos(yaw), np.sin(yaw)), -1)
    return roads([(tuple(a), tuple(b)) for a, b in zip(start, end, strict=True)])


def distances(points: NDArray[np.float64], network: RoadNetwork) -> NDArray[np.float64]:
    """(P, S) m from every point to every segment."""
    edge = network.end - network.start
    relative = points[:, None] - network.start
    share = (relative * edge).sum(-1) / np.maximum((edge**2).sum(-1), 1e-12)
    foot = network.start + np.clip(share, 0, 1)[..., None] * edge
    return np.hypot(*np.moveaxis(points[:, None] - foot, -1, 0))
