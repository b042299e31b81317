"""Reader of OpenStreetMap files: XML or PBF, one or several, to raw ways, areas and points.

Coordinates stay in OSM's own integers (1e-7 degrees), so that equal content is equal on every
machine and in every format.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import osmium
from numpy.typing import NDArray

from mdps_ros.maps.errors import MapError

DEGREES_PER_UNIT = 1e-7
"""OSM stores coordinates as integers of this many degrees."""

SUFFIXES = (".osm", ".osm.xml", ".osm.pbf", ".pbf", ".osm.gz", ".osm.bz2", ".xml")

Ring = NDArray[np.int64]
"""(V, 2) longitude and latitude, 1e-7 degrees; not closed."""


class OsmWay(NamedTuple):
    """A line of nodes. Where the file lacks nodes the way is cut, so one id may come twice."""

    id: int
    tags: Mapping[str, str]
    nodes: NDArray[np.int64]  # (V,) node ids
    location: NDArray[np.int64]  # (V, 2) longitude and latitude, 1e-7 degrees

    @property
    def closed(self) -> bool:
        """True where the last node is the first one."""
        return len(self.nodes) > 2 and bool(self.nodes[0] == self.nodes[-1])


class OsmArea(NamedTuple):
    """A (multi)polygon, from a closed way or a relation. The id is osmium's area id."""

    id: int
    tags: Mapping[str, str]
    polygons: tuple[tuple[Ring, tuple[Ring, ...]], ...]  # (exterior, holes) each


class OsmPoint(NamedTuple):
    """A tagged node."""

    id: int
    tags: Mapping[str, str]
    location: tuple[int, int]  # longitude and latitude, 1e-7 degrees


class OsmData(NamedTuple):
    """All tagged things of one or several files, each kind sorted by id, without duplicates."""

    ways: tuple[OsmWay, ...]
    areas: tuple[OsmArea, ...]
    points: tuple[OsmPoint, ...]


def read_osm(paths: Sequence[Path]) -> OsmData:
    """Read and merge OSM files; what several files hold is taken once, by its OSM id.

    Args:
        paths: files in any format that libosmium reads.

    Returns:
        The tagged ways, areas and points, sorted by id.

    Raises:
        MapError: a file is missing, empty, corrupt or without positions.
    """
    for path in paths:
        _check_file(path)
    if len(paths) == 1:
        data = _read_one(paths[0], paths[0])
        # Overpass may write ways ahead of their nodes: sort such a file and read it again.
        if not data.ways:
            data = _read_merged(paths)
    else:
        # Of differing objects without a version, file order decides which one is kept: order the
        # files by content, so that neither their names nor the order of the list matter.
        data = _read_merged(sorted(paths, key=lambda path: sha256(path.read_bytes()).digest()))
    if not data.ways and not data.points:
        raise MapError(
            f"{_names(paths)}: no tagged way or node with a position; download the extract again "
            "with its nodes (Overpass: `out body; >; out skel qt;`)"
        )
    return data


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise MapError(f"{path}: no such map file; check the path")
    if path.stat().st_size == 0:
        raise MapError(f"{path}: the map file is empty; download the extract again")


def _read_merged(paths: Sequence[Path]) -> OsmData:
    with tempfile.TemporaryDirectory() as folder:
        merged = Path(folder) / "merged.osm.pbf"
        reader = osmium.MergeInputReader()
        for path in paths:
            try:
                reader.add_buffer(path.read_bytes(), _format(path) or _format_by_name(path))
            except (RuntimeError, ValueError) as error:
                raise _corrupt(path, error) from error
        writer = osmium.WriteHandler(str(merged))
        reader.apply(writer)
        writer.close()
        return _read_one(merged, paths[0])


def _read_one(path: Path, named: Path) -> OsmData:
    ways: dict[int, list[OsmWay]] = {}
    areas: dict[int, OsmArea] = {}
    points: dict[int, OsmPoint] = {}
    item: Any  # osmium's classes share no base
    try:
        processor = (
            osmium.FileProcessor(osmium.io.File(str(path), _format(path)))
            .with_areas()
            .with_locations()
            .with_filter(osmium.filter.EmptyTagFilter())
        )
        for item in processor:
            if item.is_way():
                ways[item.id] = _runs(item)
            elif item.is_area():
                areas[item.id] = _area(item)
            elif item.is_node() and item.location.valid():
                place = (item.location.x, item.location.y)
                points[item.id] = OsmPoint(item.id, dict(item.tags), place)
    except (RuntimeError, ValueError) as error:
        raise _corrupt(named, error) from error
    return OsmData(
        ways=tuple(run for key in sorted(ways) for run in ways[key]),
        areas=tuple(areas[key] for key in sorted(areas)),
        points=tuple(points[key] for key in sorted(points)),
    )


def _format(path: Path) -> str:
    """Name of the format for libosmium, by content; empty where only the file's name can tell."""
    with path.open("rb") as file:
        head = file.read(64)
    if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return "osm"
    return "pbf" if b"OSMHeader" in head else ""


def _format_by_name(path: Path) -> str:
    return "".join(path.suffixes[-2:]).removeprefix(".")


def _runs(way: Any) -> list[OsmWay]:
    """Cut a way where nodes are missing; leaving them out would draw a chord across the gap."""
    tags = dict(way.tags)
    runs = []
    for known, nodes in groupby(way.nodes, key=lambda node: node.location.valid()):
        if known:
            table = np.array([(n.ref, n.location.x, n.location.y) for n in nodes], dtype=np.int64)
            runs.append(OsmWay(way.id, tags, table[:, 0], table[:, 1:]))
    return runs


def _area(area: Any) -> OsmArea:
    polygons = tuple(
        (_ring(outer), tuple(_ring(inner) for inner in area.inner_rings(outer)))
        for outer in area.outer_rings()
    )
    return OsmArea(area.id, dict(area.tags), polygons)


def _ring(nodes: Iterable[Any]) -> Ring:
    closed = [(n.location.x, n.location.y) for n in nodes]
    return np.array(closed[:-1], dtype=np.int64).reshape(-1, 2)


def _corrupt(path: Path, error: Exception) -> MapError:
    reason = " ".join(str(error).split())
    return MapError(
        f"{path}: truncated or not an OpenStreetMap file ({reason}); download the extract again"
    )


def _names(paths: Sequence[Path]) -> str:
    return str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} more"
