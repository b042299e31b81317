"""Triangles of everything that stands in a street, with what is needed to colour them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Building, LineFeature, PointFeature, Streetscape
from mdps_ros.sim.mesh import building_triangles, polygon, prism, rectangle
from mdps_ros.sim.street_ground import along, place_on
from mdps_ros.sim.street_kerb import at_kerb
from mdps_ros.sim.street_lamps import LAMP_M, MISSING
from mdps_ros.sim.street_woods import wood_places

SURFACES = (
    "wall",
    "roof",
    "metal",
    "trunk",
    "sign",
    "leaves",
    "stone",
    "paint",
    "glass",
    "tyre",
    "lamp",
    "cloth",
)
"""Kinds of surfaces, by their numbers."""

LANES_OF_TRAFFIC = ("primary", "secondary", "tertiary", "unclassified", "residential")
PARKING = ("tertiary", "unclassified", "residential", "living_street", "service")
_SMALL = ("tree", "signal", "bollard", "bus_stop", "sign")
_BARRIER_M = {"wall": 1.8, "fence": 1.3, "hedge": 1.2}
_DRAWN_HEIGHTS = (12.0, 26.0)  # m, of large buildings whose height the map does not know
_DEFAULT_HEIGHT = 9.0  # the map's word for "not known"


class Triangles(NamedTuple):
    """Coloured triangles.

    Attributes:
        corners: (T, 3, 3) m, map frame.
        surface: (T,) int32, numbers of SURFACES.
        thing: (T,) int32, which building, car or tree.
        along: (T, 6) float32 of walls, zero elsewhere: the corner x, y m and the direction from
            which its horizontal coordinate is measured, its length m and its height m.
    """

    corners: NDArray[np.float64]
    surface: NDArray[np.int32]
    thing: NDArray[np.int32]
    along: NDArray[np.float32]


@dataclass
class Builder:
    """Collects triangles."""

    _parts: list[Triangles] = field(default_factory=list)

    def add(
        self,
        corners: NDArray[np.float64],
        surface: str,
        thing: int,
        direction: NDArray[np.float32] | None = None,
    ) -> None:
        """Add (T, 3, 3) triangles of one surface and thing."""
        count = len(corners)
        self._parts.append(
            Triangles(
                corners,
                np.full(count, SURFACES.index(surface), np.int32),
                np.full(count, thing, np.int32),
                np.zeros((count, 6), np.float32) if direction is None else direction,
            )
        )

    def all(self) -> Triangles:
        """Everything that was added."""
        empty = Triangles(
            np.zeros((0, 3, 3)),
            np.zeros(0, np.int32),
            np.zeros(0, np.int32),
            np.zeros((0, 6), np.float32),
        )
        return joined([empty, *self._parts])


def joined(parts: list[Triangles]) -> Triangles:
    """Several sets of triangles as one."""
    return Triangles(*(np.concatenate(pieces) for pieces in zip(*parts, strict=True)))


def standing_things(
    buildings: tuple[Building, ...],
    streetscape: Streetscape,
    lamps: NDArray[np.float64],
    generator: np.random.Generator,
) -> Triangles:
    """Buildings, lamps, and the map's trees, signs and walls.

    Args:
        buildings: footprints; large ones of default height get a drawn one.
        streetscape: of the map.
        lamps: (L, 2) m, see `street_lamps.lamp_places`.
        generator: draws heights, crowns, and the 15 % of small things that are not there.

    Returns:
        The triangles; walls and roofs carry the building's number.
    """
    made = Builder()
    for number, building in enumerate(buildings):
        _building(made, number, building, generator)
    points = [point for point in streetscape.points if point.kind in _SMALL]
    kerb = at_kerb(np.array([point.xy for point in points]).reshape(-1, 2), streetscape)
    for point, place in zip(points, kerb, strict=True):
        if generator.random() >= MISSING:
            _point(made, point._replace(xy=place), generator)
    for place in lamps:
        _lamp(made, place, generator)
    for place in wood_places(streetscape, generator):
        _tree(made, place, generator.uniform(3.0, 6.0), generator)
    for line in streetscape.lines:
        _barrier(made, line, generator)
    return made.all()


def _building(
    made: Builder, number: int, building: Building, generator: np.random.Generator
) -> None:
    height = building.height
    drawn = generator.uniform(*_DRAWN_HEIGHTS)
    if height == _DEFAULT_HEIGHT and len(building.exterior) > 3:
        low, high = building.exterior.min(axis=0), building.exterior.max(axis=0)
        height = drawn if np.prod(high - low) > 300.0 else generator.uniform(4.0, 9.0)
    triangles = building_triangles(building._replace(height=height))
    flat = np.ptp(triangles[..., 2], axis=1) == 0.0
    made.add(triangles[flat], "roof", number)
    walls = triangles[~flat]
    slope = walls[:, 1, :2] - walls[:, 0, :2]
    slope = np.where((np.hypot(*slope.T) > 1e-6)[:, None], slope, walls[:, 2, :2] - walls[:, 0, :2])
    length = np.hypot(*slope.T)[:, None]
    sizes = [walls[:, 0, :2], slope / (length + 1e-9), length, np.full_like(length, height)]
    made.add(walls, "wall", number, np.hstack(sizes).astype(np.float32))


def _point(made: Builder, point: PointFeature, generator: np.random.Generator) -> None:
    xy, thing = point.xy, int(generator.integers(1 << 20))
    if point.kind == "tree":
        _tree(made, xy, point.size, generator)
    elif point.kind == "signal":
        made.add(prism(polygon(xy, 0.07, 4), 0.0, 3.2), "metal", thing)
        box = rectangle(xy, generator.uniform(0, np.pi), 0.3, 0.3)
        made.add(prism(box, 2.3, 3.3), "tyre", thing)
    elif point.kind == "bollard":
        made.add(prism(polygon(xy, 0.1, 4), 0.0, 0.8), "metal", thing)
    elif point.kind in ("bus_stop", "sign"):
        made.add(prism(polygon(xy, 0.05, 4), 0.0, 2.8), "metal", thing)
        plate = rectangle(xy, generator.uniform(0, np.pi), 0.6, 0.05)
        made.add(prism(plate, 2.1, 2.8), "sign", thing)


def _lamp(made: Builder, xy: NDArray[np.float64], generator: np.random.Generator) -> None:
    thing = int(generator.integers(1 << 20))
    made.add(prism(polygon(xy, 0.09, 4), 0.0, LAMP_M), "metal", thing)
    head = rectangle(xy, generator.uniform(0, np.pi), 0.9, 0.25)
    made.add(prism(head, LAMP_M - 0.1, LAMP_M + 0.1), "lamp", thing)


def _tree(
    made: Builder, xy: NDArray[np.float64], crown: float, generator: np.random.Generator
) -> None:
    thing = int(generator.integers(1 << 20))
    height = generator.uniform(6.0, 13.0)
    radius = min(max(crown / 2, 1.4), 3.0) * generator.uniform(0.8, 1.2)
    made.add(
        prism(polygon(xy, generator.uniform(0.12, 0.25), 5), 0.0, 0.45 * height), "trunk", thing
    )
    rings = np.array([0.5, 0.95, 1.0, 0.75, 0.25]) * radius * generator.uniform(0.85, 1.15, 5)
    levels = np.linspace(0.35 * height, height, 5)
    for low in range(4):
        ring = polygon(xy, rings[low], 7)
        scale = float(rings[low + 1] / rings[low])
        made.add(prism(ring, levels[low], levels[low + 1], top_scale=scale), "leaves", thing)


def _barrier(made: Builder, line: LineFeature, generator: np.random.Generator) -> None:
    if line.kind == "tree_row":
        for xy in place_on(line.xy, np.arange(2.0, along(line.xy)[-1], 7.0)):
            _tree(made, xy, line.width, generator)
        return
    if line.kind not in _BARRIER_M:
        return
    xy = np.vstack([line.xy, line.xy[:1]]) if line.closed else line.xy
    low = np.column_stack([xy, np.zeros(len(xy))])
    high = np.column_stack([xy, np.full(len(xy), _BARRIER_M[line.kind])])
    sides = np.concatenate(
        [
            np.stack([low[:-1], low[1:], high[1:]], axis=1),
            np.stack([low[:-1], high[1:], high[:-1]], axis=1),
        ]
    )
    made.add(sides, "leaves" if line.kind == "hedge" else "stone", 4)


def cars(
    streetscape: Streetscape,
    density: float,
    generator: np.random.Generator,
    path: NDArray[np.float64] | None = None,
) -> Triangles:
    """Parked cars at the kerb, and cars in the other lane where nobody drives.

    No map knows them. Moving traffic of a drive is `street_traffic`.

    Args:
        streetscape: gives the carriageways.
        density: share of the kerb slots of minor roads that are taken.
        generator: source of randomness.
        path: (P, 2) m, line that stays free; None leaves none free.

    Returns:
        The triangles.
    """
    made = Builder()
    for line in streetscape.lines:
        kind = line.kind.removeprefix("road:")
        if kind == line.kind or kind not in {*PARKING, *LANES_OF_TRAFFIC} or len(line.xy) < 2:
            continue
        slots = np.arange(6.0, along(line.xy)[-1] - 6.0, 6.3)
        for side in (1.0, -1.0):
            share = density * (1.0 if kind in ("residential", "unclassified") else 0.25)
            chance = generator.random(len(slots))
            parked = (chance < share) & (kind in PARKING)
            moving = (chance > 0.975) & (side > 0) & (kind in LANES_OF_TRAFFIC) & (path is None)
            offset = np.where(parked, line.width / 2 - 0.6, line.width / 4) * side
            _cars_on(made, line.xy, slots, offset, parked | moving, generator, path)
    return made.all()


def _cars_on(
    made: Builder,
    xy: NDArray[np.float64],
    slots: NDArray[np.float64],
    offset: NDArray[np.float64],
    wanted: NDArray[np.bool_],
    generator: np.random.Generator,
    path: NDArray[np.float64] | None,
) -> None:
    centre, ahead = place_on(xy, slots), place_on(xy, slots + 0.5)
    step = ahead - centre
    yaw = np.arctan2(step[:, 1], step[:, 0])
    centre = centre + offset[:, None] * np.stack([-np.sin(yaw), np.cos(yaw)], axis=1)
    for place, turn in zip(centre[wanted], yaw[wanted], strict=True):
        if path is None or np.hypot(*(path - place).T).min() > 2.3:
            add_car(made, place, float(turn), generator)


def add_car(
    made: Builder, xy: NDArray[np.float64], yaw: float, generator: np.random.Generator
) -> None:
    """Add a car of drawn size and colour whose middle is at a place (2,) and which faces `yaw`."""
    length, height = generator.uniform(3.8, 4.9), generator.uniform(1.35, 1.9)
    thing = int(generator.integers(1 << 20))
    back = xy - 0.2 * np.array([np.cos(yaw), np.sin(yaw)])
    made.add(prism(rectangle(xy, yaw, 0.8 * length, 1.7), 0.0, 0.3), "tyre", thing)
    made.add(prism(rectangle(xy, yaw, length, 1.75), 0.25, 0.58 * height), "paint", thing)
    cabin = rectangle(back, yaw, 0.62 * length, 1.6)
    made.add(prism(cabin, 0.58 * height, height, top_scale=0.75), "glass", thing)
