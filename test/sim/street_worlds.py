"""A street of known geometry: one house, one road, painted ground."""

from __future__ import annotations

import dataclasses

import numpy as np

from mdps_ros.core.mapdata import (
    ROAD_KINDS,
    Bounds,
    Building,
    LineFeature,
    PointFeature,
    RoadNetwork,
    Streetscape,
)
from mdps_ros.sim.street_look import Look, draw_look
from mdps_ros.sim.street_world import Street, StreetWorld, build_street

BOUNDS = Bounds(-60.0, -40.0, 60.0, 40.0)
WALL_X = 20.0
HOUSE = Building(np.array([[WALL_X, 5.0], [40.0, 5.0], [40.0, 25.0], [WALL_X, 25.0]]), (), 12.0)
"""Its west wall stands across the view of a camera that looks east along y = 15."""


def network() -> RoadNetwork:
    return RoadNetwork(
        start=np.array([[-60.0, 0.0]]),
        end=np.array([[60.0, 0.0]]),
        width=np.array([6.0], np.float32),
        oneway=np.array([False]),
        kind=np.array([ROAD_KINDS.index("residential")], np.uint8),
        start_node=np.array([1]),
        end_node=np.array([2]),
    )


def scenery(*points: PointFeature) -> Streetscape:
    road = LineFeature("road:residential", np.array([[-60.0, 0.0], [60.0, 0.0]]), 6.0, False)
    return Streetscape((road,), points, ())


def street(*points: PointFeature, houses: tuple[Building, ...] = (HOUSE,)) -> Street:
    generator = np.random.default_rng(0)
    return build_street(network(), houses, scenery(*points), BOUNDS, generator)


def world(*points: PointFeature, houses: tuple[Building, ...] = (HOUSE,)) -> StreetWorld:
    return StreetWorld(street(*points, houses=houses), 0.0, no_traffic())


def no_traffic() -> np.random.Generator:
    """Draws of this seed put no moving car on the short road."""
    return np.random.default_rng(3)


def clear_look(weather: str = "overcast") -> Look:
    """A look without noise, blur, dirt and haze."""
    drawn = draw_look(np.random.default_rng(1), weather)
    return dataclasses.replace(
        drawn, noise=0.0, blur_px=0.0, dirt=0, streaks=0, haze=0.0, gamma=1.0, exposure=0.6
    )
