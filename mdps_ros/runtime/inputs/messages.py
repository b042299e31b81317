"""ROS messages -> session events, by attribute names only: no ROS import, no clock, no log.

The live node hands in rclpy messages, bag replay hands in those of rosbags; both go through
these functions, so the two cannot diverge. What cannot be used comes back as a Note.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds
from mdps_ros.maps import GeoAnchor
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import InitialPoseEvent, OdometryEvent, PlaceEvent

Placement = Callable[[str, int], "NDArray[np.float64] | None"]
"""Frame id and stamp ns (0: now) -> (4, 4) map <- frame, or None while it is unknown."""

FARTHEST = 1e8
"""m: beyond it there is no place on Earth, and float32 has no precision left."""
OFF_MAP_M = 200.0
"""m outside of a map's bounds that a vehicle may be said to be, beside the pose's own spread."""
WIDEST = 1e14
"""m^2: no variance on Earth is larger."""

NO_FIX = -1
"""STATUS_NO_FIX of sensor_msgs/NavSatStatus; what lies below says nothing (-2: not set)."""

_PLANAR = np.ix_((0, 1, 5), (0, 1, 5))  # x, y, yaw of the row-major x y z roll pitch yaw


def bad(text: str) -> Note:
    """A message that cannot be used, and why."""
    return Note(Code.BAD_MESSAGE, Severity.WARN, text)


def stamp_ns(header: Any) -> int:
    """Stamp of a std_msgs/Header, integer nanoseconds."""
    return time_ns(header.stamp)


def time_ns(time: Any) -> int:
    """A builtin_interfaces/Time, integer nanoseconds."""
    return int(time.sec) * 1_000_000_000 + int(time.nanosec)


def frame_name(frame_id: str) -> str:
    """A frame without the leading slash that ROS 1 gave it, and that tf2 refuses to look up."""
    return frame_id.lstrip("/")


def _unit_quaternion(rotation: Any) -> NDArray[np.float64] | None:
    """(4,) x y z w of unit length, or None when it has no direction."""
    q = np.array([rotation.x, rotation.y, rotation.z, rotation.w], dtype=np.float64)
    norm = float(np.linalg.norm(q))
    return q / norm if math.isfinite(norm) and norm > 1e-6 else None


def _planar_pose(pose: Any) -> NDArray[np.float64] | None:
    """(3,) x m, y m, yaw rad of a geometry_msgs/Pose; None when it is no place on Earth."""
    q = _unit_quaternion(pose.orientation)
    if q is None or not (abs(pose.position.x) < FARTHEST and abs(pose.position.y) < FARTHEST):
        return None
    x, y, z, w = q
    yaw = math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))
    return np.array([pose.position.x, pose.position.y, yaw], dtype=np.float64)


def odometry_event(msg: Any) -> OdometryEvent | Note:
    """Pose of a nav_msgs/Odometry; its covariance and twist are not used.

    The quaternion is normalised; a zero or non-finite pose is a BAD_MESSAGE.
    """
    pose = _planar_pose(msg.pose.pose)
    if pose is None:
        return bad("odometry pose is not finite or its quaternion is zero; check the odometry")
    return OdometryEvent(stamp_ns=stamp_ns(msg.header), T_odom_base=pose)


def initial_pose_event(
    msg: Any, map_frame: str, placement: Placement | None = None, name: str = "initialpose"
) -> InitialPoseEvent | Note:
    """A pose with covariance, as RViz's `2D Pose Estimate` publishes it.

    Zero covariance is kept (the session floors it). A frame of unknown place, a non-finite number
    or a covariance that is none is a BAD_MESSAGE.

    Args:
        msg: geometry_msgs/PoseWithCovarianceStamped.
        map_frame: what needs no placement.
        placement: of other frames; None refuses them.
        name: what the pose is called in a note.
    """
    found = _pose_on_map(name, msg, map_frame, placement)
    if isinstance(found, Note):
        return found
    pose, covariance = found
    return InitialPoseEvent(stamp_ns=stamp_ns(msg.header), T_map_base=pose, covariance=covariance)


def off_map(event: InitialPoseEvent, bounds: Bounds, name: str = "initialpose") -> Note | None:
    """Why a pose cannot be where the vehicle is on a map; None where it can.

    Args:
        event: the pose.
        bounds: of the map; a pose may lie some way outside, and farther where it is unsure.
        name: what the pose is called in the note.
    """
    x, y, _ = event.T_map_base.tolist()
    off = bounds.off(x, y)
    reach = 3.0 * math.sqrt(max(float(np.trace(event.covariance[:2, :2])), 0.0))
    if off <= OFF_MAP_M + reach:
        return None
    return bad(
        f"{name} ({x:.1f}, {y:.1f}) lies {off:.0f} m off the map; send metres in the map's frame, "
        "or load the map of that place"
    )


def pose_prior_event(
    msg: Any, map_frame: str, placement: Placement | None = None
) -> PlaceEvent | Note:
    """The same message as `initial_pose_event`, as one measurement among others."""
    found = _pose_on_map("pose_prior", msg, map_frame, placement)
    if isinstance(found, Note):
        return found
    return PlaceEvent(
        stamp_ns=stamp_ns(msg.header),
        name="pose_prior",
        T_map_base=found[0],
        covariance=found[1],
        with_yaw=True,
    )


def region(
    msg: Any, map_frame: str, placement: Placement | None = None
) -> NDArray[np.float64] | Note:
    """Corners (P, 2) m in the map frame of a geometry_msgs/PolygonStamped.

    Fewer than three corners, sides that cross, a number that is none and a frame of unknown place
    are a BAD_MESSAGE.

    Args:
        msg: the polygon; z is height above the frame's origin.
        map_frame: what needs no placement.
        placement: of other frames; None refuses them.
    """
    corners = np.array([[p.x, p.y, p.z, 1.0] for p in msg.polygon.points], np.float64)
    if len(corners) < 3 or not (np.abs(corners) < FARTHEST).all():
        return bad("the region is no polygon; give three finite corners or more, in metres")
    if not shapely.is_valid(shapely.Polygon(corners[:, :2])):
        return bad("the region's sides cross or touch; give the corners in the order of its border")
    T_map_frame = _tie(msg.header, map_frame, placement)
    if T_map_frame is None:
        return _untied("the region", msg.header, map_frame)
    placed: NDArray[np.float64] = (corners @ T_map_frame.T)[:, :2]
    return placed


def fix_event(msg: Any, anchor: GeoAnchor | None, usual_sd: float) -> PlaceEvent | Note:
    """A sensor_msgs/NavSatFix as a place on the map; the antenna is taken to be at the base.

    Args:
        msg: the fix; its covariance is that of east, north, up, m^2.
        anchor: where on Earth the map lies.
        usual_sd: m, of a fix that tells no covariance.
    """
    if msg.status.status == NO_FIX:
        return Note(Code.NO_FIX, Severity.INFO, "the GNSS receiver has no fix")
    if anchor is None:
        return bad("the map has no place on Earth, so fixes are of no use; give an OpenStreetMap")
    latitude, longitude = float(msg.latitude), float(msg.longitude)
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 180.0):
        return bad(f"fix ({latitude}, {longitude}) is no latitude and longitude in degrees")
    full = np.asarray(msg.position_covariance, dtype=np.float64).reshape(3, 3)
    covariance = np.eye(3) * usual_sd**2
    if msg.position_covariance_type != 0:
        covariance[:2, :2] = 0.5 * (full + full.T)[:2, :2]
    x, y = anchor.to_map(latitude, longitude)[0]
    sane = bool((np.abs(covariance) < WIDEST).all()) and max(abs(x), abs(y)) < FARTHEST
    if not sane:
        return bad(f"fix ({latitude}, {longitude}) or its covariance is not finite on this map")
    if np.linalg.eigvalsh(covariance)[0] < -1e-6 * max(1.0, float(covariance.max())):
        return bad("fix covariance has a negative eigenvalue; send a covariance matrix")
    return PlaceEvent(
        stamp_ns=stamp_ns(msg.header),
        name="fix",
        T_map_base=np.array([x, y, 0.0]),
        covariance=covariance,
        with_yaw=False,
    )


def _pose_on_map(
    name: str, msg: Any, map_frame: str, placement: Placement | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | Note:
    """Planar pose (3,) and covariance (3, 3) in the map frame."""
    pose = _planar_pose(msg.pose.pose)
    covariance = _planar_covariance(msg.pose.covariance)
    if pose is None or covariance is None:
        return bad(f"{name} is not finite or its quaternion is zero")
    spectrum = np.linalg.eigvalsh(covariance)
    if spectrum[0] < -1e-6 * max(1.0, float(spectrum[-1])):
        return bad(f"{name} covariance has a negative eigenvalue; send a covariance matrix")
    if frame_name(msg.header.frame_id) == map_frame:
        return pose, covariance
    T_map_frame = _tie(msg.header, map_frame, placement)
    if T_map_frame is None:
        return _untied(name, msg.header, map_frame)
    return _moved(T_map_frame, pose, float(msg.pose.pose.position.z), covariance)


def _tie(header: Any, map_frame: str, placement: Placement | None) -> NDArray[np.float64] | None:
    """(4, 4) map <- frame of a std_msgs/Header, None while that is unknown."""
    frame = frame_name(header.frame_id)
    if frame == map_frame:
        return np.eye(4)
    return placement(frame, stamp_ns(header)) if placement and frame else None


def _untied(name: str, header: Any, map_frame: str) -> Note:
    return bad(
        f"{name} is in frame {frame_name(header.frame_id)!r}, which no transform ties to "
        f"{map_frame!r}; send it in {map_frame!r}"
    )


def _planar_covariance(full: Any) -> NDArray[np.float64] | None:
    """(3, 3) of (x, y, yaw) out of a row-major 6 x 6; None when it is not finite."""
    matrix = np.asarray(full, dtype=np.float64).reshape(6, 6)
    covariance: NDArray[np.float64] = (0.5 * (matrix + matrix.T))[_PLANAR]
    return covariance if bool((np.abs(covariance) < WIDEST).all()) else None


def _moved(
    T_a_b: NDArray[np.float64],
    pose: NDArray[np.float64],
    height: float,
    covariance: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A planar pose of frame b, `height` m above its origin, and its covariance in frame a."""
    x, y, _, _ = T_a_b @ [pose[0], pose[1], height if math.isfinite(height) else 0.0, 1.0]
    turn = math.atan2(T_a_b[1, 0], T_a_b[0, 0])
    yaw = math.remainder(turn + pose[2], 2.0 * math.pi)
    cos, sin = math.cos(turn), math.sin(turn)
    rotation = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return np.array([x, y, yaw]), rotation @ covariance @ rotation.T


def transform_matrix(transform: Any) -> NDArray[np.float64] | None:
    """(4, 4) parent <- child of a geometry_msgs/Transform; None when it is not finite."""
    q = _unit_quaternion(transform.rotation)
    offset = transform.translation
    t = np.array([offset.x, offset.y, offset.z], dtype=np.float64)
    if q is None or not np.isfinite(t).all():
        return None
    x, y, z, w = q
    T = np.eye(4)
    T[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    T[:3, 3] = t
    return T
