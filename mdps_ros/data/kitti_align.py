"""Place KITTI poses on Earth: fit the pose track to the RTK-GPS track."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.errors import DataError

OXTS_IN_CAMERA = np.array([-0.32, 0.72, -1.08])
"""Origin of the GPS/IMU unit in the frame of camera 0, m; without it the fit is off by 1 m."""

ALIGNED_M = 1.5
"""Root mean square distance between the tracks, m, below which they belong together."""

_EQUATOR_M = 6378137.0
_ECCENTRICITY2 = 6.69437999014e-3


@dataclass(frozen=True, slots=True)
class TangentPlane:
    """Metres east and north of a point on the WGS 84 ellipsoid, linear in the angles.

    Good for a few kilometres; exact in both directions, so going there and back loses nothing.

    Attributes:
        latitude_deg: degrees north of the origin.
        longitude_deg: degrees east of the origin.
    """

    latitude_deg: float
    longitude_deg: float

    @property
    def _metres_per_degree(self) -> NDArray[np.float64]:
        """(2,) m per degree of latitude (meridian radius) and of longitude (prime vertical)."""
        latitude = np.radians(self.latitude_deg)
        root = 1 - _ECCENTRICITY2 * np.sin(latitude) ** 2
        meridian = _EQUATOR_M * (1 - _ECCENTRICITY2) / root**1.5
        vertical = _EQUATOR_M / np.sqrt(root)
        return np.radians([meridian, vertical * np.cos(latitude)])

    def to_metres(self, latlon: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) degrees latitude, longitude -> (N, 2) m east, north."""
        origin = [self.latitude_deg, self.longitude_deg]
        return np.asarray(((latlon - origin) * self._metres_per_degree)[:, ::-1])

    def to_degrees(self, xy: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) m east, north -> (N, 2) degrees latitude, longitude."""
        origin = np.array([self.latitude_deg, self.longitude_deg])
        return np.asarray(xy[:, ::-1] / self._metres_per_degree + origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """Camera poses on Earth.

    Attributes:
        latlon: (T, 2) degrees, latitude and longitude of camera 0.
        yaw: (T,) rad, direction of the optical axis, counter-clockwise from east.
        offset: RTK point that belongs to the first pose.
        residual_m: root mean square distance between the fitted tracks.
    """

    latlon: NDArray[np.float64]
    yaw: NDArray[np.float64]
    offset: int
    residual_m: float


def align(poses: NDArray[np.float64], rtk: NDArray[np.float64]) -> Alignment:
    """Fit camera poses to an RTK track by a rigid motion without scale.

    The raw drive may begin before the sequence: where the first points do not fit, the offset
    with the smallest residual is taken.

    Args:
        poses: (T, 4, 4) first camera <- camera.
        rtk: (P, 3) latitude deg, longitude deg, altitude m, one point per raw frame.

    Returns:
        The poses on Earth.

    Raises:
        DataError: the track is shorter than the poses, or fits nowhere.
    """
    spare = len(rtk) - len(poses)
    if spare < 0:
        raise DataError(
            f"the RTK track has {len(rtk)} points for {len(poses)} poses; fetch it again"
        )
    plane = TangentPlane(float(rtk[0, 0]), float(rtk[0, 1]))
    track = np.column_stack([plane.to_metres(rtk[:, :2]), rtk[:, 2] - rtk[0, 2]])
    imu = poses[:, :3, :3] @ OXTS_IN_CAMERA + poses[:, :3, 3]
    offset, residual = _best_offset(imu, track, spare)
    if residual > ALIGNED_M:
        raise DataError(
            f"the poses fit the RTK track nowhere better than {residual:.1f} m; "
            "do both files belong to the same sequence?"
        )
    rotation, shift = rigid_fit(imu, track[offset : offset + len(imu)])
    camera = poses[:, :3, 3] @ rotation.T + shift
    forward = poses[:, :3, 2] @ rotation.T
    return Alignment(
        latlon=plane.to_degrees(camera[:, :2]),
        yaw=np.arctan2(forward[:, 1], forward[:, 0]),
        offset=offset,
        residual_m=residual,
    )


def rigid_fit(
    source: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rotation (3, 3) and shift (3,) that bring (N, 3) points onto (N, 3) points.

    Least squares without scale (Kabsch 1976, "A solution for the best rotation to relate two
    sets of vectors"): target ~ rotation @ source + shift.
    """
    source_mean, target_mean = source.mean(axis=0), target.mean(axis=0)
    u, _, vt = np.linalg.svd((target - target_mean).T @ (source - source_mean))
    keep_handed = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ keep_handed @ vt
    return rotation, target_mean - rotation @ source_mean


def _residual(source: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    rotation, shift = rigid_fit(source, target)
    return float(np.sqrt(((source @ rotation.T + shift - target) ** 2).sum(axis=1).mean()))


def _best_offset(
    imu: NDArray[np.float64], track: NDArray[np.float64], spare: int
) -> tuple[int, float]:
    """Offset of the first pose in the track, and the residual there."""
    at_start = _residual(imu, track[: len(imu)])
    if at_start <= ALIGNED_M or spare == 0:
        return 0, at_start
    some = np.linspace(0, len(imu) - 1, min(len(imu), 200)).astype(np.int64)
    coarse = [_residual(imu[some], track[some + k]) for k in range(spare + 1)]
    offset = int(np.argmin(coarse))
    return offset, _residual(imu, track[offset : offset + len(imu)])
