"""Plain map values that maps produce and models, sim and evaluation consume.

All coordinates are metres in the `map` frame: a local east-north-up plane (x east, y north)
whose geodetic anchor the map keeps in float64. Yaw is radians, counter-clockwise from east.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

LAYERS: tuple[str, ...] = (
    "building",
    "road_major",  # motorway .. secondary, with their links
    "road_minor",  # tertiary, unclassified, residential, living_street
    "service",  # service roads, driveways, parking aisles
    "parking",
    "pavement",  # footways, pedestrian areas, steps, platforms
    "path",  # cycleways, paths, tracks
    "grass",
    "tree",
    "water",
    "rail",  # railways, but no trams
    "barrier",  # walls, fences, hedges
    "free",  # floor known to be free, of an occupancy map; OSM maps leave it zero
    "crossing",  # marked crossings for people on foot
    "pole",  # lamps, signals, bus stops, signs, bollards
    "tram",
)
"""Raster layers, in channel order."""

ROAD_KINDS: tuple[str, ...] = (
    "motorway",
    "trunk",
    "primary",
    "secondary",
    "tertiary",
    "unclassified",
    "residential",
    "living_street",
    "service",
)
"""Drivable road kinds; `*_link` ways count as the kind they link."""


class Bounds(NamedTuple):
    """Axis-aligned box, metres in the map frame."""

    min_x: float
    min_y: float
    max_x: float
    max_y: float

    @property
    def width(self) -> float:
        """East-west size, metres."""
        return self.max_x - self.min_x

    @property
    def height(self) -> float:
        """North-south size, metres."""
        return self.max_y - self.min_y

    def off(self, x: float, y: float) -> float:
        """How far a place lies outside, metres; 0 within."""
        return math.hypot(
            max(self.min_x - x, 0.0, x - self.max_x), max(self.min_y - y, 0.0, y - self.max_y)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadNetwork:
    """Drivable centrelines as directed straight segments (S of them).

    Attributes:
        start: (S, 2) float64 m, first end of each segment.
        end: (S, 2) float64 m, second end; the segment's direction is start -> end.
        width: (S,) float32 m, width of the carriageway (all lanes).
        oneway: (S,) bool, true where traffic may go start -> end only.
        kind: (S,) uint8, index into ROAD_KINDS.
        start_node: (S,) int64, graph node at `start`; equal ids are the same place.
        end_node: (S,) int64, graph node at `end`.
    """

    start: NDArray[np.float64]
    end: NDArray[np.float64]
    width: NDArray[np.float32]
    oneway: NDArray[np.bool_]
    kind: NDArray[np.uint8]
    start_node: NDArray[np.int64]
    end_node: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of segments S."""
        return len(self.start)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """(S,) m, length of each segment."""
        lengths: NDArray[np.float64] = np.hypot(*(self.end - self.start).T)
        return lengths

    @property
    def yaw(self) -> NDArray[np.float64]:
        """(S,) rad, direction start -> end."""
        d = self.end - self.start
        return np.arctan2(d[:, 1], d[:, 0])


class Building(NamedTuple):
    """A footprint: exterior ring (V, 2) m and holes, not closed (first vertex not repeated)."""

    exterior: NDArray[np.float64]
    holes: tuple[NDArray[np.float64], ...]
    height: float  # m above ground


class LineFeature(NamedTuple):
    """Something long that a street shows: a carriageway, a pavement, rails, a fence.

    The kinds are `road:<ROAD_KIND>` (also of roads that are barred to cars), "pavement",
    "cycleway", "path", "tram", "rail", "wall", "fence", "hedge", "tree_row" and "water".
    """

    kind: str
    xy: NDArray[np.float64]  # (V, 2) m; a closed line does not repeat its first vertex
    width: float  # m
    closed: bool  # true where the last vertex is joined to the first one


class PointFeature(NamedTuple):
    """Something small that stands in a street, or is painted on it.

    The kinds are "tree", "lamp", "signal", "bus_stop", "bollard", "sign" and "crossing".
    """

    kind: str
    xy: NDArray[np.float64]  # (2,) m
    size: float  # m, diameter of a tree's crown; 0 of all other kinds


class AreaFeature(NamedTuple):
    """A piece of ground or of wood; the kind is the name of its layer in LAYERS."""

    kind: str
    exterior: NDArray[np.float64]  # (V, 2) m, not closed
    holes: tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True)
class Streetscape:
    """All that a map knows of a street beside its buildings; the arrays are read-only."""

    lines: tuple[LineFeature, ...] = ()
    points: tuple[PointFeature, ...] = ()
    areas: tuple[AreaFeature, ...] = ()


class RasterTile(NamedTuple):
    """A window of the multi-class raster. Row 0 is the south edge, column 0 the west edge.

    Cell (row, column) covers x in origin_x + [column, column + 1) * resolution, y likewise.
    """

    layers: NDArray[np.uint8]  # (len(LAYERS), rows, columns), 1 where the class is present
    origin: tuple[float, float]  # m, lower-left (south-west) corner
    resolution: float  # m per cell

    def layer(self, name: str) -> NDArray[np.uint8]:
        """(rows, columns) of one named layer of LAYERS."""
        cells: NDArray[np.uint8] = self.layers[LAYERS.index(name)]
        return cells


@runtime_checkable
class TileSource(Protocol):
    """What a measurement model needs of a map: square tiles of the raster, on demand."""

    @property
    def id(self) -> str:
        """Stable content hash of the map."""
        ...

    @property
    def bounds(self) -> Bounds:
        """Extent of the map, metres."""
        ...

    @property
    def tile_size(self) -> float:
        """Side s of a tile, m; tile (i, j) starts at (bounds.min_x + i s, bounds.min_y + j s)."""
        ...

    @property
    def resolution(self) -> float:
        """Metres per cell."""
        ...

    def tile(self, column: int, row: int) -> RasterTile:
        """The tile at (column, row); all layers are zero outside the map."""
        ...
