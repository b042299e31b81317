"""People on pavements; no map knows them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Streetscape
from mdps_ros.sim.mesh import polygon, prism
from mdps_ros.sim.street_ground import along, place_on
from mdps_ros.sim.street_mesh import Builder, Triangles

SPACING_M = (40.0, 200.0)
"""(Least, greatest) mean distance between people along a pavement; one is drawn per street."""


def people(
    streetscape: Streetscape,
    generator: np.random.Generator,
    path: NDArray[np.float64] | None = None,
) -> Triangles:
    """Draw people who stand on the map's pavements.

    Args:
        streetscape: gives the pavements.
        generator: source of randomness.
        path: (P, 2) m, line that stays free; None leaves none free.
    """
    made = Builder()
    spacing = generator.uniform(*SPACING_M)
    for line in streetscape.lines:
        if line.kind != "pavement" or len(line.xy) < 2:
            continue
        length = along(line.xy)[-1]
        places = place_on(
            line.xy, generator.uniform(0, length, generator.poisson(length / spacing))
        )
        places += generator.normal(0.0, line.width / 6, places.shape)
        for place in places:
            if path is None or np.hypot(*(path - place).T).min() > 2.0:
                _person(made, place, generator)
    return made.all()


def _person(made: Builder, xy: NDArray[np.float64], generator: np.random.Generator) -> None:
    thing, height = int(generator.integers(1 << 20)), generator.uniform(1.55, 1.9)
    made.add(prism(polygon(xy, 0.14, 5), 0.0, 0.5 * height, top_scale=1.4), "cloth", thing)
    made.add(
        prism(polygon(xy, 0.23, 6), 0.5 * height, 0.86 * height, top_scale=0.6), "cloth", thing
    )
    made.add(prism(polygon(xy, 0.1, 6), 0.86 * height, height), "trunk", thing)
