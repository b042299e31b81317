"""From a depth image to what it says about the ground plan: obstacles and seen free ground.

The picture is reduced to a polar grid about the camera: per bearing the nearest obstacle, and
before it a lattice of free cells with even spacing over the area. Everything after this file
works on those few points, whatever the size and opening angle of the image.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.models.depth_ground import level_heights
from mdps_ros.settings import DepthSettings

BEARING_STEP = np.radians(0.75)  # rad; a car at 30 m still spans three bearings
RANGE_STEP = 0.5  # m; the map's cells are no finer
RING_STEP = 2.0  # m between rings of free cells
ARC_STEP = 1.5  # m between free cells of a ring
NEAREST = 1.5  # m; closer readings are the vehicle itself
CLEARANCE = 0.75  # m that free ground keeps from the obstacle behind it
MIN_EVIDENCE = 12  # points; fewer say nothing worth scoring
OBSTACLE_SHARE = 0.15  # of the pixels that a surface of half a metre would cover in a bearing
MAX_PIXELS = 80_000  # larger images are read with a stride


class DepthScan(NamedTuple):
    """Obstacle points and free-ground points of one image, in the base frame.

    Attributes:
        obstacles: (O, 2) m, forward and left, the nearest obstacle per bearing.
        free: (F, 2) m, cells of ground that were seen or looked across.
        obstacle_total: number of obstacle points before thinning to the budget.
        free_total: number of free points before thinning.
        reach: m, distance of the farthest point from the base frame's origin.
    """

    obstacles: Float[Tensor, "O 2"]
    free: Float[Tensor, "F 2"]
    obstacle_total: int
    free_total: int
    reach: float


def extract_scan(
    depth: NDArray[np.float32],
    intrinsics: tuple[float, float, float, float],
    T_base_camera: NDArray[np.float64],
    settings: DepthSettings,
    device: torch.device,
) -> DepthScan | None:
    """Reduce a depth image to obstacle and free points.

    Args:
        depth: (H, W) m along the optical axis; NaN, infinite or not positive where nothing is
            measured.
        intrinsics: fx, fy, cx, cy in pixels of this image.
        T_base_camera: (4, 4), base <- optical frame (x right, y down, z forward); the base frame
            lies on the ground.
        settings: range, heights, number of points.
        device: where the points go.

    Returns:
        The scan, or None when too little is seen.

    Raises:
        ValueError: the image is not a matrix.
    """
    if depth.ndim != 2:
        raise ValueError(f"a depth image has two axes, this one {depth.ndim}; pass (H, W) metres")
    points, step = _back_project(depth, intrinsics, T_base_camera)
    camera = T_base_camera[:2, 3]
    away = np.hypot(points[:, 0] - camera[0], points[:, 1] - camera[1])
    near = (away > NEAREST) & (away < settings.range_max)
    points, away = points[near], away[near]
    if len(points) < MIN_EVIDENCE:
        return None
    height = level_heights(points)
    bearing = np.arctan2(points[:, 1] - camera[1], points[:, 0] - camera[0])
    first = int(np.floor(bearing.min() / BEARING_STEP))
    column = np.floor(bearing / BEARING_STEP).astype(np.int64) - first
    ring = (away / RANGE_STEP).astype(np.int64)
    shape = (int(column.max()) + 1, int(np.ceil(settings.range_max / RANGE_STEP)))
    solid = (height > settings.height_min) & (height < settings.height_max)
    flat = np.abs(height) < 0.15 + 0.01 * away
    fx, fy = intrinsics[0] / step, intrinsics[1] / step
    nearest = _nearest_obstacle(column[solid], ring[solid], away[solid], shape, fx * fy)
    seen = np.zeros(shape[0])
    np.maximum.at(seen, column[flat], away[flat])
    bearings = (np.arange(shape[0]) + first + 0.5) * BEARING_STEP
    obstacles = _polar(nearest, bearings)[np.isfinite(nearest)] + camera
    free = _free_lattice(np.minimum(nearest - CLEARANCE, seen), bearings) + camera
    return _pack(obstacles, free, settings.points, device)


def _back_project(
    depth: NDArray[np.float32],
    intrinsics: tuple[float, float, float, float],
    T_base_camera: NDArray[np.float64],
) -> tuple[NDArray[np.float64], int]:
    """(M, 3) m in the base frame, and the stride with which the image was read."""
    fx, fy, cx, cy = intrinsics
    step = max(1, int(np.ceil(np.sqrt(depth.size / MAX_PIXELS))))
    v, u = np.mgrid[0 : depth.shape[0] : step, 0 : depth.shape[1] : step]
    z = depth[::step, ::step]
    good = np.isfinite(z) & (z > 0)
    z = z[good].astype(np.float64)
    optical = np.stack([(u[good] - cx) / fx * z, (v[good] - cy) / fy * z, z], axis=1)
    return optical @ T_base_camera[:3, :3].T + T_base_camera[:3, 3], step


def _nearest_obstacle(
    column: NDArray[np.int64],
    ring: NDArray[np.int64],
    away: NDArray[np.float64],
    shape: tuple[int, int],
    focal_area: float,
) -> NDArray[np.float64]:
    """(bearings,) m, mean range of the nearest cell with enough pixels; inf where there is none."""
    cell = column * shape[1] + ring
    count = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape)
    total = np.bincount(cell, away, shape[0] * shape[1]).reshape(shape)
    middle = (np.arange(shape[1]) + 0.5) * RANGE_STEP
    # Pixels of a surface half a metre high that fills the bearing at that range.
    expected = focal_area * BEARING_STEP * 0.5 / middle
    enough = count >= np.maximum(2.0, OBSTACLE_SHARE * expected)
    hit = enough.any(axis=1)
    index = enough.argmax(axis=1)
    row = np.arange(shape[0])
    mean = total[row, index] / np.maximum(count[row, index], 1)
    return np.where(hit, mean, np.inf)


def _free_lattice(limit: NDArray[np.float64], bearings: NDArray[np.float64]) -> NDArray[np.float64]:
    """(F, 2) m, ring by ring: cells RING_STEP by about ARC_STEP that lie before the limit."""
    found = []
    for radius in np.arange(NEAREST + RING_STEP, float(limit.max(initial=0.0)), RING_STEP):
        stride = max(1, round(ARC_STEP / (radius * BEARING_STEP)))
        chosen = slice(stride // 2, None, stride)
        open_here = limit[chosen] > radius
        found.append(_polar(np.full(open_here.sum(), radius), bearings[chosen][open_here]))
    return np.concatenate([np.zeros((0, 2)), *found])


def _polar(radius: NDArray[np.float64], bearing: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, 2) m, forward and left."""
    finite = np.where(np.isfinite(radius), radius, 0.0)
    return np.stack([finite * np.cos(bearing), finite * np.sin(bearing)], axis=1)


def _pack(
    obstacles: NDArray[np.float64],
    free: NDArray[np.float64],
    points: int,
    device: torch.device,
) -> DepthScan | None:
    total = len(obstacles) + len(free)
    if total < MIN_EVIDENCE:
        return None
    reach = float(np.hypot(*np.concatenate([obstacles, free]).T).max())
    share = min(1.0, points / total)
    kept = [even_share(part, share) for part in (obstacles, free)]
    tensors = [torch.from_numpy(part.astype(np.float32)).to(device) for part in kept]
    return DepthScan(tensors[0], tensors[1], len(obstacles), len(free), reach)


def even_share(points: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """About `share` of the points, evenly over their order; the same ones every time."""
    count = len(points)
    keep = max(1, round(share * count)) if count else 0
    return points[(np.arange(keep) * count) // max(keep, 1)]
