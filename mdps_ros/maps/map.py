"""The map of a drive: one immutable value built from an OSM extract or an occupancy grid."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Protocol

import numpy as np

from mdps_ros.core.mapdata import (
    ROAD_KINDS,
    Bounds,
    Building,
    RasterTile,
    RoadNetwork,
    Streetscape,
)
from mdps_ros.maps.drawing import feature_layers
from mdps_ros.maps.errors import MapError
from mdps_ros.maps.geodesy import GeoAnchor

TILE_CELLS = 256
CACHE_BYTES = 128 << 20


class CellSource(Protocol):
    """Draws the raster of any window."""

    def rasterise(self, window: Bounds, resolution: float) -> RasterTile:
        """All layers of a window (m, map frame) at m per cell; row 0 is the south edge."""
        ...


class Map:
    """Roads, buildings and raster tiles of one place, in metres of the map frame.

    Tiles are drawn on demand and kept in a cache of bounded size, so that a city costs no more
    memory per step than a village. A map is read-only and may be shared between threads.
    """

    def __init__(
        self,
        *,
        id: str,
        name: str,
        anchor: GeoAnchor | None,
        bounds: Bounds,
        roads: RoadNetwork,
        buildings: tuple[Building, ...],
        unknown_heights: int,
        streetscape: Streetscape,
        cells: CellSource,
        resolution: float,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Assemble a map; `load_map` is the usual way to get one.

        Args:
            id: content hash.
            name: for people.
            anchor: where on Earth the map frame lies; None for a map of unknown place.
            bounds: extent, m.
            roads: drivable centrelines.
            buildings: footprints.
            unknown_heights: how many buildings carry a default height.
            streetscape: what the map knows beside roads and buildings.
            cells: draws the raster.
            resolution: m per cell of the tiles.
            cache_bytes: memory that kept tiles may take.
        """
        if not 0.01 <= resolution <= 10.0:
            raise MapError(f"resolution {resolution} m per cell is out of [0.01, 10]; use e.g. 0.5")
        self._id = id
        self._name = name
        self._anchor = anchor
        self._bounds = bounds
        self._roads = roads
        self._buildings = buildings
        self._unknown_heights = unknown_heights
        self._streetscape = streetscape
        self._cells = cells
        self._resolution = resolution
        self._cache_bytes = cache_bytes
        self._tiles: OrderedDict[tuple[int, int], RasterTile] = OrderedDict()
        self._held_bytes = 0
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """Content hash (hex): equal content and anchor give equal ids, whatever the file format."""
        return self._id

    @property
    def name(self) -> str:
        """Name for people."""
        return self._name

    @property
    def anchor(self) -> GeoAnchor | None:
        """Where on Earth the map frame lies; None where that is unknown."""
        return self._anchor

    @property
    def bounds(self) -> Bounds:
        """Extent, metres."""
        return self._bounds

    @property
    def roads(self) -> RoadNetwork:
        """Drivable centrelines (read-only arrays)."""
        return self._roads

    @property
    def buildings(self) -> tuple[Building, ...]:
        """Footprints (read-only arrays)."""
        return self._buildings

    @property
    def unknown_heights(self) -> int:
        """How many buildings carry a default height for want of a known one."""
        return self._unknown_heights

    @property
    def streetscape(self) -> Streetscape:
        """Lines, points and areas that a street shows; empty for an occupancy map."""
        return self._streetscape

    @property
    def resolution(self) -> float:
        """Metres per cell of the tiles."""
        return self._resolution

    @property
    def tile_size(self) -> float:
        """Side of a tile, metres: 256 cells."""
        return TILE_CELLS * self._resolution

    @property
    def tile_count(self) -> tuple[int, int]:
        """Columns and rows of tiles that cover the map."""
        columns = int(np.ceil(self._bounds.width / self.tile_size))
        return columns, int(np.ceil(self._bounds.height / self.tile_size))

    @property
    def drivable_length(self) -> float:
        """Length of all drivable centrelines, metres."""
        return float(self._roads.lengths.sum())

    @property
    def drivable_length_by_kind(self) -> dict[str, float]:
        """Road kind to metres of centreline, for the kinds that occur."""
        totals = np.bincount(self._roads.kind, self._roads.lengths, len(ROAD_KINDS))
        return {kind: float(m) for kind, m in zip(ROAD_KINDS, totals, strict=True) if m > 0.0}

    @property
    def cached_bytes(self) -> int:
        """Memory that kept tiles take now."""
        return self._held_bytes

    def tile(self, column: int, row: int) -> RasterTile:
        """The tile at (column, row), read-only; tiles beyond the map are zero.

        Args:
            column: tiles east of `bounds.min_x`, may be negative.
            row: tiles north of `bounds.min_y`, may be negative.
        """
        key = (column, row)
        with self._lock:
            if key in self._tiles:
                self._tiles.move_to_end(key)
                return self._tiles[key]
        size = self.tile_size
        x, y = self._bounds.min_x + column * size, self._bounds.min_y + row * size
        tile = self._cells.rasterise(Bounds(x, y, x + size, y + size), self._resolution)
        self._clear_outside(tile)
        tile.layers.setflags(write=False)
        with self._lock:
            if key not in self._tiles:
                self._tiles[key] = tile
                self._held_bytes += tile.layers.nbytes
            while self._held_bytes > self._cache_bytes and len(self._tiles) > 1:
                _, old = self._tiles.popitem(last=False)
                self._held_bytes -= old.layers.nbytes
        return tile

    def raster(self, bounds: Bounds, resolution: float) -> RasterTile:
        """Draw any window at any resolution; nothing is cached.

        Args:
            bounds: window, m in the map frame; its far sides are rounded up to whole cells.
            resolution: m per cell.

        Raises:
            MapError: the window is empty or would not fit into 2 GiB.
        """
        tile = self._cells.rasterise(bounds, resolution)
        self._clear_outside(tile)
        return tile

    def with_features(
        self,
        *,
        id: str,
        name: str,
        roads: RoadNetwork,
        buildings: tuple[Building, ...],
        streetscape: Streetscape,
    ) -> Map:
        """A map of the same place, frame and extent with other features, drawn anew.

        Args:
            id: content hash of the new map.
            name: for people.
            roads: drivable centrelines.
            buildings: footprints; the share of unknown heights is taken to be this map's.
            streetscape: the rest, roads that are seen included.
        """
        share = self._unknown_heights / max(len(self._buildings), 1)
        return Map(
            id=id,
            name=name,
            anchor=self._anchor,
            bounds=self._bounds,
            roads=roads,
            buildings=buildings,
            unknown_heights=round(share * len(buildings)),
            streetscape=streetscape,
            cells=feature_layers(buildings, streetscape),
            resolution=self._resolution,
            cache_bytes=self._cache_bytes,
        )

    def _clear_outside(self, tile: RasterTile) -> None:
        """Zero the cells whose centre lies beyond the map's bounds."""
        _, rows, columns = tile.layers.shape
        x = tile.origin[0] + (np.arange(columns) + 0.5) * tile.resolution
        y = tile.origin[1] + (np.arange(rows) + 0.5) * tile.resolution
        tile.layers[:, :, (x < self._bounds.min_x) | (x > self._bounds.max_x)] = 0
        tile.layers[:, (y < self._bounds.min_y) | (y > self._bounds.max_y)] = 0
