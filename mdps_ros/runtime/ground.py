"""A map, made ready for a filter: where it may start, which roads it is weighed by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from mdps_ros.maps import Map, MapError
from mdps_ros.models.prior import FreePrior, MapPrior, RoadPrior
from mdps_ros.models.road_index import RoadIndex, build_road_index
from mdps_ros.settings import MapErrorSettings, Settings


class Ground(NamedTuple):
    """What a filter needs of a map. Read-only, and dear to make.

    Attributes:
        map: the map.
        roads: index of its roads; None where there are none or `road.enabled` is off.
        floor: its free floor, where it has no roads at all.
    """

    map: Map
    roads: RoadIndex | None
    floor: FreePrior | None

    def prior(self, heading: tuple[float, float] | None) -> MapPrior:
        """Uniform over the map's roads, or over its free floor where it has none."""
        if self.floor is not None:
            return self.floor._replace(heading=heading)
        return RoadPrior(self.map.roads, heading)

    def map_error(self, settings: MapErrorSettings) -> MapErrorSettings:
        """A street map is drawn from afar; an occupancy map was made on the spot, without error."""
        return settings if self.floor is None else MapErrorSettings(sd=0.0)


def lay_ground(map: Map, settings: Settings, device: torch.device) -> Ground:
    """Make a map ready.

    Args:
        map: the map; without roads the `road` measurement is off.
        settings: the whole tree.
        device: where particles live.

    Raises:
        MapError: the map has neither roads nor free floor to start on.
    """
    if not map.roads.count:
        return Ground(map, None, _free_floor(map))
    roads = build_road_index(map.roads, device) if settings.road.enabled else None
    return Ground(map, roads, None)


def _free_floor(map: Map) -> FreePrior:
    """Uniform over the free cells of an occupancy map."""
    raster = map.raster(map.bounds, map.resolution)
    rows, columns = np.nonzero(raster.layer("free"))
    if not len(rows):
        raise MapError(f"map {map.name} has neither roads nor free floor; use another map")
    cells = np.stack((columns, rows), -1).astype(np.float64) + 0.5
    return FreePrior(cells * raster.resolution + np.array(raster.origin), raster.resolution)
