"""Colours of the ground, of walls and of things, at a place; compiled by numba.

Every function fills `base`, (3,) reflectance, and is inlined nowhere: calls are cheap, and the
code of one pixel stays readable.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from mdps_ros.sim.street_noise import hashed, inline, noise

SHOPS_ABOVE_M = 7.5
"""Buildings lower than this have dwellings on the ground floor, not shops."""
_jit = numba.njit(cache=True, fastmath=True)
# Places within a pixel and within a cell of the ground where it is looked at, both in [-1/2, 1/2].
_ACROSS = np.array([-0.42, 0.25, -0.08, 0.42, -0.25, 0.08])
_DOWN = np.array([-0.42, -0.25, -0.08, 0.08, 0.25, 0.42])
_CELL_X = np.array([0.17, -0.50, 0.33, -0.17, 0.50, -0.33])
_CELL_Y = np.array([-0.33, 0.17, 0.50, -0.50, -0.17, 0.33])


@inline
def _cell(x: float, y: float, labels: NDArray[Any], corner: NDArray[Any], resolution: float) -> int:
    """Label of a place; 0 beyond the raster."""
    u, v = math.floor((x - corner[0]) / resolution), math.floor((y - corner[1]) / resolution)
    if 0 <= u < labels.shape[1] and 0 <= v < labels.shape[0]:
        return int(labels[v, u])
    return 0


@_jit
def ground_tone(x: float, y: float, foot: float, label: int) -> float:
    """Brightness of a place of the ground relative to its colour."""
    rough = 0.55 * (noise(x * 0.35, y * 0.35, 7) - 0.5)
    if foot < 0.5:
        rough += 0.35 * (noise(x * 2.3, y * 2.3, 8) - 0.5)
    if foot < 0.1:
        rough += 0.35 * (hashed(int(x * 20), int(y * 20), 9) - 0.5)
    if label == 2 and foot < 0.2:
        u, v = x * 1.7, y * 1.7
        if u - math.floor(u) < 0.06 or v - math.floor(v) < 0.06:
            rough -= 0.25
    if label == 5:
        rough *= 0.6
    return 1 + 0.45 * rough


@_jit
def ground_colour(
    start: NDArray[Any],
    ray: NDArray[Any],
    right: NDArray[Any],
    down: NDArray[Any],
    labels: NDArray[Any],
    corner: NDArray[Any],
    resolution: float,
    ground: NDArray[Any],
    base: NDArray[Any],
) -> int:
    """Mean colour of the ground over a pixel, so that thin marks do not break up.

    Args:
        start: (3,) m, the camera.
        ray: (3,) through the pixel's centre, of unit depth along the optical axis.
        right: (3,) what the ray gains per column.
        down: (3,) what it gains per row.
        labels: (rows, columns) of the ground.
        corner: (2,) m of its south-west corner.
        resolution: m per cell.
        ground: (G, 3) colour per label.
        base: (3,) filled.

    Returns:
        The label at the pixel's centre.
    """
    base[:] = 0.0
    seen = 0
    for k in range(_DOWN.shape[0]):
        a, b = _ACROSS[k], _DOWN[k]
        dz = ray[2] + a * right[2] + b * down[2]
        if dz > -1e-4:
            continue
        t = -start[2] / dz
        x = start[0] + t * (ray[0] + a * right[0] + b * down[0]) + resolution * _CELL_X[k]
        y = start[1] + t * (ray[1] + a * right[1] + b * down[1]) + resolution * _CELL_Y[k]
        kind = _cell(x, y, labels, corner, resolution)
        for c in range(3):
            base[c] += ground[kind, c]
        seen += 1
    t = -start[2] / ray[2]
    x, y = start[0] + t * ray[0], start[1] + t * ray[1]
    kind = _cell(x, y, labels, corner, resolution)
    for c in range(3):
        base[c] = base[c] / seen if seen else ground[kind, c]
    return kind


@_jit
def wall_colour(
    along: NDArray[Any],
    facade: NDArray[Any],
    building: int,
    x: float,
    y: float,
    z: float,
    foot: float,
    horizon: NDArray[Any],
    base: NDArray[Any],
) -> float:
    """Colour of a wall with windows that fit between its corners and under its roof.

    Args:
        along: (6,) see `street_mesh.Triangles`.
        facade: (12,) see `street_look.draw_facades`.
        building: number of it.
        x: m.
        y: m.
        z: m above ground.
        foot: m, size of a pixel there.
        horizon: (3,) what windows mirror.
        base: (3,) filled.

    Returns:
        How much of the pixel is glass of a window that is lit at night.
    """
    u = (x - along[0]) * along[2] + (y - along[1]) * along[3]
    length, top = along[4], along[5]
    shops = facade[7] if top > SHOPS_ABOVE_M else 0.0
    tone = 1 + 0.12 * (noise(u * 0.5, z * 0.5, building) - 0.5)
    glass, which, edge = 0.0, 0.0, 0.0
    if z < shops:
        period, width, high = facade[4] * 1.5, facade[8], 1 - 1.2 / shops
        v, floor = z / shops - 0.5, -1
        tone *= facade[9]
    else:
        period, width, high = facade[4], facade[5], facade[6]
        storeys = max(1, int((top - shops) / facade[3] + 0.3))
        v = (z - shops) / (top - shops) * storeys
        floor = int(v)
        v -= floor + 0.5
        if v < -0.45 and facade[10] > 0.5:
            tone *= 0.82
    if length > 1.5:
        count = max(1, int(length / period + 0.3))
        place = u / length * count
        column = math.floor(place)
        h = abs(place - column - 0.5) / width
        v = abs(v) / high
        far = min(1.0, max(0.0, foot * 2 / period - 0.2))
        inside = h < 0.5 and v < 0.5
        glass = (1.0 if inside else 0.0) * (1 - far) + width * high * far
        edge = 1.0 if inside and (h > 0.44 or v > 0.45 or h < 0.025) and foot < 0.08 else 0.0
        which = hashed(column, floor, building)
    for c in range(3):
        pane = 0.13 + 0.25 * which + 0.25 * horizon[c] * facade[11]
        pane = pane * (1 - edge) + 0.75 * edge
        base[c] = facade[c] * tone * (1 - glass) + pane * glass
    return glass if which > 0.65 else 0.0


@_jit
def thing_colour(
    kind: int, own: int, x: float, y: float, z: float, up: float, base: NDArray[Any]
) -> None:
    """Colour of what stands in the street.

    Args:
        kind: number of `street_mesh.SURFACES`, not a wall.
        own: which thing.
        x: m.
        y: m.
        z: m above ground.
        up: vertical part of the normal.
        base: (3,) filled.
    """
    red, green, blue = 0.05, 0.05, 0.05
    if kind == 1:  # roof
        red, green, blue = 0.35, 0.30, 0.28
    elif kind == 2:  # metal
        red, green, blue = 0.25, 0.26, 0.26
    elif kind == 3:  # trunk
        red, green, blue = 0.28, 0.22, 0.17
    elif kind == 4:  # sign
        red, green, blue = 0.25 + 0.5 * hashed(own, 1, 3), 0.3, 0.65
    elif kind == 5:  # leaves
        leaf = hashed(own, 3, 1)
        tone = 0.55 + 0.9 * noise(x * 2.5 + z * 1.3, y * 2.5 + z * 1.7, own & 255)
        red, green, blue = (0.2 + 0.15 * leaf) * tone, (0.34 + 0.1 * leaf) * tone, 0.12 * tone
    elif kind == 6:  # stone
        red, green, blue = 0.42, 0.40, 0.37
    elif kind == 7 or (kind == 8 and up > 0.7):  # paint, also of a car's roof
        paint = 0.75 * hashed(own, 1, 1) + 0.08
        red = paint * (1 + 0.5 * (hashed(own, 2, 1) - 0.5))
        green, blue = paint, paint * (1 + 0.5 * (hashed(own, 5, 1) - 0.5))
    elif kind == 8:  # glass
        red, green, blue = 0.10, 0.12, 0.14
    elif kind == 10:  # head of a lamp
        red, green, blue = 0.6, 0.6, 0.55
    elif kind == 11:  # cloth
        red, green = 0.06 + 0.6 * hashed(own, int(z), 1), 0.06 + 0.5 * hashed(own, int(z), 2)
        blue = 0.06 + 0.6 * hashed(own, int(z), 3)
    base[0], base[1], base[2] = red, green, blue
