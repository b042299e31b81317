"""Building footprints with heights from OSM areas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Building
from mdps_ros.maps.classes import Tags, number

METRES_PER_LEVEL = 3.3
_ROOF = 1.5  # m that a roof adds to the levels
_SMALL_AREA = 60.0  # m^2; below it a building is a shed or a garage
_DEFAULT_SMALL = 3.5  # m
_DEFAULT_LARGE = 9.0  # m
_HEIGHT_RANGE = (2.0, 900.0)

Polygon = tuple[NDArray[np.float64], tuple[NDArray[np.float64], ...]]
"""Exterior (V, 2) m and holes, not closed."""


class Buildings(NamedTuple):
    """Footprints, and how many of their heights the map does not know."""

    footprints: tuple[Building, ...]
    unknown_heights: int


def tagged_height(tags: Tags) -> float | None:
    """Height above ground that the tags give, metres; None where they do not."""
    height = number(tags.get("height"))
    if height is None:
        levels = number(tags.get("building:levels"))
        height = None if levels is None else levels * METRES_PER_LEVEL + _ROOF
    if height is None or not _HEIGHT_RANGE[0] <= height <= _HEIGHT_RANGE[1]:
        return None
    return height


def build_footprints(
    outlines: Sequence[tuple[Tags, Polygon]], parts: Sequence[tuple[Tags, Polygon]]
) -> Buildings:
    """Give every outline a height.

    An outline's own tags count first, then the highest `building:part` inside it, then a default
    by its area (3.5 m below 60 m^2, else 9 m).

    Args:
        outlines: tags and polygon (m, map frame) of each building.
        parts: the same of each building:part.

    Returns:
        Footprints in the order of the outlines, and the number of default heights.
    """
    inside = _part_heights(outlines, parts)
    footprints, unknown = [], 0
    for (tags, (exterior, holes)), part_height in zip(outlines, inside, strict=True):
        height = tagged_height(tags) or part_height
        if height is None:
            unknown += 1
            small = abs(signed_area(exterior)) < _SMALL_AREA
            height = _DEFAULT_SMALL if small else _DEFAULT_LARGE
        footprints.append(Building(frozen(exterior), tuple(map(frozen, holes)), height))
    return Buildings(tuple(footprints), unknown)


def signed_area(ring: NDArray[np.float64]) -> float:
    """Area of a ring (V, 2) m, positive where it runs counter-clockwise, m^2."""
    x, y = (ring - ring[:1]).T
    return float(0.5 * np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _part_heights(
    outlines: Sequence[tuple[Tags, Polygon]], parts: Sequence[tuple[Tags, Polygon]]
) -> list[float | None]:
    known = [(h, p) for tags, p in parts if (h := tagged_height(tags)) is not None]
    heights: list[float | None] = [None] * len(outlines)
    if not known or not outlines:
        return heights
    tree = shapely.STRtree([shapely.Polygon(p[0], p[1]) for _, p in outlines])
    inner = shapely.point_on_surface([shapely.Polygon(p[0], p[1]) for _, p in known])
    for part, outline in tree.query(inner, predicate="within").T:
        heights[outline] = max(heights[outline] or 0.0, known[part][0])
    return heights


def frozen(ring: NDArray[np.float64]) -> NDArray[np.float64]:
    """A read-only copy."""
    ring = ring.copy()
    ring.setflags(write=False)
    return ring
