"""Wrong widths and places of road ways, alike in the network and in what is drawn.

Drawn lines and network segments are matched by the places of their vertices: both come from the
same nodes, so that equal nodes have equal coordinates to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import LineFeature, RoadNetwork
from mdps_ros.maps.drawing import ROAD_PREFIX
from mdps_ros.maps.moving import Features


class _Vertices(NamedTuple):
    """Which vertices of drawn roads and of the network are the same place."""

    places: int
    lines: list[NDArray[np.int64]]  # (V,) of each road line
    start: NDArray[np.int64]  # (S,) of the network's segments
    end: NDArray[np.int64]  # (S,)


def with_wrong_widths(
    features: Features, share: float, error: float, generator: np.random.Generator
) -> Features:
    """Make some road ways wider or narrower.

    Args:
        features: of a map.
        share: of the road ways.
        error: by which share of the width; up or down is even odds.
        generator: source of randomness.

    Returns:
        The features; drawn roads and network agree.
    """
    roads, lines = features.roads, _road_lines(features)
    if not lines:
        return features
    wrong = generator.uniform(size=len(lines)) < share
    sign = generator.choice((-1.0, 1.0), len(lines))
    factor = np.where(wrong, 1.0 + sign * error, 1.0)
    vertices = _vertices(lines, roads)
    of_line = [_keys(*_ends(v, line.closed)) for v, line in zip(vertices.lines, lines, strict=True)]
    owner = np.repeat(np.arange(len(lines)), [len(keys) for keys in of_line])
    keys, first = np.unique(np.concatenate(of_line), return_index=True)
    wanted = _keys(vertices.start, vertices.end)
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    scale = np.where(keys[place] == wanted, factor[owner[first[place]]], 1.0)
    width = (roads.width * scale).astype(np.float32)
    width.setflags(write=False)
    drawn = [
        line._replace(width=line.width * float(k)) for line, k in zip(lines, factor, strict=True)
    ]
    return _with_roads(features, drawn, replace(roads, width=width))


def with_shifted_roads(
    features: Features, distance: float, generator: np.random.Generator
) -> Features:
    """Shift every road way in a direction of its own.

    A vertex that several ways share moves in the mean of their directions, as far as all others:
    the ways stay joined.

    Args:
        features: of a map.
        distance: m.
        generator: source of randomness.

    Returns:
        The features; drawn roads and network agree.
    """
    roads, lines = features.roads, _road_lines(features)
    if not lines:
        return features
    angles = generator.uniform(0.0, 2.0 * np.pi, len(lines))
    vertices = _vertices(lines, roads)
    place = np.concatenate(vertices.lines)
    angle = np.repeat(angles, [len(v) for v in vertices.lines])
    total = np.bincount(place, np.cos(angle), vertices.places) + 1j * np.bincount(
        place, np.sin(angle), vertices.places
    )
    # What no drawn way holds has no direction and stays.
    unit = total / np.maximum(np.abs(total), 1e-12)
    shift = distance * np.stack([unit.real, unit.imag], axis=1)
    drawn = []
    for line, v in zip(lines, vertices.lines, strict=True):
        drawn.append(line._replace(xy=_frozen(line.xy + shift[v])))
    start = _frozen(roads.start + shift[vertices.start])
    end = _frozen(roads.end + shift[vertices.end])
    return _with_roads(features, drawn, replace(roads, start=start, end=end))


def _road_lines(features: Features) -> list[LineFeature]:
    return [f for f in features.streetscape.lines if f.kind.startswith(ROAD_PREFIX)]


def _with_roads(features: Features, drawn: Sequence[LineFeature], roads: RoadNetwork) -> Features:
    rest = iter(drawn)
    lines = tuple(
        next(rest) if line.kind.startswith(ROAD_PREFIX) else line
        for line in features.streetscape.lines
    )
    return features._replace(roads=roads, streetscape=replace(features.streetscape, lines=lines))


def _vertices(lines: Sequence[LineFeature], roads: RoadNetwork) -> _Vertices:
    xy = np.concatenate([*(line.xy for line in lines), roads.start, roads.end])
    places, inverse = np.unique(xy[:, 0] + 1j * xy[:, 1], return_inverse=True)
    cuts = np.cumsum([*(len(line.xy) for line in lines), roads.count])
    *of_lines, start, end = np.split(inverse.reshape(-1).astype(np.int64), cuts)
    return _Vertices(len(places), of_lines, start, end)


def _ends(vertices: NDArray[np.int64], closed: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if closed:
        return vertices, np.roll(vertices, -1)
    return vertices[:-1], vertices[1:]


def _keys(start: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """One number for each unordered pair of vertices."""
    keys: NDArray[np.int64] = np.minimum(start, end) << 32 | np.maximum(start, end)
    return keys


def _frozen(xy: NDArray[np.float64]) -> NDArray[np.float64]:
    xy.setflags(write=False)
    return xy
