"""Any pinhole image as the canonical camera would have taken it."""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.models.camera.geometry import FOCAL, HEIGHT, WIDTH

FILL = 127  # grey level of what the camera did not see; zero for the trunk
STEEPEST = np.radians(35.0)  # of the optical axis against the horizon
LOWEST, HIGHEST = 0.4, 6.0  # m, heights of cameras that the cells can be scaled to
NARROWEST = 0.3  # share of the canonical columns that an image must fill at the horizon

Intrinsics = tuple[float, float, float, float]  # fx, fy, cx, cy, px


class View(NamedTuple):
    """A canonical image and where it was taken from.

    Attributes:
        rgb: (HEIGHT, WIDTH, 3) uint8.
        mask: (HEIGHT, WIDTH) bool, true where the camera saw something.
        heading: rad, of the camera in the base frame, counter-clockwise from forward.
        position: x and y of the camera in the base frame, m.
        height: of the camera over the ground, m.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    heading: float
    position: tuple[float, float]
    height: float


def canonical_view(
    rgb: NDArray[np.uint8], intrinsics: Intrinsics, T_base_camera: NDArray[np.float64]
) -> View | None:
    """Turn an image to the canonical camera's.

    Args:
        rgb: (H, W, 3), free of distortion.
        intrinsics: fx, fy, cx, cy of this image, px, pixel centres at integers.
        T_base_camera: (4, 4), base <- optical frame (x right, y down, z forward); the base frame
            lies on the ground.

    Returns:
        The view; None when the camera looks too steeply up or down, stands too low or high, or
        sees too little of the horizon.

    Raises:
        ValueError: the image is not (H, W, 3) uint8.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8:
        raise ValueError(f"an image is (H, W, 3) uint8, this one {rgb.shape} {rgb.dtype}")
    axis = T_base_camera[:3, 2]
    x, y, height = (float(value) for value in T_base_camera[:3, 3])
    if abs(np.arcsin(np.clip(axis[2], -1.0, 1.0))) > STEEPEST or not LOWEST <= height <= HIGHEST:
        return None
    heading = float(np.arctan2(axis[1], axis[0]))
    rgb, intrinsics = _shrink(rgb, intrinsics)
    R_camera_level = T_base_camera[:3, :3].T @ level_rotation(heading)
    u, v, mask = _source_pixels(intrinsics, tuple(R_camera_level.flat), rgb.shape[:2])
    if mask[HEIGHT // 2].mean() < NARROWEST:
        return None
    image = cv2.remap(rgb, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8)
    image[~mask] = FILL
    return View(image, mask.copy(), heading, (x, y), height)


def level_rotation(heading: float) -> NDArray[np.float64]:
    """(3, 3), base <- axes of a level camera (x right, y down, z forward) of this heading."""
    cos, sin = np.cos(heading), np.sin(heading)
    return np.array([[sin, 0.0, cos], [-cos, 0.0, sin], [0.0, -1.0, 0.0]])


def _shrink(rgb: NDArray[np.uint8], intrinsics: Intrinsics) -> tuple[NDArray[np.uint8], Intrinsics]:
    """A finer image averaged to about the canonical focal length, lest thin things alias."""
    fx, fy, cx, cy = intrinsics
    factor = int(min(fx, fy) / FOCAL)
    if factor < 2:
        return rgb, intrinsics
    rows, columns = (max(1, size // factor) for size in rgb.shape[:2])
    sx, sy = columns / rgb.shape[1], rows / rgb.shape[0]
    small = cv2.resize(rgb, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.uint8)
    return small, (fx * sx, fy * sy, (cx + 0.5) * sx - 0.5, (cy + 0.5) * sy - 0.5)


@functools.lru_cache(maxsize=8)  # a few cameras that stay where they are
def _source_pixels(
    intrinsics: Intrinsics, R_camera_level: tuple[float, ...], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Where each canonical pixel lies in the source image of that size, and whether within it."""
    fx, fy, cx, cy = intrinsics
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    level = np.stack(
        [(u - (WIDTH - 1) / 2) / FOCAL, (v - (HEIGHT - 1) / 2) / FOCAL, np.ones(u.shape)], axis=-1
    )
    ray = level @ np.reshape(R_camera_level, (3, 3)).T
    ahead = ray[..., 2] > 1e-3
    depth = np.where(ahead, ray[..., 2], 1.0)
    u, v = fx * ray[..., 0] / depth + cx, fy * ray[..., 1] / depth + cy
    rows, columns = size
    mask = ahead & (u > -0.5) & (u < columns - 0.5) & (v > -0.5) & (v < rows - 0.5)
    return u.astype(np.float32), v.astype(np.float32), mask
