"""Cars that come the other way on a drive's own roads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mdps_ros.sim.street_ground import GROUNDS, Ground
from mdps_ros.sim.street_mesh import Builder, Triangles, add_car

SEEN_M = 120.0
"""Oncoming cars farther away are not drawn."""
LEFT_M = 3.4
"""From the driven line to the middle of the other lane."""
CLEAR_M = 2.6
"""Distance that the middle of an oncoming car keeps from the driven line."""
_STEP_M = 0.5
_LANE = tuple(GROUNDS.index(name) for name in ("asphalt", "marking", "rail"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Oncoming:
    """K cars that drive a path backwards at a steady speed each.

    Attributes:
        path: (P, 3) x m, y m, yaw rad of the driven line, evenly spaced by half a metre.
        free: (P,) bool, whether the other lane is there.
        begin: (K,) m along the path where each car is at second zero.
        speed: (K,) m/s against the path.
        seed: (K,) int64, of its shape and colour.
    """

    path: NDArray[np.float64]
    free: NDArray[np.bool_]
    begin: NDArray[np.float64]
    speed: NDArray[np.float64]
    seed: NDArray[np.int64]

    def places(self, second: float) -> NDArray[np.float64]:
        """(K, 3) x m, y m, yaw rad at a time; NaN for cars that are not on the road then."""
        row = np.round((self.begin - self.speed * second) / _STEP_M).astype(np.int64)
        there = (row >= 0) & (row < len(self.path))
        row = row.clip(0, len(self.path) - 1)
        there &= self.free[row]
        x, y, yaw = self.path[row].T
        found = np.stack([x - LEFT_M * np.sin(yaw), y + LEFT_M * np.cos(yaw), yaw + np.pi], axis=1)
        found[~there] = np.nan
        return found

    def near(self, second: float, xy: NDArray[np.float64]) -> Triangles | None:
        """Triangles of the cars near a place (2,) at a time, or None."""
        made = Builder()
        places = self.places(second)
        away = np.hypot(*(places[:, :2] - xy).T)
        for car in np.flatnonzero(away < SEEN_M):
            shape = np.random.default_rng(int(self.seed[car]))
            add_car(made, places[car, :2], float(places[car, 2]), shape)
        triangles = made.all()
        return triangles if len(triangles.corners) else None


def draw_oncoming(
    poses: NDArray[np.float64],
    seconds: float,
    ground: Ground,
    spacing_m: float,
    generator: np.random.Generator,
) -> Oncoming:
    """Draw oncoming traffic of a drive.

    Args:
        poses: (T, 3) of the drive.
        seconds: how long it takes.
        ground: tells where there is another lane.
        spacing_m: mean distance between cars, m.
        generator: source of randomness.
    """
    path = _even(poses)
    yaw = path[:, 2]
    left = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
    lane = [np.isin(ground.at(path[:, :2] + side * left), _LANE) for side in (2.4, LEFT_M, 4.2)]
    # Where the drive comes back the other way, the other lane is its own.
    lane.append(cKDTree(path[:, :2]).query(path[:, :2] + LEFT_M * left)[0] > CLEAR_M)
    fastest = 13.0
    reach = _STEP_M * len(path) + fastest * seconds
    count = int(generator.poisson(reach / spacing_m))
    return Oncoming(
        path=path,
        free=np.all(lane, axis=0),
        begin=generator.uniform(0.0, reach, count),
        speed=np.full(count, generator.uniform(7.0, fastest)),  # one speed: nobody overtakes
        seed=generator.integers(2**62, size=count),
    )


def _even(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(poses[:, :2], axis=0).T))])
    at = np.arange(0.0, way[-1], _STEP_M)
    return np.stack([np.interp(at, way, poses[:, axis]) for axis in range(3)], axis=1)
