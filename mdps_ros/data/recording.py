"""What a recording of one drive is made of, independent of where it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseTrack:
    """Planar poses of the base frame over time, T samples.

    Attributes:
        stamps_ns: (T,) int64 ns, rising.
        poses: (T, 3) float64 x m, y m, yaw rad in the frame that the user of the track names.
        twist: (T, 3) float64 in the base frame: forward m/s, left m/s, rad/s.
        covariance: (T, 3, 3) float64 of `poses`, or None where nobody knows it.
    """

    stamps_ns: NDArray[np.int64]
    poses: NDArray[np.float64]
    twist: NDArray[np.float64]
    covariance: NDArray[np.float64] | None = None


class CameraModel(Protocol):
    """Rectified pinhole camera on the vehicle; pixel centres lie at integer coordinates."""

    @property
    def width(self) -> int:
        """Columns, pixels."""
        ...

    @property
    def height(self) -> int:
        """Rows, pixels."""
        ...

    @property
    def fx(self) -> float:
        """Horizontal focal length, pixels."""
        ...

    @property
    def fy(self) -> float:
        """Vertical focal length, pixels."""
        ...

    @property
    def cx(self) -> float:
        """Column of the principal point, pixels."""
        ...

    @property
    def cy(self) -> float:
        """Row of the principal point, pixels."""
        ...

    @property
    def T_base_camera(self) -> NDArray[np.float64]:
        """(4, 4), base <- optical frame (x right, y down, z forward)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """A `CameraModel` as plain values; see there."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    T_base_camera: NDArray[np.float64]


class DepthFrame(NamedTuple):
    """One depth image.

    Attributes:
        stamp_ns: exposure time, ns.
        depth: (H, W) float32 m along the optical axis, NaN where nothing was measured.
        camera: the camera at that time; its size is that of the image.
    """

    stamp_ns: int
    depth: NDArray[np.float32]
    camera: CameraModel


class ColourFrame(NamedTuple):
    """One colour image.

    Attributes:
        stamp_ns: exposure time, ns.
        rgb: (H, W, 3) uint8.
        camera: the camera at that time; its size is that of the image.
    """

    stamp_ns: int
    rgb: NDArray[np.uint8]
    camera: CameraModel


class MapAnchor(NamedTuple):
    """Where the frame of the ground truth lies on Earth.

    Attributes:
        latitude_deg: degrees north of the frame's origin.
        longitude_deg: degrees east of the frame's origin.
    """

    latitude_deg: float
    longitude_deg: float


def twist_of(stamps_ns: NDArray[np.int64], motion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean velocity of each step, given to the later pose; the first pose gets the second's.

    Args:
        stamps_ns: (T,) int64 ns, rising.
        motion: (T - 1, 3) forward m, left m, turn rad of each step.

    Returns:
        (T, 3) forward m/s, left m/s, rad/s.
    """
    if len(motion) == 0:
        return np.zeros((len(stamps_ns), 3))
    velocity = motion / (np.diff(stamps_ns) / 1e9)[:, None]
    return np.vstack([velocity[:1], velocity])
