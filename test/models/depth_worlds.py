"""Hand-made maps and depth images for the tests of the depth model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import LAYERS, Bounds, RasterTile

Inside = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.bool_]]
SQUARE = Bounds(-100.0, -100.0, 100.0, 100.0)


class DrawnTiles:
    """A map drawn by functions of x and y; the window's centre decides for a cell."""

    def __init__(
        self,
        shapes: dict[str, Inside],
        *,
        bounds: Bounds = SQUARE,
        tile_size: float = 32.0,
        resolution: float = 0.5,
    ) -> None:
        self.shapes, self.id = shapes, "drawn"
        self.bounds, self.tile_size, self.resolution = bounds, tile_size, resolution

    def tile(self, column: int, row: int) -> RasterTile:
        cells = round(self.tile_size / self.resolution)
        x0 = self.bounds.min_x + column * self.tile_size
        y0 = self.bounds.min_y + row * self.tile_size
        return self.window(x0, y0, cells)

    def window(self, x0: float, y0: float, cells: int) -> RasterTile:
        steps = (np.arange(cells) + 0.5) * self.resolution
        x, y = np.meshgrid(x0 + steps, y0 + steps)
        layers = np.zeros((len(LAYERS), cells, cells), np.uint8)
        inside = (x > self.bounds.min_x) & (x < self.bounds.max_x)
        inside &= (y > self.bounds.min_y) & (y < self.bounds.max_y)
        for name, shape in self.shapes.items():
            layers[LAYERS.index(name)] = shape(x, y) & inside
        return RasterTile(layers, (x0, y0), self.resolution)


INTRINSICS = (80.0, 70.0, 63.5, 29.5)
SHAPE = (60, 128)  # H, W


def mounted(
    forward: float, up: float, *, pitch: float = 0.0, yaw: float = 0.0
) -> NDArray[np.float64]:
    """(4, 4) base <- optical, pitched nose down and turned left."""
    optical = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    cp, sp, cy, sy = np.cos(pitch), np.sin(pitch), np.cos(yaw), np.sin(yaw)
    down = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    left = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    transform = np.eye(4)
    transform[:3, :3] = left @ down @ optical
    transform[:3, 3] = [forward, 0.0, up]
    return transform


def seen(
    solid: Inside,
    pose: NDArray[np.float64],
    T_base_camera: NDArray[np.float64],
    *,
    intrinsics: tuple[float, float, float, float] = INTRINSICS,
    shape: tuple[int, int] = SHAPE,
    tilt: float = 0.0,
    reach: float = 45.0,
) -> NDArray[np.float32]:
    """(H, W) depth of walls without end in height on flat ground, by marching along rays.

    `tilt` pitches the whole vehicle nose down, which the extrinsics do not say.
    """
    fx, fy, cx, cy = intrinsics
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]]
    rays = np.stack([(u - cx) / fx, (v - cy) / fy, np.ones(shape)], -1)
    c, s = np.cos(tilt), np.sin(tilt)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    rays = rays @ (turn @ T_base_camera[:3, :3]).T
    start = turn @ T_base_camera[:3, 3]
    depth = np.full(shape, np.nan)
    down = rays[..., 2] < -1e-6
    depth[down] = -start[2] / rays[down][:, 2]
    depth[depth > reach] = np.nan
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    for step in np.arange(reach, 0.5, -0.05):  # from far to near: the nearest hit stays
        x, y = start[0] + step * rays[..., 0], start[1] + step * rays[..., 1]
        z = start[2] + step * rays[..., 2]
        hit = solid(pose[0] + cos * x - sin * y, pose[1] + sin * x + cos * y) & (z > 0)
        depth[hit] = step
    return depth.astype(np.float32)
