"""The colour camera of the simulated car: geometry, and what optics and sensor do to the image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from mdps_ros.sim.depth_camera import R_BASE_OPTICAL, attitude
from mdps_ros.sim.street_look import Look


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetCamera:
    """A pinhole camera on the vehicle; pixel centres lie at integer coordinates.

    Attributes:
        width: columns, pixels.
        height: rows, pixels.
        hfov_rad: horizontal field of view between the outer edges of the image, rad.
        forward_m: position ahead of the base frame's origin, m.
        up_m: height above the ground, m.
        pitch_rad: mounting; positive looks down.
        roll_rad: mounting; positive leans to the right.
        yaw_rad: mounting; positive looks to the left.
    """

    width: int = 320
    height: int = 128
    hfov_rad: float = math.pi / 2
    forward_m: float = 1.5
    up_m: float = 1.6
    pitch_rad: float = 0.0
    roll_rad: float = 0.0
    yaw_rad: float = 0.0

    @property
    def fx(self) -> float:
        """Focal length, pixels."""
        return self.width / 2 / math.tan(self.hfov_rad / 2)

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
        transform[:3, :3] = attitude(self.yaw_rad, self.pitch_rad, self.roll_rad) @ R_BASE_OPTICAL
        transform[:3, 3] = [self.forward_m, 0.0, self.up_m]
        return transform

    def rays(self) -> NDArray[np.float64]:
        """(height * width, 3) ray directions in the optical frame with z = 1, row by row."""
        u, v = np.meshgrid(np.arange(self.width), np.arange(self.height))
        rays = [(u - self.cx) / self.fx, (v - self.cy) / self.fy, np.ones(u.shape)]
        return np.stack(rays, axis=-1).reshape(-1, 3)


def expose(
    light: NDArray[np.float32], look: Look, generator: np.random.Generator
) -> NDArray[np.uint8]:
    """What the sensor makes of the light.

    Args:
        light: (H, W, 3) linear, about 0 to 1; changed in place.
        look: exposure, colours, blur, noise, dirt, rain.
        generator: source of the noise, and of where dirt and rain are.

    Returns:
        (H, W, 3) uint8.
    """
    light *= look.white * np.float32(look.exposure)
    image = np.power(np.clip(light, 0.0, None), np.float32(look.gamma), dtype=np.float32)
    if look.streaks:
        _rain(image, look.streaks, generator)
    if look.dirt:
        _dirt(image, look.dirt, generator)
    if look.blur_px > 0.3:
        image = cv2.GaussianBlur(image, (0, 0), look.blur_px)
    noise = generator.standard_normal(image.shape, dtype=np.float32)
    image += noise * np.float32(look.noise)
    return np.asarray(np.clip(image, 0.0, 1.0) * 255, np.uint8)


def _rain(image: NDArray[np.float32], streaks: int, generator: np.random.Generator) -> None:
    rows, columns = image.shape[:2]
    x, y = generator.uniform(0, columns, streaks), generator.uniform(0, rows, streaks)
    length = generator.uniform(4, 14, streaks)
    drops = np.zeros((rows, columns), np.float32)
    for column, row, size in zip(x, y, length, strict=True):
        ends = (int(column), int(row)), (int(column + 0.1 * size), int(row + size))
        cv2.line(drops, *ends, 0.25, 1)
    image += drops[..., None]


def _dirt(image: NDArray[np.float32], spots: int, generator: np.random.Generator) -> None:
    rows, columns = image.shape[:2]
    veil = np.zeros((rows, columns), np.float32)
    for _ in range(spots):
        centre = (int(generator.uniform(0, columns)), int(generator.uniform(0, rows)))
        cv2.circle(veil, centre, int(generator.uniform(3, 14)), 1.0, -1)
    veil = generator.uniform(0.4, 0.8) * cv2.GaussianBlur(veil, (0, 0), 3.0)[..., None]
    image *= 1 - veil
    image += np.float32(0.35) * veil
