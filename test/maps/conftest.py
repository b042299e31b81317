"""Small made-up towns, laid out in metres and written as OSM XML."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

import pytest

from mdps_ros.maps import GeoAnchor

TOWN_ANCHOR = GeoAnchor(49.01, 8.40)


class Town:
    """Collects nodes, ways and relations; places are metres from TOWN_ANCHOR."""

    anchor = TOWN_ANCHOR

    def __init__(self, first_id: int = 1) -> None:
        self._places: list[tuple[int, float, float, dict[str, str]]] = []
        self._ways: list[tuple[int, list[int], dict[str, str]]] = []
        self._relations: list[tuple[int, list[tuple[int, str]], dict[str, str]]] = []
        self._next = first_id

    def _id(self) -> int:
        self._next += 1
        return self._next - 1

    def node(self, x: float, y: float, **tags: str) -> int:
        """Add a node, return its id."""
        self._places.append((self._id(), x, y, tags))
        return self._places[-1][0]

    def way(self, points: Sequence[int | tuple[float, float]], **tags: str) -> int:
        """Add a way of node ids or places, return its id."""
        nodes = [p if isinstance(p, int) else self.node(*p) for p in points]
        self._ways.append((self._id(), nodes, tags))
        return self._ways[-1][0]

    def ring(self, places: Sequence[tuple[float, float]], **tags: str) -> int:
        """Add a closed way, return its id."""
        nodes = [self.node(*place) for place in places]
        return self.way([*nodes, nodes[0]], **tags)

    def box(self, x0: float, y0: float, x1: float, y1: float, **tags: str) -> int:
        """Add a closed rectangle, return its id."""
        return self.ring([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], **tags)

    def relation(self, members: Sequence[tuple[int, str]], **tags: str) -> int:
        """Add a multipolygon of (way id, role)."""
        self._relations.append((self._id(), list(members), {"type": "multipolygon", **tags}))
        return self._relations[-1][0]

    def write(self, path: Path, *, ways_first: bool = False, without: Sequence[int] = ()) -> Path:
        """Write the town; `without` names nodes that the extract lacks."""
        degrees = self.anchor.to_geodetic([(x, y) for _, x, y, _ in self._places] or [(0, 0)])
        nodes = [
            f'<node id="{key}" lat="{lat:.7f}" lon="{lon:.7f}">{_tags(tags)}</node>'
            for (key, _, _, tags), (lat, lon) in zip(self._places, degrees, strict=False)
            if key not in without
        ]
        ways = [
            f'<way id="{key}">' + "".join(f'<nd ref="{n}"/>' for n in refs) + f"{_tags(tags)}</way>"
            for key, refs, tags in self._ways
        ]
        relations = [
            f'<relation id="{key}">'
            + "".join(f'<member type="way" ref="{m}" role="{role}"/>' for m, role in members)
            + f"{_tags(tags)}</relation>"
            for key, members, tags in self._relations
        ]
        body = ways + nodes if ways_first else nodes + ways
        text = "\n".join(['<?xml version="1.0"?>', '<osm version="0.6">', *body, *relations])
        path.write_text(text + "\n</osm>\n", encoding="utf-8")
        return path


def _tags(tags: dict[str, str]) -> str:
    return "".join(
        f"<tag k={quoteattr(k.replace('__', ':'))} v={quoteattr(v)}/>" for k, v in tags.items()
    )


@pytest.fixture(scope="session")
def new_town():
    """Make an empty town."""
    return Town


@pytest.fixture
def village(new_town):
    """A crossing with a house, a house with a court, a park and a tree."""
    town = new_town()
    middle = town.node(0.0, 0.0)
    town.way([(-100.0, 0.0), middle, (120.0, 0.0)], highway="residential", width="6")
    town.way([(0.0, -60.0), middle, (0.0, 80.0)], highway="secondary", lanes="2", oneway="yes")
    town.box(20.0, 20.0, 40.0, 30.0, building="house", building__levels="2")
    outer = town.box(-60.0, 20.0, -20.0, 60.0)
    court = town.box(-50.0, 30.0, -30.0, 50.0)
    town.relation([(outer, "outer"), (court, "inner")], building="yes", height="12 m")
    town.box(50.0, 20.0, 100.0, 70.0, leisure="park")
    town.node(70.0, 40.0, natural="tree")
    return town
