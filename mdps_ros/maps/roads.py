"""Drivable road network from OSM ways.

Which ways count as drivable: every kind of ROAD_KINDS (and its links) that lies under the open
sky. `access=private`, `destination`, even `access=no` (closed to the public) stay, since their
owners' cars are met there and a prior that is blind to them cannot be mended later; only an
explicit `no` for motor traffic, by the most specific tag, takes a way out. A road in an open cut
(negative layer, no tunnel) stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import ROAD_KINDS, RoadNetwork
from mdps_ros.maps.classes import Tags, number, out_of_sight, road_kind
from mdps_ros.maps.osm import OsmWay

_MOTOR_ACCESS = ("motorcar", "motor_vehicle", "vehicle")  # most specific first

# Carriageway width in metres where neither `width` nor `lanes` says it: (two-way, oneway).
# Two lanes (one where oneway, two on trunk, primary and motorway) of 3.0-3.75 m, and margins.
_DEFAULT_WIDTH = {
    "motorway": (14.0, 8.5),
    "trunk": (10.0, 7.5),
    "primary": (9.0, 7.0),
    "secondary": (8.0, 6.0),
    "tertiary": (7.0, 5.0),
    "unclassified": (6.0, 4.5),
    "residential": (6.0, 4.5),
    "living_street": (5.0, 4.0),
    "service": (4.0, 3.5),
}
_LINK_WIDTH = (7.0, 4.5)
_LANE_WIDTH = 3.25
_MAX_WIDTH = 60.0
_MIN_WIDTH = 2.0


class RoadWay(NamedTuple):
    """A drivable way in driving direction (a `oneway=-1` way is already turned round)."""

    kind: str
    width: float  # m
    oneway: bool
    nodes: NDArray[np.int64]  # (V,)
    location: NDArray[np.int64]  # (V, 2) longitude and latitude, 1e-7 degrees


def road_width(tags: Tags, kind: str, oneway: bool) -> float:
    """Width of the carriageway, metres: from `width`, else `lanes`, else the kind's default."""
    width = number(tags.get("width"))
    if width is not None and _MIN_WIDTH <= width <= _MAX_WIDTH:
        return width
    lanes = number(tags.get("lanes"))
    if lanes is not None and 1 <= lanes <= 16:
        return lanes * _LANE_WIDTH + 0.5
    link = tags.get("highway", "").endswith("_link")
    return (_LINK_WIDTH if link else _DEFAULT_WIDTH[kind])[1 if oneway else 0]


def oneway_direction(tags: Tags) -> int:
    """1 where traffic may follow the way only, -1 where only against it, 0 where both."""
    oneway = tags.get("oneway")
    if oneway in ("yes", "true", "1"):
        return 1
    if oneway in ("-1", "reverse"):
        return -1
    if oneway is not None:  # no, reversible, alternating
        return 0
    implied = tags.get("junction") in ("roundabout", "circular") or tags.get("highway") == (
        "motorway"
    )
    return 1 if implied else 0


def is_drivable(tags: Tags) -> bool:
    """True for a road that cars may use (see the module's text)."""
    if road_kind(tags) is None or tags.get("area") == "yes":
        return False
    access = next((tags[key] for key in _MOTOR_ACCESS if key in tags), "yes")
    if access == "no":
        return False
    open_cut = {key: value for key, value in tags.items() if key != "layer"}
    return not out_of_sight(open_cut)


def drivable_ways(ways: Sequence[OsmWay]) -> list[RoadWay]:
    """Select the drivable ways and turn those that may only be driven backwards."""
    roads = []
    for way in ways:
        kind = road_kind(way.tags)
        if kind is None or len(way.nodes) < 2 or not is_drivable(way.tags):
            continue
        direction = oneway_direction(way.tags)
        order = slice(None, None, -1) if direction == -1 else slice(None)
        width = road_width(way.tags, kind, direction != 0)
        roads.append(RoadWay(kind, width, direction != 0, way.nodes[order], way.location[order]))
    return roads


def build_network(roads: Sequence[RoadWay], points: Sequence[NDArray[np.float64]]) -> RoadNetwork:
    """Cut ways into directed segments. Graph node ids are OSM node ids.

    Args:
        roads: the ways.
        points: for each way, (V, 2) m, its nodes in the map frame.

    Returns:
        The network; its arrays are read-only. Segments of zero length are left out and their two
        nodes become one.
    """
    if not roads:
        return empty_network()
    counts = [len(road.nodes) - 1 for road in roads]
    start = np.concatenate([xy[:-1] for xy in points])
    end = np.concatenate([xy[1:] for xy in points])
    start_node = np.concatenate([road.nodes[:-1] for road in roads])
    end_node = np.concatenate([road.nodes[1:] for road in roads])
    whole = np.hypot(*(end - start).T) > 1e-3
    for kept, dropped in zip(start_node[~whole], end_node[~whole], strict=True):
        start_node[start_node == dropped] = kept
        end_node[end_node == dropped] = kept
    return _frozen(
        start[whole],
        end[whole],
        np.repeat([road.width for road in roads], counts)[whole],
        np.repeat([road.oneway for road in roads], counts)[whole],
        np.repeat([ROAD_KINDS.index(road.kind) for road in roads], counts)[whole],
        start_node[whole],
        end_node[whole],
    )


def empty_network() -> RoadNetwork:
    """A network without segments."""
    ends, nodes = np.zeros((0, 2)), np.zeros(0, np.int64)
    return _frozen(ends, ends, np.zeros(0), np.zeros(0, np.bool_), nodes, nodes, nodes)


def _frozen(
    start: NDArray[np.float64],
    end: NDArray[np.float64],
    width: NDArray[np.float64],
    oneway: NDArray[np.bool_],
    kind: NDArray[np.int64],
    start_node: NDArray[np.int64],
    end_node: NDArray[np.int64],
) -> RoadNetwork:
    network = RoadNetwork(
        start=start.astype(np.float64),
        end=end.astype(np.float64),
        width=width.astype(np.float32),
        oneway=oneway.astype(np.bool_),
        kind=kind.astype(np.uint8),
        start_node=start_node.astype(np.int64),
        end_node=end_node.astype(np.int64),
    )
    for name in RoadNetwork.__dataclass_fields__:
        getattr(network, name).setflags(write=False)
    return network
