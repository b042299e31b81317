"""Garden walls, hedges and fences that the map does not know, for training drives.

Real streets are lined with them (on KITTI a look sees an obstacle in nine of ten bearings), OSM
holds few. A table learned without them would take every near obstacle for a building.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Building, RoadNetwork

PIECE_M = (4.0, 18.0)  # length of a stretch between two gaps
GAP_M = (2.5, 8.0)  # driveways and garden doors
SETBACK_M = (0.3, 6.0)  # from the edge of the carriageway; one value per street side
HEIGHT_M = (0.6, 2.4)
THICKNESS_M = 0.4
SHARE = (0.1, 0.95)  # of the street sides that are lined; one value per drive
CLEARANCE_M = 1.4  # from the driven line


def roadside_barriers(
    roads: RoadNetwork,
    buildings: tuple[Building, ...],
    path: NDArray[np.float64],
    reach: float,
    generator: np.random.Generator,
) -> tuple[Building, ...]:
    """Line the streets near a path.

    Args:
        roads: carriageways; barriers keep off all of them.
        buildings: barriers do not run into them.
        path: (P, 2) m, the driven line.
        reach: metres from the path within which streets are lined.
        generator: source of randomness.

    Returns:
        Barriers as footprints with heights.
    """
    line = shapely.LineString(path)
    centre = shapely.linestrings(np.stack([roads.start, roads.end], axis=1))
    near = np.flatnonzero(shapely.dwithin(centre, line, reach))
    share = generator.uniform(*SHARE)
    pieces = []
    for segment in near:
        for side in (-1.0, 1.0):
            if generator.random() < share:
                pieces.append(_pieces(roads, int(segment), side, generator))
    if not pieces:
        return ()
    ends = np.concatenate(pieces)
    shapes = shapely.buffer(shapely.linestrings(ends), THICKNESS_M / 2, cap_style="flat")
    keep = ~shapely.dwithin(shapes, line, CLEARANCE_M)
    for obstacles in (_carriageways(roads, near), _footprints(buildings)):
        keep[shapely.STRtree(obstacles).query(shapes, predicate="intersects")[0]] = False
    heights = generator.uniform(*HEIGHT_M, len(shapes))
    return tuple(
        Building(np.asarray(shape.exterior.coords)[:-1], (), float(height))
        for shape, height in zip(shapes[keep], heights[keep], strict=True)
    )


def _pieces(
    roads: RoadNetwork, segment: int, side: float, generator: np.random.Generator
) -> NDArray[np.float64]:
    """(K, 2, 2) m, ends of the stretches along one side of a segment."""
    length = float(roads.lengths[segment])
    count = int(np.ceil(length / (PIECE_M[0] + GAP_M[0])))
    run = generator.uniform(*PIECE_M, count)
    gap = generator.uniform(*GAP_M, count)
    begin = np.cumsum(run + gap) - run - gap / 2
    end = np.minimum(begin + run, length)
    whole = end - begin > 1.0
    along = (roads.end[segment] - roads.start[segment]) / length
    left = np.array([-along[1], along[0]])
    offset = side * (roads.width[segment] / 2 + generator.uniform(*SETBACK_M))
    marks = np.stack([begin, end], axis=1)[whole][..., None]
    return np.asarray(roads.start[segment] + marks * along + offset * left)


def _carriageways(roads: RoadNetwork, near: NDArray[np.int64]) -> NDArray[np.object_]:
    lines = shapely.linestrings(np.stack([roads.start[near], roads.end[near]], axis=1))
    return np.asarray(shapely.buffer(lines, roads.width[near] / 2 + 0.1))


def _footprints(buildings: tuple[Building, ...]) -> NDArray[np.object_]:
    return np.array([shapely.Polygon(building.exterior) for building in buildings])
