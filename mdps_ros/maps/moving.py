"""Features of a map moved by a displacement of the plane, long edges cut so that they bend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Building, RoadNetwork, Streetscape

Displacement = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""(N, 2) m to the (N, 2) m by which these points move."""

_MOST_VERTICES = 4_000_000


class Features(NamedTuple):
    """What a map draws and drives on."""

    roads: RoadNetwork
    buildings: tuple[Building, ...]
    streetscape: Streetscape


def moved_features(features: Features, displacement: Displacement, spacing: float) -> Features:
    """Move all features.

    Args:
        features: roads, buildings and streetscape.
        displacement: of the plane.
        spacing: m, longest edge that stays straight; longer where the map would grow beyond
            four million vertices.

    Returns:
        The moved features; their arrays are read-only. Nodes of the road network keep their ids,
        and those that appear within a segment get new ones.
    """
    spacing = max(spacing, _coarsest(features))
    rings = _Moved(displacement, spacing)
    buildings = [(rings.take(b.exterior, True), *_all(rings, b.holes)) for b in features.buildings]
    lines = [rings.take(line.xy, line.closed) for line in features.streetscape.lines]
    areas = [
        (rings.take(area.exterior, True), *_all(rings, area.holes))
        for area in features.streetscape.areas
    ]
    points = [rings.take(point.xy[None], False) for point in features.streetscape.points]
    rings.move()
    of = features.streetscape
    return Features(
        moved_network(features.roads, displacement, spacing),
        tuple(
            Building(rings[at[0]], tuple(rings[i] for i in at[1:]), building.height)
            for building, at in zip(features.buildings, buildings, strict=True)
        ),
        Streetscape(
            tuple(line._replace(xy=rings[i]) for line, i in zip(of.lines, lines, strict=True)),
            tuple(
                point._replace(xy=rings[i][0]) for point, i in zip(of.points, points, strict=True)
            ),
            tuple(
                area._replace(exterior=rings[at[0]], holes=tuple(rings[i] for i in at[1:]))
                for area, at in zip(of.areas, areas, strict=True)
            ),
        ),
    )


def moved_network(roads: RoadNetwork, displacement: Displacement, spacing: float) -> RoadNetwork:
    """Move a road network; a segment longer than `spacing` m becomes several.

    Args:
        roads: the network.
        displacement: of the plane.
        spacing: m.

    Returns:
        The network, in the order of the source's segments; its arrays are read-only.
    """
    pieces = np.maximum(np.ceil(roads.lengths / spacing), 1.0).astype(np.int64)
    segment = np.repeat(np.arange(roads.count), pieces)
    first = np.cumsum(pieces) - pieces
    piece = np.arange(len(segment)) - first[segment]
    last = piece == pieces[segment] - 1
    along = roads.end - roads.start
    start = roads.start[segment] + along[segment] * (piece / pieces[segment])[:, None]
    # The next piece's first end, so that pieces meet exactly; the segment's own end at last.
    end = np.where(last[:, None], roads.end[segment], np.roll(start, -1, axis=0))
    unused = 1 + max(roads.start_node.max(initial=0), roads.end_node.max(initial=0))
    inner = unused + np.cumsum(~last) - 1  # of the node at a piece's second end
    moved = replace(
        roads,
        start=start + displacement(start),
        end=end + displacement(end),
        width=roads.width[segment],
        oneway=roads.oneway[segment],
        kind=roads.kind[segment],
        start_node=np.where(piece == 0, roads.start_node[segment], np.roll(inner, 1)),
        end_node=np.where(last, roads.end_node[segment], inner),
    )
    for name in RoadNetwork.__dataclass_fields__:
        getattr(moved, name).setflags(write=False)
    return moved


def subdivided(xy: NDArray[np.float64], closed: bool, spacing: float) -> NDArray[np.float64]:
    """Cut the edges of a line or ring into equal pieces of at most `spacing` m.

    Args:
        xy: (V, 2) m; a closed one does not repeat its first vertex.
        closed: whether the last vertex is joined to the first one.
        spacing: m.

    Returns:
        (W, 2) m, the old vertices in order with the new ones between them.
    """
    after = np.roll(xy, -1, axis=0)
    pieces = np.maximum(np.ceil(np.hypot(*(after - xy).T) / spacing), 1.0).astype(np.int64)
    if not closed:
        pieces[-1] = 1
    edge = np.repeat(np.arange(len(xy)), pieces)
    piece = np.arange(len(edge)) - (np.cumsum(pieces) - pieces)[edge]
    cut: NDArray[np.float64] = xy[edge] + (after - xy)[edge] * (piece / pieces[edge])[:, None]
    return cut


class _Moved:
    """Rings and lines collected, to be moved in one go."""

    def __init__(self, displacement: Displacement, spacing: float) -> None:
        self._displacement = displacement
        self._spacing = spacing
        self._pieces: list[NDArray[np.float64]] = []

    def take(self, xy: NDArray[np.float64], closed: bool) -> int:
        self._pieces.append(subdivided(xy, closed, self._spacing))
        return len(self._pieces) - 1

    def move(self) -> None:
        if not self._pieces:
            return
        xy = np.concatenate(self._pieces)
        xy = xy + self._displacement(xy)
        xy.setflags(write=False)
        self._pieces = np.split(xy, np.cumsum([len(piece) for piece in self._pieces])[:-1])

    def __getitem__(self, index: int) -> NDArray[np.float64]:
        return self._pieces[index]


def _all(rings: _Moved, holes: Sequence[NDArray[np.float64]]) -> list[int]:
    return [rings.take(hole, True) for hole in holes]


def _coarsest(features: Features) -> float:
    """Spacing in m at which the cut edges of all features reach the limit on vertices."""
    rings = [ring for b in features.buildings for ring in (b.exterior, *b.holes)]
    rings += [line.xy for line in features.streetscape.lines]
    rings += [ring for area in features.streetscape.areas for ring in (area.exterior, *area.holes)]
    vertices = sum(map(len, rings)) + len(features.streetscape.points) + features.roads.count
    length = sum(float(np.hypot(*np.diff(ring, axis=0).T).sum()) for ring in rings)
    length += float(features.roads.lengths.sum())
    return length / max(_MOST_VERTICES - vertices, 1)
