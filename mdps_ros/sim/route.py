"""Random routes over a road network: a directed graph and a walk without U-turns."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import ROAD_KINDS, Bounds, Building, RoadNetwork

ATTEMPTS = 400
"""Walks tried before a network is called too small; a walk ends early at a dead end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteStyle:
    """How a route is drawn.

    Attributes:
        margin_m: distance that every node of the route keeps from the bounds, m.
        revisit_factor: weight of a branch for each time that it was taken before.
        max_turn_rad: sharpest change of direction at a node that a route may take, rad.
        service: whether service roads (driveways, parking aisles) are used.
    """

    margin_m: float = 40.0
    revisit_factor: float = 0.3
    max_turn_rad: float = math.radians(125.0)
    service: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadGraph:
    """Directed edges (E of them) that a vehicle may drive, grouped by the node they leave.

    Attributes:
        tail: (E, 2) float64 m, where each edge begins, map frame.
        head: (E, 2) float64 m, where it ends.
        tail_node: (E,) int64, node at `tail`.
        head_node: (E,) int64, node at `head`.
        width: (E,) float64 m, width of the carriageway.
        oneway: (E,) bool, whether the whole carriageway goes this way.
        leaving: node -> indices of the edges that leave it.
        degree: node -> number of different neighbours, in either direction.
    """

    tail: NDArray[np.float64]
    head: NDArray[np.float64]
    tail_node: NDArray[np.int64]
    head_node: NDArray[np.int64]
    width: NDArray[np.float64]
    oneway: NDArray[np.bool_]
    leaving: dict[int, list[int]]
    degree: dict[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A walk along road centrelines, V vertices.

    Attributes:
        xy: (V, 2) float64 m, vertices in the map frame.
        width: (V - 1,) float64 m, carriageway width of each leg.
        oneway: (V - 1,) bool, whether the carriageway of each leg is one-way.
        junction: (V,) bool, true at nodes with three or more neighbours.
    """

    xy: NDArray[np.float64]
    width: NDArray[np.float64]
    oneway: NDArray[np.bool_]
    junction: NDArray[np.bool_]

    @property
    def length(self) -> float:
        """Length along the centrelines, m."""
        return float(np.hypot(*np.diff(self.xy, axis=0).T).sum())


def without_buildings(roads: RoadNetwork, buildings: tuple[Building, ...]) -> RoadNetwork:
    """Drop the segments that run through a building (passages that the map does not mark).

    Args:
        roads: the network.
        buildings: footprints in the same frame.

    Returns:
        The network without those segments; unchanged where there are no buildings.
    """
    if not buildings or roads.count == 0:
        return roads
    tree = shapely.STRtree([shapely.Polygon(b.exterior, b.holes) for b in buildings])
    lines = shapely.linestrings(np.stack([roads.start, roads.end], axis=1))
    keep = np.ones(roads.count, dtype=np.bool_)
    keep[tree.query(lines, predicate="intersects")[0]] = False
    return replace(
        roads,
        start=roads.start[keep],
        end=roads.end[keep],
        width=roads.width[keep],
        oneway=roads.oneway[keep],
        kind=roads.kind[keep],
        start_node=roads.start_node[keep],
        end_node=roads.end_node[keep],
    )


def build_graph(roads: RoadNetwork, *, service: bool = False) -> RoadGraph:
    """Directed graph of the drivable segments; a two-way segment gives two edges.

    Args:
        roads: the network.
        service: whether service roads are part of the graph.

    Returns:
        The graph; segments shorter than a centimetre are left out.
    """
    use = roads.lengths > 0.01
    if not service:
        use &= roads.kind != ROAD_KINDS.index("service")
    forth = np.flatnonzero(use)
    back = np.flatnonzero(use & ~roads.oneway)
    segment = np.concatenate([forth, back])
    tail = np.concatenate([roads.start[forth], roads.end[back]])
    head = np.concatenate([roads.end[forth], roads.start[back]])
    tail_node = np.concatenate([roads.start_node[forth], roads.end_node[back]])
    head_node = np.concatenate([roads.end_node[forth], roads.start_node[back]])
    leaving: dict[int, list[int]] = {}
    neighbours: dict[int, set[int]] = {}
    for edge, (a, b) in enumerate(zip(tail_node.tolist(), head_node.tolist(), strict=True)):
        leaving.setdefault(a, []).append(edge)
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    return RoadGraph(
        tail=tail,
        head=head,
        tail_node=tail_node,
        head_node=head_node,
        width=roads.width[segment].astype(np.float64),
        oneway=roads.oneway[segment],
        leaving=leaving,
        degree={node: len(others) for node, others in neighbours.items()},
    )


def random_route(
    graph: RoadGraph,
    bounds: Bounds,
    length: float,
    generator: np.random.Generator,
    style: RouteStyle,
) -> Route:
    """Draw a route of at least `length` metres inside the bounds.

    Args:
        graph: where one may drive.
        bounds: extent of the map, m.
        length: metres along the centrelines.
        generator: source of randomness.
        style: margin, revisit penalty, sharpest turn.

    Returns:
        The route; its last leg is kept whole, so it is a little longer than asked.

    Raises:
        ValueError: the network holds no such route.
    """
    inside = _inside(graph.tail, bounds, style.margin_m) & _inside(
        graph.head, bounds, style.margin_m
    )
    starts = np.flatnonzero(inside)
    if len(starts) == 0:
        raise ValueError(
            f"no drivable road inside the map bounds less a margin of {style.margin_m:g} m; "
            "use a larger map or a smaller margin"
        )
    # Longer edges cover more road: starts are uniform over the road, not over the edges.
    weight = np.hypot(*(graph.head - graph.tail)[starts].T)
    for _ in range(ATTEMPTS):
        first = int(starts[generator.choice(len(starts), p=weight / weight.sum())])
        edges = _walk(graph, first, inside, length, generator, style)
        if edges is not None:
            return _route(graph, edges)
    raise ValueError(
        f"no route of {length:.0f} m (a little more than the drive) without U-turns found in "
        f"{ATTEMPTS} tries; "
        "ask for a shorter drive or use a larger map"
    )


def _inside(xy: NDArray[np.float64], bounds: Bounds, margin: float) -> NDArray[np.bool_]:
    low = np.array([bounds.min_x, bounds.min_y]) + margin
    high = np.array([bounds.max_x, bounds.max_y]) - margin
    return np.asarray(((xy >= low) & (xy <= high)).all(axis=1))


def _walk(
    graph: RoadGraph,
    first: int,
    inside: NDArray[np.bool_],
    length: float,
    generator: np.random.Generator,
    style: RouteStyle,
) -> list[int] | None:
    """Edges of one random walk; None where it ran into a dead end."""
    step = graph.head - graph.tail
    edge_length = np.hypot(*step.T)
    edges = [first]
    travelled = float(edge_length[first])
    taken = {first: 1}
    while travelled < length:
        last = edges[-1]
        options = [
            e
            for e in graph.leaving.get(int(graph.head_node[last]), [])
            if inside[e]
            and graph.head_node[e] != graph.tail_node[last]
            and _turn(step[last], step[e]) <= style.max_turn_rad
        ]
        if not options:
            return None
        weight = np.array([style.revisit_factor ** taken.get(e, 0) for e in options])
        chosen = options[int(generator.choice(len(options), p=weight / weight.sum()))]
        edges.append(chosen)
        taken[chosen] = taken.get(chosen, 0) + 1
        travelled += float(edge_length[chosen])
    return edges


def _turn(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """Change of direction between two steps, rad in [0, pi]."""
    cross = before[0] * after[1] - before[1] * after[0]
    return abs(float(np.arctan2(cross, before @ after)))


def _route(graph: RoadGraph, edges: list[int]) -> Route:
    nodes = [int(graph.tail_node[edges[0]]), *(int(graph.head_node[e]) for e in edges)]
    return Route(
        xy=np.vstack([graph.tail[edges[0]], graph.head[edges]]),
        width=graph.width[edges],
        oneway=graph.oneway[edges],
        junction=np.array([graph.degree[node] >= 3 for node in nodes], dtype=np.bool_),
    )
