"""What a session is told. Stamps are integer nanoseconds of the messages, never arrival times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.recording import CameraModel
from mdps_ros.settings import Settings

if TYPE_CHECKING:
    from mdps_ros.runtime.keeping.belief_file import SavedBelief
    from mdps_ros.runtime.other_map import ReadyMap


@dataclass(frozen=True, slots=True, kw_only=True)
class OdometryEvent:
    """One odometry sample.

    Attributes:
        stamp_ns: measurement time.
        T_odom_base: (3,) float64 x m, y m, yaw rad of the base in the odometry frame.
    """

    stamp_ns: int
    T_odom_base: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class PinholeCamera:
    """Rectified pinhole intrinsics, pixels; pixel centres at integer coordinates."""

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float

    @classmethod
    def of(cls, camera: CameraModel) -> PinholeCamera:
        """The intrinsics of a camera, without its mounting."""
        return cls(
            width=camera.width,
            height=camera.height,
            fx=camera.fx,
            fy=camera.fy,
            cx=camera.cx,
            cy=camera.cy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthImageEvent:
    """One rectified depth image.

    Attributes:
        stamp_ns: exposure time.
        depth: (height, width) float32 m along the optical axis; NaN where there is none.
        camera: intrinsics of this image.
        T_base_camera: (4, 4) float64, base <- optical frame (x right, y down, z forward).
    """

    stamp_ns: int
    depth: NDArray[np.float32]
    camera: PinholeCamera
    T_base_camera: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourImageEvent:
    """One rectified colour image.

    Attributes:
        stamp_ns: exposure time.
        rgb: (height, width, 3) uint8.
        camera: intrinsics of this image.
        T_base_camera: (4, 4) float64, base <- optical frame (x right, y down, z forward).
    """

    stamp_ns: int
    rgb: NDArray[np.uint8]
    camera: PinholeCamera
    T_base_camera: NDArray[np.float64]


ImageEvent = DepthImageEvent | ColourImageEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialPoseEvent:
    """A pose somebody believes in; the filter restarts around it.

    Attributes:
        stamp_ns: time the pose is valid at; 0 means now, that is, the newest odometry.
        T_map_base: (3,) float64 x m, y m, yaw rad.
        covariance: (3, 3) float64 of (x, y, yaw); zeros are floored.
        told: False for a mere guess, that is, a place to search around: what is found there has to
            be confirmed before it is claimed.
    """

    stamp_ns: int
    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]
    told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceEvent:
    """Where somebody else sees the vehicle: one measurement among others, not a start.

    Attributes:
        stamp_ns: time of the measurement; 0 means now, that is, the next update.
        name: of the measurement, `fix` or `pose_prior`.
        T_map_base: (3,) float64 x m, y m, yaw rad.
        covariance: (3, 3) float64 of (x, y, yaw); floored as that of InitialPoseEvent.
        with_yaw: whether yaw and its covariance mean anything.
    """

    stamp_ns: int
    name: str
    T_map_base: NDArray[np.float64]
    covariance: NDArray[np.float64]
    with_yaw: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalStartEvent:
    """Forget the pose and start over the whole map, or over a part of it.

    Attributes:
        heading: (mean rad, standard deviation rad) ccw from east, or None when unknown.
        region: (P, 2) float64 m, corners of a polygon whose sides do not cross; None for all.
    """

    heading: tuple[float, float] | None = None
    region: NDArray[np.float64] | None = None


StartEvent = InitialPoseEvent | GlobalStartEvent
"""A request to begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateNowEvent:
    """Use the next image, or odometry where no camera is, although the vehicle has not moved."""


BACK_M = 100.0
"""Of travel after which nobody goes back to the belief of before a search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawEvent:
    """A start is no longer asked for: forget it where it still waits for odometry.

    Attributes:
        request: the event that asked for it; what has begun goes on...
        back: ...unless it is a search, and the belief of a vehicle that was tracked until then is
            wanted back.
    """

    request: StartEvent
    back: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreEvent:
    """Go on with a belief that was saved on this map.

    Odometry that continues the saved one moves it on; otherwise the vehicle has stood still.
    """

    saved: SavedBelief


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsEvent:
    """Go on by other settings, from the next event on; the belief stays as it is.

    Attributes:
        settings: the whole tree, of which only the live settings count (see `live_settings`).
    """

    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class MapEvent:
    """Go on on another map.

    A tracked vehicle stays so where both maps lie on Earth and it is on the new one: particles
    move to the same latitude and longitude. Otherwise the filter starts over the new map.

    Attributes:
        ready: see `Session.make_ready`.
    """

    ready: ReadyMap


Event = (
    OdometryEvent
    | ImageEvent
    | InitialPoseEvent
    | PlaceEvent
    | GlobalStartEvent
    | UpdateNowEvent
    | WithdrawEvent
    | RestoreEvent
    | SettingsEvent
    | MapEvent
)
