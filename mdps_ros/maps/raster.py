"""Rasterisation of polygons and wide lines into the layers of a window.

A cell is set when its centre lies inside a shape, by non-zero winding. The rule does not depend
on the window, so neighbouring tiles and larger windows agree cell by cell, and overlapping shapes
of a layer and holes come out right in one pass over all edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import LAYERS, Bounds, RasterTile
from mdps_ros.maps.buildings import Polygon, signed_area
from mdps_ros.maps.errors import MapError

_MAX_BYTES = 1 << 31
_THINNEST = 1.5  # cells; thinner lines would break up between cell centres
_CAP = np.linspace(-np.pi / 2, np.pi / 2, 7)  # rad, half circle of a line's round end


class Strokes(NamedTuple):
    """Straight segments with round ends; a segment of zero length is a disc."""

    start: NDArray[np.float64]  # (S, 2) m
    end: NDArray[np.float64]  # (S, 2) m
    width: NDArray[np.float64]  # (S,) m


class _PolygonIndex:
    def __init__(self, polygons: Sequence[Polygon]) -> None:
        start, end, boxes, counts = [], [], [], []
        for exterior, holes in polygons:
            edges = 0
            for ring, outer in ((exterior, True), *((hole, False) for hole in holes)):
                turned = ring if (signed_area(ring) > 0.0) == outer else ring[::-1]
                start.append(turned)
                end.append(np.roll(turned, -1, axis=0))
                edges += len(turned)
            counts.append(edges)
            boxes.append((*exterior.min(axis=0), *exterior.max(axis=0)))
        self._start = np.concatenate(start) if start else np.zeros((0, 2))
        self._end = np.concatenate(end) if end else np.zeros((0, 2))
        self._first = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        self._tree = shapely.STRtree(shapely.box(*np.array(boxes).reshape(-1, 4).T))

    def edges(self, window: Bounds) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        hit = self._tree.query(shapely.box(*window))
        index = _ranges(self._first[hit], self._first[hit + 1] - self._first[hit])
        return self._start[index], self._end[index]


class _StrokeIndex:
    def __init__(self, strokes: Strokes) -> None:
        self._strokes = strokes
        margin = 0.5 * strokes.width[:, None]
        low = np.minimum(strokes.start, strokes.end) - margin
        high = np.maximum(strokes.start, strokes.end) + margin
        self._tree = shapely.STRtree(shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1]))

    def edges(
        self, window: Bounds, thinnest: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        reach = 0.5 * thinnest
        hit = self._tree.query(
            shapely.box(
                window.min_x - reach,
                window.min_y - reach,
                window.max_x + reach,
                window.max_y + reach,
            )
        )
        start, end = self._strokes.start[hit], self._strokes.end[hit]
        radius = 0.5 * np.maximum(self._strokes.width[hit], thinnest)[:, None]
        heading = np.arctan2(*(end - start).T[::-1])[:, None]
        cap = np.stack([np.cos(heading + _CAP), np.sin(heading + _CAP)], axis=-1)
        # Counter-clockwise outline: round the end, back along the left side, round the start.
        front = end[:, None] + radius[..., None] * cap
        back = start[:, None] - radius[..., None] * cap
        outline = np.concatenate([front, back], axis=1)
        return outline.reshape(-1, 2), np.roll(outline, -1, axis=1).reshape(-1, 2)


class VectorLayers:
    """Polygons and strokes per layer, indexed in space: a window costs only what lies in it."""

    def __init__(
        self, polygons: Mapping[str, Sequence[Polygon]], strokes: Mapping[str, Strokes]
    ) -> None:
        """Index the shapes.

        Args:
            polygons: layer name to polygons, m in the map frame.
            strokes: layer name to wide segments, m in the map frame.
        """
        self._polygons = {k: _PolygonIndex(v) for k, v in polygons.items() if len(v)}
        self._strokes = {k: _StrokeIndex(v) for k, v in strokes.items() if len(v.width)}

    def rasterise(self, window: Bounds, resolution: float) -> RasterTile:
        """Draw all layers of a window; its far sides are rounded up to whole cells.

        Args:
            window: the box, m in the map frame.
            resolution: m per cell.

        Returns:
            The raster, row 0 at the south edge.

        Raises:
            MapError: the raster would not fit into 2 GiB.
        """
        rows, columns = raster_shape(window, resolution)
        layers = np.zeros((len(LAYERS), rows, columns), np.uint8)
        origin = np.array([window.min_x, window.min_y])
        for channel, name in enumerate(LAYERS):
            pieces = []
            if name in self._polygons:
                pieces.append(self._polygons[name].edges(window))
            if name in self._strokes:
                pieces.append(self._strokes[name].edges(window, _THINNEST * resolution))
            if pieces:
                start, end = (np.concatenate(ends) for ends in zip(*pieces, strict=True))
                if len(start):
                    cells = ((start - origin) / resolution, (end - origin) / resolution)
                    layers[channel] = fill_edges(*cells, rows, columns)
        return RasterTile(layers, (window.min_x, window.min_y), resolution)


def raster_shape(window: Bounds, resolution: float) -> tuple[int, int]:
    """Rows and columns of a window; MapError where all layers would not fit into 2 GiB."""
    if not resolution > 0.0 or not (window.width > 0.0 and window.height > 0.0):
        raise MapError(f"window {tuple(window)} at {resolution} m per cell is empty; widen it")
    # The small allowance keeps 128.0000001 / 0.5 from growing a row of its own.
    rows = int(np.ceil(window.height / resolution - 1e-6))
    columns = int(np.ceil(window.width / resolution - 1e-6))
    if rows * columns * len(LAYERS) > _MAX_BYTES:
        raise MapError(
            f"a raster of {rows} x {columns} cells does not fit into 2 GiB; "
            "ask for a smaller window or a coarser resolution"
        )
    return max(rows, 1), max(columns, 1)


def fill_edges(
    start: NDArray[np.float64], end: NDArray[np.float64], rows: int, columns: int
) -> NDArray[np.uint8]:
    """Fill closed outlines by non-zero winding.

    Args:
        start: (E, 2) first ends of all edges, x and y in cells from the window's corner.
        end: (E, 2) second ends.
        rows: height of the window in cells.
        columns: width of the window in cells.

    Returns:
        (rows, columns) uint8, 1 where the cell's centre is inside.
    """
    # An edge crosses the centre line of row r when r + 0.5 lies in [low, high).
    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low - 0.5), 0, rows).astype(np.int64)
    count = np.clip(np.ceil(high - 0.5), 0, rows).astype(np.int64) - first
    edge = np.repeat(np.arange(len(start)), count)
    row = _ranges(first, count)
    slope = (end[edge, 0] - start[edge, 0]) / (end[edge, 1] - start[edge, 1])
    x = start[edge, 0] + (row + 0.5 - start[edge, 1]) * slope
    column = np.clip(np.ceil(x - 0.5), 0, columns).astype(np.int64)
    sign = np.where(end[edge, 1] > start[edge, 1], 1.0, -1.0)
    steps = np.bincount(row * (columns + 1) + column, sign, rows * (columns + 1))
    winding = np.cumsum(steps.reshape(rows, columns + 1)[:, :columns], axis=1)
    filled: NDArray[np.uint8] = (winding != 0.0).astype(np.uint8)
    return filled


def _ranges(first: NDArray[np.int64], count: NDArray[np.int64]) -> NDArray[np.int64]:
    """Concatenate arange(first[i], first[i] + count[i])."""
    ends = np.cumsum(count)
    total = int(ends[-1]) if len(ends) else 0
    indices: NDArray[np.int64] = np.arange(total) + np.repeat(first - (ends - count), count)
    return indices
