"""What lies on the ground of a street: a label for every square decimetre.

Markings follow the usual rules: a dashed line in the middle of two-way roads, edge lines on major
ones, zebra stripes at crossings, two rails per track, pavements along urban roads.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import ROAD_KINDS, Bounds, Building, RoadNetwork, Streetscape

GROUNDS = (
    "bare",
    "asphalt",
    "pavement",
    "grass",
    "water",
    "marking",
    "kerb",
    "rail",
    "ballast",
    "parking",
    "cycleway",
    "path",
    "building",
)
"""Labels of the ground, by their numbers."""

CELLS_MAX = 220_000_000
_SHIFT = 4  # fractional bits of OpenCV's drawing
_URBAN = ("primary", "secondary", "tertiary", "unclassified", "residential", "living_street")
_MARKED = ("motorway", "trunk", "primary", "secondary", "tertiary", "unclassified", "residential")
_EDGED = ("motorway", "trunk", "primary", "secondary", "tertiary")
_PAINTED = {"tram": "rail", "rail": "rail"}


class Ground(NamedTuple):
    """A raster of labels; row 0 is the south edge.

    Attributes:
        labels: (rows, columns) uint8, numbers of GROUNDS.
        origin: (2,) m, south-west corner.
        resolution: m per cell.
    """

    labels: NDArray[np.uint8]
    origin: NDArray[np.float64]
    resolution: float

    def at(self, xy: NDArray[np.float64]) -> NDArray[np.uint8]:
        """(N,) labels at (N, 2) places; bare beyond the raster."""
        cell = np.floor((xy - self.origin) / self.resolution).astype(np.int64)
        rows, columns = self.labels.shape
        inside = (cell >= 0).all(axis=1) & (cell[:, 0] < columns) & (cell[:, 1] < rows)
        found = np.zeros(len(xy), np.uint8)
        found[inside] = self.labels[cell[inside, 1], cell[inside, 0]]
        return found


def draw_ground(
    roads: RoadNetwork,
    buildings: tuple[Building, ...],
    streetscape: Streetscape,
    bounds: Bounds,
    generator: np.random.Generator,
) -> Ground:
    """Paint the ground of a map.

    Args:
        roads: carriageways; junctions are where more than two segments meet.
        buildings: footprints.
        streetscape: everything else that lies on the ground.
        bounds: what to paint, m.
        generator: decides where road marks are worn off.

    Returns:
        The raster, 0.1 m per cell or as fine as CELLS_MAX allows.
    """
    resolution = max(0.1, float(np.sqrt(bounds.width * bounds.height / CELLS_MAX)))
    shape = (int(np.ceil(bounds.height / resolution)), int(np.ceil(bounds.width / resolution)))
    origin = np.array([bounds.min_x, bounds.min_y])
    brush = _Brush(np.zeros(shape, np.uint8), origin, resolution)
    _areas(brush, streetscape)
    _ways(brush, streetscape)
    _carriageways(brush, streetscape)
    _markings(brush, streetscape, generator)
    _junctions(brush, roads)
    _rails(brush, streetscape)
    _crossings(brush, roads, streetscape)
    for building in buildings:
        brush.fill([building.exterior, *building.holes], "building")
    return Ground(brush.labels, origin, resolution)


class _Brush:
    """Draws polygons, lines and dots of labels."""

    def __init__(
        self, labels: NDArray[np.uint8], origin: NDArray[np.float64], resolution: float
    ) -> None:
        self.labels = labels
        self._origin = origin
        self._resolution = resolution

    def _cells(self, xy: NDArray[np.float64]) -> NDArray[np.int32]:
        cells = (xy - self._origin) / self._resolution - 0.5
        return np.round(cells * (1 << _SHIFT)).astype(np.int32)

    def fill(self, rings: list[NDArray[np.float64]], label: str) -> None:
        points = [self._cells(ring) for ring in rings if len(ring) >= 3]
        if points:
            cv2.fillPoly(self.labels, points, GROUNDS.index(label), shift=_SHIFT)

    def line(self, xy: NDArray[np.float64], width: float, label: str, closed: bool = False) -> None:
        thickness = max(1, round(width / self._resolution))
        number = GROUNDS.index(label)
        cells = [self._cells(xy)]
        cv2.polylines(self.labels, cells, closed, number, thickness=thickness, shift=_SHIFT)

    def dot(self, xy: NDArray[np.float64], radius: float, label: str) -> None:
        (centre,) = self._cells(xy[None])
        size = round(radius / self._resolution * (1 << _SHIFT))
        middle = (int(centre[0]), int(centre[1]))
        cv2.circle(self.labels, middle, size, GROUNDS.index(label), -1, shift=_SHIFT)


def beside(xy: NDArray[np.float64], offset: float) -> NDArray[np.float64]:
    """(V, 2) m, a line moved to its left."""
    step = np.gradient(xy, axis=0)
    step = step / (np.hypot(*step.T)[:, None] + 1e-9)
    return np.asarray(xy + offset * np.stack([-step[:, 1], step[:, 0]], axis=1))


def along(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """(V,) m from the first vertex of a line to each."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])


def place_on(xy: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, 2) m, points of a line at given distances from its first vertex."""
    way = along(xy)
    return np.stack([np.interp(distance, way, xy[:, axis]) for axis in (0, 1)], axis=1)


def _areas(brush: _Brush, streetscape: Streetscape) -> None:
    kinds = {"tree": "grass", "road_major": "asphalt", "road_minor": "asphalt"}
    kinds |= {"service": "asphalt"}
    for kind in ("grass", "tree", "water", "parking", "pavement", "path", "service", "road_minor"):
        for area in streetscape.areas:
            if area.kind == kind:
                label = kinds.get(kind, kind)
                brush.fill([area.exterior, *area.holes], label)


def _ways(brush: _Brush, streetscape: Streetscape) -> None:
    for line in streetscape.lines:
        if line.kind in ("pavement", "cycleway", "path", "water"):
            brush.line(line.xy, line.width, line.kind, line.closed)
        elif line.kind == "rail":
            brush.line(line.xy, 3.2, "ballast", line.closed)


def _roads(streetscape: Streetscape) -> list[tuple[str, NDArray[np.float64], float]]:
    return [
        (line.kind.removeprefix("road:"), line.xy, line.width)
        for line in streetscape.lines
        if line.kind.startswith("road:") and not line.closed
    ]


def _carriageways(brush: _Brush, streetscape: Streetscape) -> None:
    roads = _roads(streetscape)
    for kind, xy, width in roads:
        if kind in _URBAN:
            brush.line(xy, width + 5.0, "pavement")
    for _, xy, width in roads:
        brush.line(xy, width + 0.4, "kerb")
    for _, xy, width in roads:
        brush.line(xy, width, "asphalt")


def _markings(brush: _Brush, streetscape: Streetscape, generator: np.random.Generator) -> None:
    for kind, xy, width in _roads(streetscape):
        worn = generator.random() < 0.15
        if kind in _MARKED and width > 5.5 and not worn:
            length = along(xy)[-1]
            for start in np.arange(1.0, length - 2.0, 6.0):
                brush.line(place_on(xy, np.array([start, start + 2.0])), 0.14, "marking")
        if kind in _EDGED and not worn:
            for side in (1.0, -1.0):
                brush.line(beside(xy, side * (width / 2 - 0.25)), 0.14, "marking")


def _junctions(brush: _Brush, roads: RoadNetwork) -> None:
    nodes = np.concatenate([roads.start_node, roads.end_node])
    places = np.concatenate([roads.start, roads.end])
    widths = np.concatenate([roads.width, roads.width])
    unique, first, inverse, count = np.unique(
        nodes, return_index=True, return_inverse=True, return_counts=True
    )
    widest = np.zeros(len(unique))
    np.maximum.at(widest, inverse, widths)
    for index in np.flatnonzero(count >= 3):
        brush.dot(places[first[index]], widest[index] / 2 + 0.3, "asphalt")


def _rails(brush: _Brush, streetscape: Streetscape) -> None:
    for line in streetscape.lines:
        if line.kind in ("tram", "rail") and len(line.xy) > 1:
            for side in (0.72, -0.72):
                brush.line(beside(line.xy, side), 0.1, "rail")


def _crossings(brush: _Brush, roads: RoadNetwork, streetscape: Streetscape) -> None:
    """Zebra stripes where a crossing lies on a carriageway."""
    marked = np.flatnonzero(roads.kind != ROAD_KINDS.index("service"))
    start, end = roads.start[marked], roads.end[marked]
    step = end - start
    length = np.hypot(*step.T) + 1e-9
    ahead = step / length[:, None]
    for point in streetscape.points:
        if point.kind != "crossing":
            continue
        way = np.clip(((point.xy - start) * ahead).sum(1), 0.0, length)
        gap = np.hypot(*(start + way[:, None] * ahead - point.xy).T)
        nearest = int(gap.argmin())
        if gap[nearest] > 1.0:
            continue
        tangent = ahead[nearest]
        across = np.array([-tangent[1], tangent[0]])
        half = float(roads.width[marked[nearest]]) / 2
        for offset in np.arange(-half + 0.4, half - 0.2, 1.0):
            middle = point.xy + offset * across
            stripe = np.stack([middle - 1.6 * tangent, middle + 1.6 * tangent])
            brush.line(stripe, 0.5, "marking")
