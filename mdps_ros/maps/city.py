"""From raw OSM data to a Map: classify, project, hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import (
    AreaFeature,
    Bounds,
    LineFeature,
    PointFeature,
    Streetscape,
)
from mdps_ros.maps.buildings import Polygon, build_footprints, frozen
from mdps_ros.maps.classes import (
    Dot,
    Stroke,
    Tags,
    area_layers,
    is_building,
    out_of_sight,
    point_dot,
    road_kind,
    way_stroke,
)
from mdps_ros.maps.drawing import ROAD_PREFIX, feature_layers
from mdps_ros.maps.errors import MapError
from mdps_ros.maps.geodesy import GeoAnchor
from mdps_ros.maps.map import Map
from mdps_ros.maps.osm import DEGREES_PER_UNIT, OsmArea, OsmData, OsmPoint, OsmWay, read_osm
from mdps_ros.maps.roads import RoadWay, build_network, drivable_ways, oneway_direction, road_width

_MARGIN = 20.0  # m of ground kept around roads and buildings
_HASH_FORMAT = "mdps-osm-1"


class _Drawn(NamedTuple):
    """Features that the map keeps, still in OSM coordinates."""

    roads: list[RoadWay]
    lines: list[tuple[Stroke, OsmWay]]
    points: list[tuple[Dot, OsmPoint]]
    areas: list[tuple[str, OsmArea]]  # layer, area
    outlines: list[OsmArea]
    parts: list[OsmArea]


def city_map(
    paths: Sequence[Path],
    *,
    name: str,
    resolution: float,
    anchor: GeoAnchor | None,
    max_extent: float,
) -> Map:
    """Build a map from OSM files.

    Args:
        paths: OSM files; their union is the map.
        name: for people.
        resolution: m per cell of the tiles.
        anchor: origin of the map frame; None puts it in the middle of the roads and buildings.
        max_extent: m; a larger map is refused.

    Raises:
        MapError: a file is bad, nothing is drivable, or the extent is absurd.
    """
    data = read_osm(paths)
    drawn = _select(data)
    if not drawn.roads:
        raise MapError(
            f"{name}: no drivable road (highway=residential and the like) in the map; "
            "use an extract that holds streets"
        )
    anchor = _check_extent(drawn, name, anchor, max_extent, several=len(paths) > 1)
    project = _Projector(anchor)
    road_points = [project(road.location) for road in drawn.roads]
    roads = build_network(drawn.roads, road_points)
    outlines = [(a.tags, p) for a in drawn.outlines for p in project.polygons(a)]
    parts = [(a.tags, p) for a in drawn.parts for p in project.polygons(a)]
    buildings = build_footprints(outlines, parts)
    corners = [roads.start, roads.end, *(exterior for _, (exterior, _) in outlines)]
    streetscape = _streetscape(drawn, project)
    return Map(
        id=_content_hash(data, anchor),
        name=name,
        anchor=anchor,
        bounds=_bounds(np.concatenate(corners)),
        roads=roads,
        buildings=buildings.footprints,
        unknown_heights=buildings.unknown_heights,
        streetscape=streetscape,
        cells=feature_layers(buildings.footprints, streetscape),
        resolution=resolution,
    )


class _Projector:
    """OSM integers to metres of the map frame."""

    def __init__(self, anchor: GeoAnchor) -> None:
        self._anchor = anchor

    def __call__(self, location: NDArray[np.int64]) -> NDArray[np.float64]:
        degrees = location * DEGREES_PER_UNIT
        return self._anchor.to_map(degrees[:, 1], degrees[:, 0])

    def polygons(self, area: OsmArea) -> list[Polygon]:
        return [(self(outer), tuple(map(self, inner))) for outer, inner in area.polygons]


def _select(data: OsmData) -> _Drawn:
    drawn = _Drawn(drivable_ways(data.ways), [], [], [], [], [])
    for way in data.ways:
        _select_line(way, drawn)
    for area in data.areas:
        if not area.polygons or out_of_sight(area.tags):
            continue
        if is_building(area.tags):
            drawn.outlines.append(area)
        elif area.tags.get("building:part", "no") != "no":
            drawn.parts.append(area)
        drawn.areas.extend((layer, area) for layer in area_layers(area.tags))
    for point in data.points:
        dot = None if out_of_sight(point.tags) else point_dot(point.tags)
        if dot is not None:
            drawn.points.append((dot, point))
    return drawn


def _select_line(way: OsmWay, drawn: _Drawn) -> None:
    tags, kind = way.tags, road_kind(way.tags)
    if len(way.nodes) < 2:
        return
    if kind is not None and not (way.closed and tags.get("area") == "yes"):
        # A road that is barred to cars is still asphalt; one in an open cut is still seen.
        if not out_of_sight({k: v for k, v in tags.items() if k != "layer"}):
            width = road_width(tags, kind, oneway_direction(tags) != 0)
            drawn.lines.append((Stroke(ROAD_PREFIX + kind, width), way))
        return
    stroke = None if out_of_sight(tags) else way_stroke(tags, way.closed)
    if stroke is not None:
        drawn.lines.append((stroke, way))


def _streetscape(drawn: _Drawn, project: _Projector) -> Streetscape:
    lines = []
    for stroke, way in drawn.lines:
        xy = project(way.location[:-1] if way.closed else way.location)
        lines.append(LineFeature(stroke.kind, frozen(xy), stroke.width, way.closed))
    places = np.array([point.location for _, point in drawn.points], np.int64).reshape(-1, 2)
    spots = frozen(project(places))
    return Streetscape(
        tuple(lines),
        tuple(
            PointFeature(dot.kind, xy, dot.size)
            for (dot, _), xy in zip(drawn.points, spots, strict=True)
        ),
        tuple(
            AreaFeature(layer, frozen(exterior), tuple(map(frozen, holes)))
            for layer, area in drawn.areas
            for exterior, holes in project.polygons(area)
        ),
    )


def _check_extent(
    drawn: _Drawn, name: str, anchor: GeoAnchor | None, max_extent: float, *, several: bool
) -> GeoAnchor:
    """The map's anchor; MapError where roads and buildings spread too far or lie far from it."""
    spots = [road.location for road in drawn.roads]
    spots += [outer for area in drawn.outlines for outer, _ in area.polygons]
    degrees = np.concatenate(spots) * DEGREES_PER_UNIT
    low, high = degrees.min(axis=0), degrees.max(axis=0)
    middle = GeoAnchor(*(round(float(v), 7) for v in ((low + high) / 2.0)[::-1]))
    # Kilometres from degrees, not from the projection, which folds over far from its centre.
    per_degree = 111_195.0 * np.array([max(np.cos(np.radians(middle.latitude_deg)), 0.05), 1.0])
    width, height = (high - low) * per_degree
    remedy = "cut an extract (osmium extract -b W,S,E,N IN -o OUT)"
    if several:
        remedy = f"load one place at a time; for a larger one, {remedy}"
    if max(width, height) > max_extent:
        raise MapError(
            f"{name}: extent of {width / 1e3:.0f} x {height / 1e3:.0f} km exceeds the limit of "
            f"{max_extent / 1e3:.0f} km; {remedy}"
        )
    if anchor is None:
        return middle
    origin = np.array([anchor.longitude_deg, anchor.latitude_deg])
    away = np.hypot(*((low + high) / 2.0 - origin) * per_degree)
    if away > max_extent:
        raise MapError(
            f"{name}: lies {away / 1e3:.0f} km from the anchor; give an anchor near the map"
        )
    return anchor


def _bounds(corners: NDArray[np.float64]) -> Bounds:
    low = np.floor(corners.min(axis=0) - _MARGIN)
    high = np.ceil(corners.max(axis=0) + _MARGIN)
    return Bounds(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _content_hash(data: OsmData, anchor: GeoAnchor) -> str:
    """Hash of OSM ids, tags and integer coordinates: no float rounding, no file names."""
    digest = hashlib.sha256(_HASH_FORMAT.encode())
    digest.update(f"{anchor.latitude_deg:.7f} {anchor.longitude_deg:.7f}".encode())
    for way in data.ways:
        digest.update(_header("w", way.id, way.tags))
        digest.update(np.ascontiguousarray(way.nodes, "<i8").tobytes())
        digest.update(np.ascontiguousarray(way.location, "<i8").tobytes())
    for area in data.areas:
        digest.update(_header("a", area.id, area.tags))
        # Sorted: where a ring starts, and the order of rings, is up to the library's version.
        rings = [ring for outer, inner in area.polygons for ring in (outer, *inner)]
        if rings:
            vertices = np.concatenate(rings)
            order = np.lexsort((vertices[:, 1], vertices[:, 0]))
            digest.update(np.ascontiguousarray(vertices[order], "<i8").tobytes())
    for point in data.points:
        digest.update(_header("n", point.id, point.tags))
        digest.update(np.array(point.location, "<i8").tobytes())
    return digest.hexdigest()


def _header(kind: str, identity: int, tags: Tags) -> bytes:
    return json.dumps([kind, identity, sorted(tags.items())]).encode()
