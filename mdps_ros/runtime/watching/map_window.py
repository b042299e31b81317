"""The part of a map around a belief, as a picture that is drawn again only when it must be."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds
from mdps_ros.maps import Map
from mdps_ros.maps.render import render
from mdps_ros.runtime.watching.sights import Sight

SIDE_M = 160.0
"""Least side of a window; larger ones double."""
FILLED = 0.45
"""Part of a window's side that a belief may take, as the window may lie a quarter beside it."""
SHARE = 0.98
"""Of the particles, that are to be seen."""
MASS_MIN = 0.01
"""Hypotheses with less may lie outside."""

Floats = NDArray[np.float64]
Picture = NDArray[np.uint8]


class Backdrop(NamedTuple):
    """A picture of a part of a map.

    Attributes:
        picture: (H, W, 3), north is up; not to be written to.
        bounds: what it shows, m.
    """

    picture: Picture
    bounds: Bounds

    @property
    def pixels_per_m(self) -> float:
        """Scale."""
        return float(self.picture.shape[1] / self.bounds.width)

    def pixels(self, points: Floats) -> Floats:
        """(..., 2) column and row of (..., 2) m, pixel centres at integers."""
        offset = np.asarray(points, dtype=np.float64) - [self.bounds.min_x, self.bounds.max_y]
        return np.asarray(offset * [self.pixels_per_m, -self.pixels_per_m] - 0.5)


def extent(sights: tuple[Sight, ...]) -> Bounds:
    """The box that holds most particles and all weighty hypotheses of some beliefs."""
    points = []
    for sight in sights:
        for axis in (0, 1):
            low, high = _middle(sight.cloud.poses[:, axis], sight.cloud.weights)
            corners = np.tile(sight.estimate.T_map_base[:2], (2, 1))
            corners[:, axis] = low, high
            points.append(corners)
        heavy = [m.T_map_base[:2] for m in sight.estimate.modes if m.mass >= MASS_MIN]
        points.append(np.array([sight.estimate.T_map_base[:2], *heavy]))
    joined = np.concatenate(points)
    return Bounds(*joined.min(axis=0).tolist(), *joined.max(axis=0).tolist())


def window_of(box: Bounds, whole: Bounds) -> Bounds:
    """A square about a box that stays the same while the box moves a little.

    To draw a window costs most of a picture's time. Sides are doubled, and centres lie on a grid of
    half the side; never larger than a square about the whole map.
    """
    size, most = max(box.width, box.height), max(whole.width, whole.height)
    side = SIDE_M
    while size > FILLED * side and side < most:
        side *= 2.0
    centre = np.array([box.min_x + box.max_x, box.min_y + box.max_y]) / 2.0
    if side >= most:
        side = max(most, SIDE_M)
        centre = np.array([whole.min_x + whole.max_x, whole.min_y + whole.max_y]) / 2.0
    else:
        centre = np.round(centre / (side / 2.0)) * (side / 2.0)
    x, y = (float(value) for value in centre)
    return Bounds(x - side / 2.0, y - side / 2.0, x + side / 2.0, y + side / 2.0)


class Backdrops:
    """Pictures of one map; the newest is kept.

    Args:
        map: what is drawn.
        pixels: side of the pictures.
    """

    def __init__(self, map: Map, pixels: int) -> None:
        self._map = map
        self._pixels = pixels
        self._last: Backdrop | None = None

    def behind(self, *sights: Sight) -> Backdrop:
        """The part of the map that some beliefs cover."""
        window = window_of(extent(sights), self._map.bounds)
        if self._last is None or self._last.bounds != window:
            picture, _ = render(self._map, window, self._pixels)
            self._last = Backdrop(picture, window)
        return self._last


def _middle(values: NDArray[np.float32], weights: NDArray[np.float32]) -> tuple[float, float]:
    """The span of values that holds SHARE of the weights."""
    order = np.argsort(values)
    total = np.cumsum(weights[order], dtype=np.float64)
    ends = np.searchsorted(total, total[-1] * np.array([1.0 - SHARE, 1.0 + SHARE]) / 2.0)
    low, high = values[order[np.minimum(ends, len(order) - 1)]]
    return float(low), float(high)
