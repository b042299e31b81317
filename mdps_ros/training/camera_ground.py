"""Maps as the camera's training sees them: right ones and wrong ones, in cells of 1 m."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds
from mdps_ros.maps.imperfect import ImperfectStyle, imperfect_map
from mdps_ros.maps.load import load_map
from mdps_ros.models.camera.raster import metre_layers

PAD = 176  # m of ground without anything around a map, so that every crop lies inside


class MapVariants(NamedTuple):
    """One place: the map as it is, then versions with errors.

    Attributes:
        layers: (1 + variants, L, rows, columns) uint8, shares of `raster.LEVELS`; row 0 south.
        corner: x and y of the south-west corner, m in the map frame.
    """

    layers: NDArray[np.uint8]
    corner: tuple[float, float]

    def crop(self, variant: int, column: int, row: int, side: int) -> NDArray[np.uint8]:
        """(L, side, side) from a cell on."""
        return self.layers[variant, :, row : row + side, column : column + side]


def map_variants(name: str, variants: int, seed: int) -> MapVariants:
    """The map of a name or file, and versions with the errors that maps have.

    Args:
        name: a bundled map or a file.
        variants: how many wrong versions.
        seed: of their errors.
    """
    right = load_map(name)
    generators = [np.random.default_rng([seed, number]) for number in range(variants)]
    wrong = [imperfect_map(right, ImperfectStyle(), generator) for generator in generators]
    box = right.bounds
    corner = (float(np.floor(box.min_x)) - PAD, float(np.floor(box.min_y)) - PAD)
    far = (float(np.ceil(box.max_x)) + PAD, float(np.ceil(box.max_y)) + PAD)
    window = Bounds(*corner, *far)
    return MapVariants(np.stack([metre_layers(map, window) for map in (right, *wrong)]), corner)
