"""Hand-made road networks and buildings for the simulator's tests."""

from __future__ import annotations

import numpy as np

from mdps_ros.core.mapdata import ROAD_KINDS, Bounds, Building, RoadNetwork

RESIDENTIAL = ROAD_KINDS.index("residential")
SERVICE = ROAD_KINDS.index("service")


def network(nodes, segments) -> RoadNetwork:
    """Nodes (x, y); segments (from, to, oneway, kind, width)."""
    place = np.array(nodes, dtype=np.float64)
    first = np.array([s[0] for s in segments], dtype=np.int64)
    second = np.array([s[1] for s in segments], dtype=np.int64)
    return RoadNetwork(
        start=place[first],
        end=place[second],
        width=np.array([s[4] for s in segments], dtype=np.float32),
        oneway=np.array([s[2] for s in segments], dtype=np.bool_),
        kind=np.array([s[3] for s in segments], dtype=np.uint8),
        start_node=first,
        end_node=second,
    )


def town(columns: int = 6, rows: int = 5, oneway_rows: bool = False) -> RoadNetwork:
    """A grid of 80 x 100 m blocks; with `oneway_rows` every second row runs east only."""
    nodes = [(80.0 * i, 100.0 * j) for j in range(rows) for i in range(columns)]
    segments = []
    for j in range(rows):
        for i in range(columns):
            here = j * columns + i
            if i + 1 < columns:
                oneway = oneway_rows and j % 2 == 1
                segments.append((here, here + 1, oneway, RESIDENTIAL, 4.0 if oneway else 7.0))
            if j + 1 < rows:
                segments.append((here, here + columns, False, RESIDENTIAL, 7.0))
    return network(nodes, segments)


def blocks(columns: int = 6, rows: int = 5) -> tuple[Building, ...]:
    """One building in each block of `town`, 12 m from the centrelines."""
    return tuple(
        box(80.0 * i + 12, 100.0 * j + 12, 80.0 * i + 68, 100.0 * j + 88, 8.0 + i + 2 * j)
        for j in range(rows - 1)
        for i in range(columns - 1)
    )


def box(x0: float, y0: float, x1: float, y1: float, height: float) -> Building:
    ring = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], dtype=np.float64)
    return Building(ring, (), height)


BOUNDS = Bounds(-30.0, -30.0, 430.0, 430.0)


def distance_to_centreline(roads: RoadNetwork, xy: np.ndarray) -> np.ndarray:
    """(P,) m, distance of each point to the nearest segment."""
    along = roads.end - roads.start
    square = (along**2).sum(axis=1)
    relative = xy[:, None] - roads.start
    share = np.clip((relative * along).sum(axis=-1) / square, 0, 1)
    gap = relative - share[..., None] * along
    return np.hypot(gap[..., 0], gap[..., 1]).min(axis=1)
