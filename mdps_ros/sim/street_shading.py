"""The colour of every pixel of a street, compiled by numba.

All maths is on plain arrays; what they mean stands in `street_world`.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from mdps_ros.sim.street_noise import inline, noise
from mdps_ros.sim.street_surfaces import ground_colour, ground_tone, thing_colour, wall_colour

SKY, GROUND = -1, -2
"""What a ray may hit besides a triangle."""
LABEL_SKY, LABEL_GROUND, LABEL_SURFACE = 0, 1, 20
"""Labels of pixels: the sky, 1 + label of the ground, 20 + surface."""

LAMP = 10
"""Number of the surface that glows at night, see `street_mesh.SURFACES`."""

_jit = numba.njit(cache=True, fastmath=True)


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


@inline
def _sky(
    ray: NDArray[Any], horizon: NDArray[Any], zenith: NDArray[Any], seed: int, c: int
) -> float:
    """One colour of the sky; clouds lie on a plane, so they shrink towards the horizon."""
    up = max(ray[2], 0.0)
    flat = 1.0 / (up + 0.12)
    x, y = ray[0] * flat, ray[1] * flat
    cloud = 0.6 * noise(x * 1.3, y * 1.3, seed) + 0.4 * noise(x * 3.1, y * 3.1, seed + 1)
    high = math.sqrt(up)
    sky: float = horizon[c] * (1 - high) + zenith[c] * high + (cloud - 0.5) * 0.22 * horizon[c]
    return sky


@inline
def _lamplight(x: float, y: float, z: float, up: float, lamps: NDArray[Any], cell: float) -> float:
    """Light of street lamps at a place, x and y from the corner of their map."""
    u, v = x / cell - 0.5, y / cell - 0.5
    column, row = math.floor(u), math.floor(v)
    if column < 0 or row < 0 or column + 1 >= lamps.shape[1] or row + 1 >= lamps.shape[0]:
        return 0.0
    u, v = u - column, v - row
    low = lamps[row, column] * (1 - u) + lamps[row, column + 1] * u
    high = lamps[row + 1, column] * (1 - u) + lamps[row + 1, column + 1] * u
    # Walls are lit best at the height of the lamps; above these it is dark.
    height = 1.0 if z < 7.0 else math.exp((7.0 - z) / 2.0)
    light: float = (low * (1 - v) + high * v) * height * (0.7 + 0.3 * up)
    return light


@inline
def _gloss(down: float, wet: float, x: float, y: float) -> float:
    """Share of light that wet ground mirrors (Schlick); puddles mirror more."""
    grazing = 1.0 + down
    share = 0.02 + 0.98 * grazing**5
    puddle = 1.0 if noise(x * 0.25, y * 0.25, 77) > 0.62 else 0.45
    return wet * share * puddle


@inline
def _mirrored(blocked: bool, horizon: float) -> float:
    """Light that comes from what wet ground mirrors."""
    return 0.3 * horizon if blocked else 0.9 * horizon


@_jit
def shade(
    start: NDArray[Any],
    rays: NDArray[Any],
    lengths: NDArray[Any],
    steps: NDArray[Any],
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
    lamps: NDArray[Any],
    lamp_cell: float,
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
    wet: float,
    mirror: NDArray[Any],
    colour: NDArray[Any],
    label: NDArray[Any],
) -> None:
    """Fill colours and labels of all pixels.

    Args:
        start: (3,) m, the camera, relative to the world's origin.
        rays: (R, 3) unit vectors.
        lengths: (R,) of the rays of unit depth along the optical axis.
        steps: (2, 3) what the ray of unit depth gains per column and per row.
        reach: (R,) m to what they hit.
        hit: (R,) number of the triangle, GROUND or SKY.
        shadow: (R,) bool, no direct sun.
        surface: (T,) kind of each triangle.
        thing: (T,) its building, car or tree.
        along: (T, 6) see `street_mesh.Triangles`.
        normal: (T, 3) unit vectors.
        labels: (rows, columns) of the ground.
        corner: (2,) m of its south-west corner, relative to the world's origin.
        resolution: m per cell of it.
        lamps: (rows, columns) light of street lamps on the ground, from the same corner; empty
            by day. By night windows and lamps glow, and the car has its headlights on.
        lamp_cell: m per cell of it.
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
        wet: how much the ground mirrors, 0 to 1.
        mirror: (R,) bool, whether something stands where wet ground mirrors.
        colour: (R, 3) float32, filled.
        label: (R,) uint8, filled.
    """
    night = lamps.size > 0
    base, face, ray = np.zeros(3), np.zeros(3), np.zeros(3)
    for i in range(rays.shape[0]):
        number = hit[i]
        if number == SKY:
            for c in range(3):
                colour[i, c] = _sky(rays[i], horizon, zenith, seed, c)
            label[i] = LABEL_SKY
            continue
        t = reach[i]
        x, y, z = start[0] + t * rays[i, 0], start[1] + t * rays[i, 1], start[2] + t * rays[i, 2]
        foot = t * pixel
        face[0], face[1], face[2] = 0.0, 0.0, 1.0
        glow = 0.0
        if number == GROUND:
            for c in range(3):
                ray[c] = rays[i, c] * lengths[i]
            kind = ground_colour(
                start, ray, steps[0], steps[1], labels, corner, resolution, ground, base
            )
            tone = ground_tone(x, y, foot, kind)
            for c in range(3):
                base[c] *= tone
            label[i] = LABEL_GROUND + kind
        else:
            kind = surface[number]
            label[i] = LABEL_SURFACE + kind
            facing = 0.0
            for c in range(3):
                facing += normal[number, c] * rays[i, c]
            for c in range(3):
                face[c] = -normal[number, c] if facing > 0 else normal[number, c]
            own = thing[number]
            if kind == 0:
                lit = wall_colour(along[number], facades[own], own, x, y, z, foot, horizon, base)
                glow = lit if night else 0.0
            else:
                thing_colour(kind, own, x, y, z, face[2], base)
                glow = 1.5 if night and kind == LAMP else 0.0
        direct = face[0] * sun[0] + face[1] * sun[1] + face[2] * sun[2]
        if direct < 0 or shadow[i]:
            direct = 0.0
        warm = 0.0
        if night:
            warm = _lamplight(x - corner[0], y - corner[1], z, face[2], lamps, lamp_cell)
            warm += 0.8 * math.exp(-t / 15.0)
        clear = math.exp(-t * haze)
        for c in range(3):
            light = ambient * (0.55 + 0.45 * face[2]) * (0.6 + 0.4 * zenith[c])
            light += sunlight[c] * direct + warm * (1.0 - 0.15 * c)
            bright = base[c] * light + glow * (0.85 - 0.18 * c)
            if number == GROUND and wet > 0.0:
                bright += _gloss(rays[i, 2], wet, x, y) * _mirrored(mirror[i], horizon[c])
            colour[i, c] = bright * clear + horizon[c] * (1 - clear)
