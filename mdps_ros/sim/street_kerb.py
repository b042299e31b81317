"""Where things stand that the map has on the line of a road: at its kerb."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Streetscape

BEHIND_KERB_M = 0.6
_ROUNDS = 3  # at a junction the kerb of one road may lie on another


def at_kerb(xy: NDArray[np.float64], streetscape: Streetscape) -> NDArray[np.float64]:
    """Move points off the carriageways, as mappers put signals and stops on a road's line.

    Args:
        xy: (N, 2) m.
        streetscape: gives the carriageways.

    Returns:
        (N, 2) m; a point that finds no place off all roads in three moves stays where it was.
    """
    roads = [line for line in streetscape.lines if line.kind.startswith("road:")]
    if not roads or not len(xy):
        return np.array(xy)
    start = np.concatenate([road.xy[:-1] for road in roads])
    step = np.concatenate([np.diff(road.xy, axis=0) for road in roads])
    half = np.concatenate([np.full(len(road.xy) - 1, road.width / 2) for road in roads])
    length = np.hypot(*step.T)
    keep = length > 1e-6
    start, half, length = start[keep], half[keep], length[keep]
    ahead = step[keep] / length[:, None]
    moved = np.array([_off_roads(point, start, ahead, length, half) for point in xy])
    return moved


def _off_roads(
    point: NDArray[np.float64],
    start: NDArray[np.float64],
    ahead: NDArray[np.float64],
    length: NDArray[np.float64],
    half: NDArray[np.float64],
) -> NDArray[np.float64]:
    place = point
    for _ in range(_ROUNDS):
        away = place - start
        way = np.clip((away * ahead).sum(axis=1), 0.0, length)
        gap = np.hypot(*(away - way[:, None] * ahead).T)
        inside = np.where(gap < half, gap - half, np.inf)
        nearest = int(inside.argmin())
        if not np.isfinite(inside[nearest]):
            return place
        right = np.array([ahead[nearest, 1], -ahead[nearest, 0]])
        side = 1.0 if away[nearest] @ right >= 0.0 else -1.0
        foot = start[nearest] + way[nearest] * ahead[nearest]
        place = foot + side * (half[nearest] + BEHIND_KERB_M) * right
    return point
