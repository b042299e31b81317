"""The part of a start over a map that lies in a circle, or in a polygon."""

from __future__ import annotations

import dataclasses

import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import RoadNetwork
from mdps_ros.models.prior import FreePrior, MapPrior


def within(prior: MapPrior, centre: NDArray[np.float64], radius: float) -> MapPrior | None:
    """The part of a prior in a circle; None where it has none there.

    Road segments that reach into the circle are kept whole.

    Args:
        prior: over a map.
        centre: (2,) m.
        radius: m.
    """
    if isinstance(prior, FreePrior):
        return _floor(prior, np.hypot(*(prior.centres - centre).T) <= radius)
    roads = prior.roads
    along, offset = roads.end - roads.start, centre - roads.start
    share = (offset * along).sum(-1) / np.maximum((along * along).sum(-1), 1e-12)
    nearest = np.clip(share, 0.0, 1.0)[:, None] * along - offset
    reaching = np.flatnonzero(np.hypot(*nearest.T) <= radius)
    if not len(reaching):
        return None
    return prior._replace(roads=_chosen(roads, reaching))


def inside(prior: MapPrior, corners: NDArray[np.float64]) -> MapPrior | None:
    """The part of a prior in a polygon; None where it has none there.

    Road segments are cut at its border.

    Args:
        prior: over a map.
        corners: (P, 2) m, P >= 3, of a polygon whose sides do not cross.
    """
    polygon = shapely.Polygon(corners)
    if isinstance(prior, FreePrior):
        return _floor(prior, shapely.intersects_xy(polygon, *prior.centres.T))
    roads = prior.roads
    lines = shapely.linestrings(np.stack((roads.start, roads.end), axis=1))
    pieces, segment = shapely.get_parts(shapely.intersection(lines, polygon), return_index=True)
    lying = shapely.length(pieces) > 0.0  # touching is not enough
    if not lying.any():
        return None
    pieces, segment = pieces[lying], segment[lying]
    begin = shapely.get_coordinates(shapely.get_point(pieces, 0))
    end = shapely.get_coordinates(shapely.get_point(pieces, -1))
    cut = _chosen(roads, segment)
    backward = ((end - begin) * (cut.end - cut.start)).sum(-1) < 0.0
    begin, end = np.where(backward[:, None], (end, begin), (begin, end))
    return prior._replace(roads=dataclasses.replace(cut, start=begin, end=end))


def _floor(prior: FreePrior, kept: NDArray[np.bool_]) -> FreePrior | None:
    return prior._replace(centres=prior.centres[kept]) if kept.any() else None


def _chosen(roads: RoadNetwork, segments: NDArray[np.int64]) -> RoadNetwork:
    kept = {field.name: getattr(roads, field.name)[segments] for field in dataclasses.fields(roads)}
    return dataclasses.replace(roads, **kept)
