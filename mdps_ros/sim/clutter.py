"""Things in the street that the map does not know: parked cars, poles, street trees.

They make sure that the simulated world is never exactly the map.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mdps_ros.core.mapdata import ROAD_KINDS, Building, RoadNetwork
from mdps_ros.sim.mesh import polygon, prism, rectangle

PARKING_KINDS = ("tertiary", "unclassified", "residential", "living_street")
CAR_WIDTH_M = 1.8
CAR_SLOT_M = 6.0  # length of a parking slot along the kerb


@dataclass(frozen=True, slots=True, kw_only=True)
class ClutterStyle:
    """How much stands in the street.

    Attributes:
        car_share: (lowest, highest) share of the kerb slots of minor roads that hold a parked
            car; one value is drawn per scene.
        pole_spacing_m: mean distance between poles along each side of a road, m.
        tree_spacing_m: mean distance between street trees along each side of a road, m.
        clearance_m: distance that every object keeps from the driven line, m.
    """

    car_share: tuple[float, float] = (0.1, 0.5)
    pole_spacing_m: float = 40.0
    tree_spacing_m: float = 60.0
    clearance_m: float = 1.4


def clutter_triangles(
    roads: RoadNetwork,
    buildings: tuple[Building, ...],
    path: NDArray[np.float64],
    reach: float,
    style: ClutterStyle,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw parked cars, poles and trees along the roads around a drive.

    Args:
        roads: carriageways; cars stand at the kerb of minor ones, poles and trees behind it.
        buildings: nothing is put inside them.
        path: (P, 2) m, samples (at most 1 m apart) of the line that must stay free.
        reach: how far from the path's bounding box roads are furnished, m.
        style: densities.
        generator: source of randomness.

    Returns:
        (T, 3, 3) m triangles.
    """
    low, high = path.min(axis=0) - reach, path.max(axis=0) + reach
    middle = (roads.start + roads.end) / 2
    near = ((middle > low) & (middle < high)).all(axis=1)
    free = _FreeSpace(roads, near, buildings, path)
    share = generator.uniform(*style.car_share)
    parking = near & np.isin(roads.kind, [ROAD_KINDS.index(kind) for kind in PARKING_KINDS])
    parts = [np.zeros((0, 3, 3))]
    cars = _along(roads, parking, CAR_SLOT_M / share, 0.4, generator)
    cars = cars[_apart(cars[:, :2], CAR_SLOT_M)]
    for car in cars[free.allows(cars[:, :2], CAR_WIDTH_M / 2 + 1.2 + style.clearance_m)]:
        parts.append(_car(car[:2], float(car[2]), generator))
    driven = near & (roads.kind != ROAD_KINDS.index("service"))
    poles = _along(roads, driven, style.pole_spacing_m, 1.2, generator)
    for pole in poles[free.allows(poles[:, :2], style.clearance_m)]:
        parts.append(prism(polygon(pole[:2], 0.12, 5), 0.0, generator.uniform(3.0, 8.0)))
    trees = _along(roads, driven, style.tree_spacing_m, 2.0, generator)
    for tree in trees[free.allows(trees[:, :2], style.clearance_m + 0.5)]:
        parts.append(_tree(tree[:2], generator))
    return np.concatenate(parts)


class _FreeSpace:
    """Where clutter may stand: off the carriageways, outside buildings, away from the path."""

    def __init__(
        self,
        roads: RoadNetwork,
        near: NDArray[np.bool_],
        buildings: tuple[Building, ...],
        path: NDArray[np.float64],
    ) -> None:
        self._path = cKDTree(path)
        lines = shapely.linestrings(np.stack([roads.start[near], roads.end[near]], axis=1))
        carriageways = shapely.buffer(lines, roads.width[near] / 2, cap_style="flat")
        footprints = [shapely.Polygon(b.exterior) for b in buildings]
        self._solid = shapely.STRtree([*carriageways, *footprints])

    def allows(self, xy: NDArray[np.float64], distance: float) -> NDArray[np.bool_]:
        """(K,) bool: farther than `distance` m from the path and on nothing else."""
        clear = np.asarray(self._path.query(xy)[0] > distance)
        clear[self._solid.query(shapely.points(xy), predicate="intersects")[0]] = False
        return clear


def _along(
    roads: RoadNetwork,
    use: NDArray[np.bool_],
    spacing: float,
    behind_kerb: float,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """(K, 3) x m, y m, yaw rad: Poisson points on both sides of the chosen segments."""
    chosen = np.flatnonzero(use)
    lengths = roads.lengths[chosen]
    count = generator.poisson(2 * lengths / spacing)
    segment = np.repeat(chosen, count)
    share = generator.random(len(segment))[:, None]
    side = generator.choice([-1.0, 1.0], len(segment))
    yaw = roads.yaw[segment]
    offset = side * (roads.width[segment] / 2 + behind_kerb)
    centre = roads.start[segment] * (1 - share) + roads.end[segment] * share
    normal = np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
    return np.column_stack([centre + offset[:, None] * normal, yaw])


def _apart(xy: NDArray[np.float64], distance: float) -> NDArray[np.bool_]:
    """(K,) bool: drop the later one of every pair that is closer than `distance` m."""
    keep = np.ones(len(xy), dtype=np.bool_)
    if len(xy):
        pairs = cKDTree(xy).query_pairs(distance, output_type="ndarray")
        keep[pairs[:, 1]] = False
    return keep


def _car(
    xy: NDArray[np.float64], yaw: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    length, height = generator.uniform(3.8, 4.9), generator.uniform(1.4, 1.9)
    body = prism(rectangle(xy, yaw, length, CAR_WIDTH_M), 0.2, 0.55 * height)
    back = xy - 0.2 * np.array([np.cos(yaw), np.sin(yaw)])
    cabin = prism(
        rectangle(back, yaw, 0.6 * length, CAR_WIDTH_M - 0.15), 0.55 * height, height, top_scale=0.8
    )
    return np.concatenate([body, cabin])


def _tree(xy: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    height, radius = generator.uniform(6.0, 12.0), generator.uniform(1.2, 2.2)
    trunk = prism(polygon(xy, generator.uniform(0.12, 0.3), 6), 0.0, 0.45 * height)
    lower = prism(polygon(xy, radius, 7), 0.4 * height, 0.7 * height, top_scale=1.1)
    upper = prism(polygon(xy, 1.1 * radius, 7), 0.7 * height, height, top_scale=0.3)
    return np.concatenate([trunk, lower, upper])
