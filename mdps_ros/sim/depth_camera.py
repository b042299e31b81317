"""A pinhole depth camera on the vehicle: ideal ray casting, then the errors of a real sensor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdps_ros.sim.scene import Scene

R_BASE_OPTICAL: NDArray[np.float64] = np.array([[0.0, 0, 1], [-1, 0, 0], [0, -1, 0]])
"""Optical axes (x right, y down, z forward) as columns in the base frame (x forward, y left)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthCamera:
    """Geometry of the camera; pixel centres lie at integer coordinates.

    Attributes:
        width: columns, pixels.
        height: rows, pixels.
        hfov_rad: horizontal field of view, rad, between the outer edges of the image.
        forward_m: position ahead of the base frame's origin (the rear axle), m.
        up_m: height above the ground, m.
        range_m: depths beyond it are not seen, m.
    """

    width: int = 160
    height: int = 96
    hfov_rad: float = math.pi / 2
    forward_m: float = 1.5
    up_m: float = 1.6
    range_m: float = 50.0

    @property
    def fx(self) -> float:
        """Focal length, pixels."""
        return float(self.width / 2 / np.tan(self.hfov_rad / 2))

    @property
    def fy(self) -> float:
        """Focal length, pixels; pixels are square."""
        return self.fx

    @property
    def cx(self) -> float:
        """Column of the optical axis, pixels."""
        return (self.width - 1) / 2

    @property
    def cy(self) -> float:
        """Row of the optical axis, pixels."""
        return (self.height - 1) / 2

    @property
    def T_base_camera(self) -> NDArray[np.float64]:
        """(4, 4), base <- optical frame (x right, y down, z forward)."""
        transform = np.eye(4)
        transform[:3, :3] = R_BASE_OPTICAL
        transform[:3, 3] = [self.forward_m, 0.0, self.up_m]
        return transform

    def rays(self) -> NDArray[np.float64]:
        """(height * width, 3) ray directions in the optical frame with z = 1, row by row."""
        u, v = np.meshgrid(np.arange(self.width), np.arange(self.height))
        rays = [(u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones(u.shape)]
        return np.stack(rays, axis=-1).reshape(-1, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthErrors:
    """What a real sensor and a sprung vehicle add.

    Attributes:
        relative_sd: standard deviation of the multiplicative range noise.
        dropout: share of pixels without a reading.
        tilt_sd_rad: standard deviation of the vehicle's pitch and roll, rad.
        tilt_time_s: time over which pitch and roll forget themselves, s.
    """

    relative_sd: float = 0.015
    dropout: float = 0.02
    tilt_sd_rad: float = math.radians(0.5)
    tilt_time_s: float = 0.5


def render_depth(
    scene: Scene,
    camera: DepthCamera,
    rays: NDArray[np.float64],
    T_map_base: NDArray[np.float64],
    tilt: tuple[float, float] = (0.0, 0.0),
) -> NDArray[np.float32]:
    """One ideal depth image.

    Args:
        scene: what stands around.
        camera: geometry.
        rays: `camera.rays()`, computed once per drive.
        T_map_base: (3,) x m, y m, yaw rad of the vehicle.
        tilt: pitch (nose down positive) and roll (right side down positive) of the vehicle
            about the base frame's origin, rad.

    Returns:
        (height, width) float32 m along the optical axis; NaN beyond the range and in the sky.
    """
    x, y, yaw = T_map_base
    rotation = attitude(yaw, *tilt)
    start = rotation @ camera.T_base_camera[:3, 3] + [x, y, 0.0]
    directions = (rays @ (rotation @ R_BASE_OPTICAL).T).astype(np.float32)
    # The optical z of every direction is 1, so the multiple of the ray is the depth itself.
    depth = scene.cast(start, directions)
    depth[~(depth <= camera.range_m)] = np.nan
    return np.asarray(depth.reshape(camera.height, camera.width))


def add_errors(
    depth: NDArray[np.float32], errors: DepthErrors, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Range noise and missing pixels.

    Args:
        depth: (H, W) m, ideal.
        errors: magnitudes.
        generator: source of randomness.

    Returns:
        (H, W) float32 m, NaN where nothing is seen; the input is left as it is.
    """
    noise = generator.standard_normal(depth.shape, dtype=np.float32)
    noisy: NDArray[np.float32] = depth * (1 + np.float32(errors.relative_sd) * noise)
    noisy[generator.random(depth.shape, dtype=np.float32) < errors.dropout] = np.nan
    return noisy


def tilt_track(
    count: int, period_s: float, errors: DepthErrors, generator: np.random.Generator
) -> NDArray[np.float64]:
    """Pitch and roll of a drive: a stationary first-order process.

    Args:
        count: number of frames.
        period_s: time between them, s.
        errors: size and correlation time.
        generator: source of randomness.

    Returns:
        (count, 2) pitch, roll in rad.
    """
    keep = np.exp(-period_s / errors.tilt_time_s)
    noise = generator.standard_normal((count, 2))
    track = np.empty((count, 2))
    state = np.zeros(2) if count == 0 else noise[0]
    for i in range(count):
        state = state if i == 0 else keep * state + np.sqrt(1 - keep**2) * noise[i]
        track[i] = state
    return track * errors.tilt_sd_rad


def attitude(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """Rz(yaw) Ry(pitch) Rx(roll), map <- base."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(a), np.sin(a)) for a in (yaw, pitch, roll))
    rz = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    ry = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    rx = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return np.asarray(rz @ ry @ rx)
