"""The colour of every pixel of a street, compiled by numba.

Procedural surfaces: windows per building, paving slabs, noise on asphalt and leaves. All maths is
on plain arrays; what they mean stands in `street_world`.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

SKY, GROUND = -1, -2
"""What a ray may hit besides a triangle."""
LABEL_SKY, LABEL_GROUND, LABEL_SURFACE = 0, 1, 20
"""Labels of pixels: the sky, 1 + label of the ground, 20 + surface."""

_jit = numba.njit(cache=True, fastmath=True)
_inline = numba.njit(inline="always", fastmath=True)


@_inline
def _hash(x: int, y: int, seed: int) -> float:
    value = (x * 374761393 + y * 668265263 + seed * 2147483647) & 0xFFFFFFFF
    value = ((value ^ (value >> 13)) * 1274126177) & 0xFFFFFFFF
    return ((value ^ (value >> 16)) & 0xFFFF) / 65535.0


@_inline
def _noise(x: float, y: float, seed: int) -> float:
    """Smooth noise of unit period in [0, 1]."""
    column, row = math.floor(x), math.floor(y)
    fx, fy = x - column, y - row
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    low = _hash(column, row, seed) * (1 - fx) + _hash(column + 1, row, seed) * fx
    high = _hash(column, row + 1, seed) * (1 - fx) + _hash(column + 1, row + 1, seed) * fx
    return low * (1 - fy) + high * fy


@_jit
def meet_ground(
    height: float, rays: NDArray[Any], reach: NDArray[Any], hit: NDArray[Any], farthest: float
) -> None:
    """Let rays that go down end on the ground where nothing is nearer; far hits become sky.

    Args:
        height: of the camera, m.
        rays: (R, 3) unit vectors.
        reach: (R,) m to the triangle that was hit; changed in place.
        hit: (R,) its number or SKY; changed in place.
        farthest: m, beyond which all is sky.
    """
    for i in range(rays.shape[0]):
        if rays[i, 2] < -1e-4:
            ground = -height / rays[i, 2]
            if hit[i] == SKY or ground < reach[i]:
                reach[i], hit[i] = ground, GROUND
        if hit[i] != SKY and reach[i] > farthest:
            hit[i] = SKY


@_inline
def _window(
    u: float, z: float, foot: float, facade: NDArray[Any], building: int
) -> tuple[Any, ...]:
    """Colour factor, share of glass and a number of the window at a place of a wall."""
    period, width, shade = facade[4], facade[5], 1.0
    if z < facade[7]:
        period, width, shade = period * 1.5, facade[8], facade[9]
        inside = abs(u / period - math.floor(u / period) - 0.5) < width / 2
        inside = inside and 0.6 < z < facade[7] - 0.6
        cover, floor = width * (facade[7] - 1.2) / facade[7], -1
    else:
        storey = (z - facade[7]) / facade[3]
        floor = math.floor(storey)
        inside = abs(u / period - math.floor(u / period) - 0.5) < width / 2
        inside = inside and abs(storey - floor - 0.5) < facade[6] / 2
        cover = width * facade[6]
        if storey - floor < 0.05 and facade[10] > 0.5:
            shade = 0.82
    far = min(1.0, max(0.0, foot * 2 / period - 0.2))
    glass = (1.0 if inside else 0.0) * (1 - far) + cover * far
    return shade, glass, _hash(math.floor(u / period), floor, building)


@_inline
def _ground_tone(x: float, y: float, foot: float, label: int) -> float:
    """Brightness of a place of the ground relative to its colour."""
    rough = 0.55 * (_noise(x * 0.35, y * 0.35, 7) - 0.5)
    if foot < 0.5:
        rough += 0.35 * (_noise(x * 2.3, y * 2.3, 8) - 0.5)
    if foot < 0.1:
        rough += 0.35 * (_hash(int(x * 20), int(y * 20), 9) - 0.5)
    if label == 2 and foot < 0.2:
        u, v = x * 1.7, y * 1.7
        if u - math.floor(u) < 0.06 or v - math.floor(v) < 0.06:
            rough -= 0.25
    if label == 5:
        rough *= 0.6
    return 1 + 0.45 * rough


@_jit
def shade(
    start: NDArray[Any],
    rays: NDArray[Any],
    reach: NDArray[Any],
    hit: NDArray[Any],
    shadow: NDArray[Any],
    surface: NDArray[Any],
    thing: NDArray[Any],
    along: NDArray[Any],
    normal: NDArray[Any],
    labels: NDArray[Any],
    corner: NDArray[Any],
    resolution: float,
    facades: NDArray[Any],
    ground: NDArray[Any],
    sun: NDArray[Any],
    sunlight: NDArray[Any],
    ambient: float,
    horizon: NDArray[Any],
    zenith: NDArray[Any],
    haze: float,
    seed: int,
    pixel: float,
    night: bool,
    colour: NDArray[Any],
    label: NDArray[Any],
) -> None:
    """Fill colours and labels of all pixels.

    Args:
        start: (3,) m, the camera, relative to the world's origin.
        rays: (R, 3) unit vectors.
        reach: (R,) m to what they hit.
        hit: (R,) number of the triangle, GROUND or SKY.
        shadow: (R,) bool, no direct sun.
        surface: (T,) kind of each triangle.
        thing: (T,) its building, car or tree.
        along: (T, 4) see `Triangles`.
        normal: (T, 3) unit vectors.
        labels: (rows, columns) of the ground.
        corner: (2,) m of its south-west corner, relative to the world's origin.
        resolution: m per cell of it.
        facades: (B, 12) looks of the buildings.
        ground: (G, 3) colour per label.
        sun: (3,) towards the sun.
        sunlight: (3,) direct light.
        ambient: of the sky.
        horizon: (3,) colour.
        zenith: (3,) colour.
        haze: 1/m.
        seed: of clouds.
        pixel: rad, width of a pixel.
        night: whether windows glow and light falls off with distance.
        colour: (R, 3) float32, filled.
        label: (R,) uint8, filled.
    """
    rows, columns = labels.shape
    base = np.zeros(3)
    for i in range(rays.shape[0]):
        number = hit[i]
        dx, dy, dz = rays[i, 0], rays[i, 1], rays[i, 2]
        if number == SKY:
            up = math.sqrt(max(dz, 0.0))
            turn = math.atan2(dy, dx)
            cloud = 0.6 * _noise(turn * 6, dz * 18, seed) + 0.4 * _noise(
                turn * 15, dz * 40, seed + 1
            )
            for c in range(3):
                sky = horizon[c] * (1 - up) + zenith[c] * up
                colour[i, c] = sky + (cloud - 0.5) * 0.22 * horizon[c]
            label[i] = LABEL_SKY
            continue
        t = reach[i]
        x, y, z = start[0] + t * dx, start[1] + t * dy, start[2] + t * dz
        foot = t * pixel
        nx, ny, nz = 0.0, 0.0, 1.0
        glow = 0.0
        if number == GROUND:
            u, v = int((x - corner[0]) / resolution), int((y - corner[1]) / resolution)
            kind = 0
            if 0 <= u < columns and 0 <= v < rows:
                kind = labels[v, u]
            tone = _ground_tone(x, y, foot, kind)
            for c in range(3):
                base[c] = ground[kind, c] * tone
            label[i] = LABEL_GROUND + kind
        else:
            kind = surface[number]
            label[i] = LABEL_SURFACE + kind
            nx, ny, nz = normal[number, 0], normal[number, 1], normal[number, 2]
            if nx * dx + ny * dy + nz * dz > 0:
                nx, ny, nz = -nx, -ny, -nz
            own = thing[number]
            if kind == 0:
                facade = facades[own]
                u = (x - along[number, 0]) * along[number, 2]
                u += (y - along[number, 1]) * along[number, 3]
                tone, glass, which = _window(u, z, foot, facade, own)
                tone *= 1 + 0.12 * (_noise(u * 0.5, z * 0.5, own) - 0.5)
                for c in range(3):
                    pane = 0.13 + 0.25 * which + 0.25 * horizon[c] * facade[11]
                    base[c] = facade[c] * tone * (1 - glass) + pane * glass
                if night and which > 0.65:
                    glow = glass
            elif kind == 1:
                base[0], base[1], base[2] = 0.35, 0.30, 0.28
            elif kind == 2:
                base[0], base[1], base[2] = 0.25, 0.26, 0.26
            elif kind == 3:
                base[0], base[1], base[2] = 0.28, 0.22, 0.17
            elif kind == 4:
                base[0], base[1], base[2] = 0.25 + 0.5 * _hash(own, 1, 3), 0.3, 0.65
            elif kind == 5:
                leaf = _hash(own, 3, 1)
                tone = 0.55 + 0.9 * _noise(x * 2.5 + z * 1.3, y * 2.5 + z * 1.7, own & 255)
                base[0] = (0.2 + 0.15 * leaf) * tone
                base[1], base[2] = (0.34 + 0.1 * leaf) * tone, 0.12 * tone
            elif kind == 6:
                base[0], base[1], base[2] = 0.42, 0.40, 0.37
            elif kind == 7 or (kind == 8 and nz > 0.7):
                paint = 0.75 * _hash(own, 1, 1) + 0.08
                base[0] = paint * (1 + 0.5 * (_hash(own, 2, 1) - 0.5))
                base[1], base[2] = paint, paint * (1 + 0.5 * (_hash(own, 5, 1) - 0.5))
            elif kind == 8:
                base[0], base[1], base[2] = 0.10, 0.12, 0.14
            else:
                base[0], base[1], base[2] = 0.05, 0.05, 0.05
        direct = nx * sun[0] + ny * sun[1] + nz * sun[2]
        if direct < 0 or shadow[i]:
            direct = 0.0
        lamps = 0.0
        if night:
            lamps = 0.9 * math.exp(-t / 18.0) + 0.35 * math.exp(-((z - 1.0) ** 2) / 20.0)
        clear = math.exp(-t * haze)
        for c in range(3):
            light = ambient * (0.55 + 0.45 * nz) * (0.6 + 0.4 * zenith[c])
            warm = 1.0 if c < 2 else 0.7
            light += sunlight[c] * direct + lamps * warm
            lit = base[c] * light + glow * (0.8 if c < 2 else 0.45)
            colour[i, c] = lit * clear + horizon[c] * (1 - clear)
