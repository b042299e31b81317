"""Where trees stand in woods and forests, of which a map knows the outline only."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import AreaFeature, LineFeature, Streetscape

SEEN_FROM_M = 45.0
"""Trees deeper in a wood than this are hidden by those in front."""
CLEAR_M = 2.0
"""Distance that trees keep from the edge of a carriageway."""
_SPACING_M = 7.0


def wood_places(streetscape: Streetscape, generator: np.random.Generator) -> NDArray[np.float64]:
    """Draw trees in all woods near roads.

    Args:
        streetscape: gives the woods ("tree" areas) and the roads.
        generator: source of randomness.

    Returns:
        (W, 2) m, about 7 m apart.
    """
    roads = [line for line in streetscape.lines if line.kind.startswith("road:")]
    woods = [_outline(area) for area in streetscape.areas if area.kind == "tree"]
    if not roads or not woods:
        return np.zeros((0, 2))
    lines = [_centreline(road) for road in roads]
    near = shapely.union_all(shapely.buffer(lines, SEEN_FROM_M, quad_segs=2))
    free = [road.width / 2 + CLEAR_M for road in roads]
    near = near.difference(shapely.union_all(shapely.buffer(lines, free, quad_segs=2)))
    found = [np.zeros((0, 2))]
    for wood in woods:
        part = shapely.make_valid(wood).intersection(near)
        if part.is_empty:
            continue
        low, high = np.array(part.bounds).reshape(2, 2)
        count = generator.poisson(np.prod(high - low) / _SPACING_M**2)
        places = generator.uniform(low, high, (count, 2))
        shapely.prepare(part)
        found.append(places[shapely.contains_xy(part, places)])
    return np.concatenate(found)


def _outline(area: AreaFeature) -> shapely.Polygon:
    return shapely.Polygon(area.exterior, area.holes)


def _centreline(road: LineFeature) -> shapely.LineString:
    return shapely.LineString(np.vstack([road.xy, road.xy[:1]]) if road.closed else road.xy)
