"""Street lamps: where they stand, and what light they throw on a street at night."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Streetscape
from mdps_ros.sim.street_ground import along, beside, place_on

LAMP_M = 7.5
"""Height of the light."""
MISSING = 0.15
"""Share of the map's lamps that do not stand there."""
_UNMAPPED = 0.35  # share of the roads whose lamps no map knows
_LIT = ("primary", "secondary", "tertiary", "unclassified", "residential", "living_street")
_SPACING_M = 32.0
_REACH_M = 30.0
_CELL_M = 2.0


class LampLight(NamedTuple):
    """Light on the ground; row 0 is the south edge.

    Attributes:
        values: (rows, columns) float32, 1 right below a lamp.
        origin: (2,) m, south-west corner.
        resolution: m per cell.
    """

    values: NDArray[np.float32]
    origin: NDArray[np.float64]
    resolution: float


def lamp_places(streetscape: Streetscape, generator: np.random.Generator) -> NDArray[np.float64]:
    """(L, 2) m: most lamps of the map, and rows of lamps that it lacks."""
    places = [
        point.xy[None]
        for point in streetscape.points
        if point.kind == "lamp" and generator.random() >= MISSING
    ]
    for line in streetscape.lines:
        if line.kind.removeprefix("road:") not in _LIT or len(line.xy) < 2 or line.closed:
            continue
        first, side = generator.uniform(3.0, _SPACING_M), generator.choice([-1.0, 1.0])
        if generator.random() < _UNMAPPED:
            row = beside(line.xy, side * (line.width / 2 + 0.9))
            places.append(place_on(row, np.arange(first, along(row)[-1], _SPACING_M)))
    return np.concatenate([np.zeros((0, 2)), *places])


def lamp_light(places: NDArray[np.float64], bounds: Bounds) -> LampLight:
    """Light of point lamps on the ground, which falls off with the cube of the distance.

    A horizontal surface at distance d from a lamp of height h gets (h / sqrt(h^2 + d^2))^3 of the
    light that falls right below it: inverse square, times the cosine of the angle of incidence.
    """
    origin = np.array([bounds.min_x, bounds.min_y])
    shape = (int(bounds.height / _CELL_M) + 1, int(bounds.width / _CELL_M) + 1)
    lamps = np.zeros(shape, np.float32)
    cell = np.floor((places - origin) / _CELL_M).astype(np.int64)
    inside = (cell >= 0).all(axis=1) & (cell < shape[::-1]).all(axis=1)
    np.add.at(lamps, (cell[inside, 1], cell[inside, 0]), 1.0)
    steps = np.arange(-_REACH_M, _REACH_M + _CELL_M, _CELL_M)
    away = np.hypot(steps[:, None], steps[None])
    kernel = (LAMP_M / np.hypot(LAMP_M, away)) ** 3 * (away <= _REACH_M)
    values = cv2.filter2D(lamps, -1, kernel.astype(np.float32), borderType=cv2.BORDER_CONSTANT)
    return LampLight(np.asarray(values, np.float32), origin, _CELL_M)
