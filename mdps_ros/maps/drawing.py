"""From the features of a map to the shapes of its raster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Building, LineFeature, PointFeature, Streetscape
from mdps_ros.maps.buildings import Polygon
from mdps_ros.maps.classes import road_layer
from mdps_ros.maps.raster import Strokes, VectorLayers

ROAD_PREFIX = "road:"
_LINE_LAYERS = {
    "pavement": "pavement",
    "cycleway": "path",
    "path": "path",
    "tram": "tram",
    "rail": "rail",
    "wall": "barrier",
    "fence": "barrier",
    "hedge": "barrier",
    "tree_row": "tree",
    "water": "water",
}
_POLE = 1.2  # m across; wider than any pole, or a cell of half a metre would miss it
_CROSSING = 4.0  # m across


def line_layer(kind: str) -> str:
    """Raster layer of a kind of `LineFeature`."""
    if kind.startswith(ROAD_PREFIX):
        return road_layer(kind.removeprefix(ROAD_PREFIX))
    return _LINE_LAYERS[kind]


def point_layer(kind: str) -> str:
    """Raster layer of a kind of `PointFeature`."""
    return kind if kind in ("tree", "crossing") else "pole"


def line_ends(line: LineFeature) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and second ends of a line's segments, (S, 2) m each."""
    if line.closed:
        return line.xy, np.roll(line.xy, -1, axis=0)
    return line.xy[:-1], line.xy[1:]


def feature_layers(buildings: Sequence[Building], streetscape: Streetscape) -> VectorLayers:
    """Index the shapes of all features by their layers.

    Args:
        buildings: footprints; they fill the layer "building".
        streetscape: lines become strokes, points discs, areas polygons.

    Returns:
        What draws any window of the map.
    """
    polygons: dict[str, list[Polygon]] = defaultdict(list)
    polygons["building"] = [(b.exterior, b.holes) for b in buildings]
    for area in streetscape.areas:
        polygons[area.kind].append((area.exterior, area.holes))
    strokes: dict[str, list[Strokes]] = defaultdict(list)
    for line in streetscape.lines:
        start, end = line_ends(line)
        strokes[line_layer(line.kind)].append(Strokes(start, end, np.full(len(start), line.width)))
    for point in streetscape.points:
        xy = point.xy[None]
        strokes[point_layer(point.kind)].append(Strokes(xy, xy, np.array([_diameter(point)])))
    return VectorLayers(polygons, {layer: _joined(parts) for layer, parts in strokes.items()})


def _diameter(point: PointFeature) -> float:
    if point.kind == "tree":
        return point.size
    return _CROSSING if point.kind == "crossing" else _POLE


def _joined(parts: Sequence[Strokes]) -> Strokes:
    return Strokes(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))
