"""Plain values -> ROS 2 messages, with the message classes that rosbags carries (no ROS)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.typesys import Stores, get_typestore
from scipy.spatial.transform import Rotation

from mdps_ros.data.recording import CameraModel, MapAnchor

TYPESTORE = get_typestore(Stores.ROS2_HUMBLE)
"""Definitions of the oldest distribution; those used here are the same in Jazzy and Kilted."""

UNKNOWN_VARIANCE = 1e6
"""Variance of what a planar source does not measure (z, roll, pitch), m^2 or rad^2."""

DEPTH_ENCODINGS = ("16UC1", "32FC1")
"""Depth image encodings of REP 118: millimetres (0 is no depth), metres (NaN is no depth)."""


def new(name: str, /, **fields: Any) -> Any:
    """A message of a type, e.g. "nav_msgs/msg/Odometry"; all fields have to be given."""
    return TYPESTORE.types[name](**fields)


def header(stamp_ns: int, frame: str) -> Any:
    """std_msgs/Header."""
    seconds, nanoseconds = divmod(int(stamp_ns), 1_000_000_000)
    stamp = new("builtin_interfaces/msg/Time", sec=seconds, nanosec=nanoseconds)
    return new("std_msgs/msg/Header", stamp=stamp, frame_id=frame)


def odometry(
    stamp_ns: int,
    pose: NDArray[np.float64],
    twist: NDArray[np.float64],
    covariance: NDArray[np.float64] | None,
    frames: tuple[str, str],
) -> Any:
    """nav_msgs/Odometry.

    Args:
        stamp_ns: ns.
        pose: (3,) x m, y m, yaw rad.
        twist: (3,) forward m/s, left m/s, rad/s in the child frame.
        covariance: (3, 3) of the pose, or None: then all its variances are UNKNOWN_VARIANCE.
        frames: (frame of the pose, child frame).
    """
    known = np.eye(3) * UNKNOWN_VARIANCE if covariance is None else covariance
    return new(
        "nav_msgs/msg/Odometry",
        header=header(stamp_ns, frames[0]),
        child_frame_id=frames[1],
        pose=new(
            "geometry_msgs/msg/PoseWithCovariance",
            pose=planar_pose(pose),
            covariance=six_by_six(known),
        ),
        twist=new(
            "geometry_msgs/msg/TwistWithCovariance",
            twist=new(
                "geometry_msgs/msg/Twist",
                linear=vector(float(twist[0]), float(twist[1]), 0.0),
                angular=vector(0.0, 0.0, float(twist[2])),
            ),
            covariance=six_by_six(np.eye(3) * UNKNOWN_VARIANCE),
        ),
    )


def planar_pose(pose: NDArray[np.float64]) -> Any:
    """geometry_msgs/Pose of (3,) x m, y m, yaw rad."""
    return new(
        "geometry_msgs/msg/Pose", position=point(*pose[:2]), orientation=heading(float(pose[2]))
    )


def point(x: float, y: float, z: float = 0.0) -> Any:
    """geometry_msgs/Point."""
    return new("geometry_msgs/msg/Point", x=float(x), y=float(y), z=float(z))


def depth_image(stamp_ns: int, frame: str, depth: NDArray[np.float32], encoding: str) -> Any:
    """sensor_msgs/Image.

    Args:
        stamp_ns: ns.
        frame: optical frame.
        depth: (H, W) m, NaN where nothing was measured.
        encoding: one of DEPTH_ENCODINGS; 16UC1 rounds to millimetres and cannot say more than
            65.5 m: what is farther becomes no depth.
    """
    if encoding == "16UC1":
        # NaN compares false: what is not in range, and what is not there, both become 0.
        seen = (depth > 0) & (depth < 65.535)
        pixels = np.where(seen, np.round(depth * np.float32(1000)), 0).astype("<u2")
    else:
        pixels = depth.astype("<f4")
    return _image(stamp_ns, frame, pixels, encoding)


def colour_image(stamp_ns: int, frame: str, rgb: NDArray[np.uint8]) -> Any:
    """sensor_msgs/Image, encoding rgb8.

    Args:
        stamp_ns: ns.
        frame: optical frame.
        rgb: (H, W, 3).
    """
    return _image(stamp_ns, frame, rgb, "rgb8")


def _image(stamp_ns: int, frame: str, pixels: NDArray[Any], encoding: str) -> Any:
    """sensor_msgs/Image of (H, W, ...) pixels without padding."""
    rows, columns = pixels.shape[:2]
    data = np.frombuffer(pixels.tobytes(), dtype=np.uint8)
    return new(
        "sensor_msgs/msg/Image",
        header=header(stamp_ns, frame),
        height=rows,
        width=columns,
        encoding=encoding,
        is_bigendian=0,
        step=len(data) // rows,
        data=data,
    )


def camera_info(stamp_ns: int, frame: str, camera: CameraModel) -> Any:
    """sensor_msgs/CameraInfo of a rectified camera."""
    k = np.array([camera.fx, 0, camera.cx, 0, camera.fy, camera.cy, 0, 0, 1], dtype=np.float64)
    return new(
        "sensor_msgs/msg/CameraInfo",
        header=header(stamp_ns, frame),
        height=camera.height,
        width=camera.width,
        distortion_model="plumb_bob",
        d=np.zeros(5),
        k=k,
        r=np.eye(3).ravel(),
        p=np.hstack([k.reshape(3, 3), np.zeros((3, 1))]).ravel(),
        binning_x=0,
        binning_y=0,
        roi=new(
            "sensor_msgs/msg/RegionOfInterest",
            x_offset=0,
            y_offset=0,
            height=0,
            width=0,
            do_rectify=False,
        ),
    )


def transform(stamp_ns: int, parent: str, child: str, T_parent_child: NDArray[np.float64]) -> Any:
    """tf2_msgs/TFMessage with one transform.

    Args:
        stamp_ns: ns.
        parent: frame that the transform leads to.
        child: frame that it leads from.
        T_parent_child: parent <- child, (4, 4), or (3,) x m, y m, yaw rad.
    """
    if T_parent_child.shape == (3,):
        offset, turn = (*T_parent_child[:2], 0.0), heading(float(T_parent_child[2]))
    else:
        offset = tuple(T_parent_child[:3, 3])
        turn = quaternion(tuple(map(float, Rotation.from_matrix(T_parent_child[:3, :3]).as_quat())))
    stamped = new(
        "geometry_msgs/msg/TransformStamped",
        header=header(stamp_ns, parent),
        child_frame_id=child,
        transform=new(
            "geometry_msgs/msg/Transform",
            translation=vector(*(float(value) for value in offset)),
            rotation=turn,
        ),
    )
    return new("tf2_msgs/msg/TFMessage", transforms=[stamped])


def nav_sat_fix(stamp_ns: int, frame: str, anchor: MapAnchor) -> Any:
    """sensor_msgs/NavSatFix at the origin of a frame; its altitude is unknown (NaN)."""
    return new(
        "sensor_msgs/msg/NavSatFix",
        header=header(stamp_ns, frame),
        status=new("sensor_msgs/msg/NavSatStatus", status=0, service=1),
        latitude=float(anchor.latitude_deg),
        longitude=float(anchor.longitude_deg),
        altitude=float("nan"),
        position_covariance=np.zeros(9),
        position_covariance_type=0,
    )


def vector(x: float, y: float, z: float) -> Any:
    """geometry_msgs/Vector3."""
    return new("geometry_msgs/msg/Vector3", x=x, y=y, z=z)


def quaternion(xyzw: tuple[float, ...]) -> Any:
    """geometry_msgs/Quaternion."""
    x, y, z, w = xyzw
    return new("geometry_msgs/msg/Quaternion", x=x, y=y, z=z, w=w)


def heading(yaw: float) -> Any:
    """geometry_msgs/Quaternion of a turn about the vertical, rad."""
    return quaternion((0.0, 0.0, float(np.sin(yaw / 2)), float(np.cos(yaw / 2))))


def six_by_six(planar: NDArray[np.float64]) -> NDArray[np.float64]:
    """(36,) row-major covariance of x y z roll pitch yaw from that of x y yaw."""
    full = np.diag(np.full(6, UNKNOWN_VARIANCE))
    full[np.ix_((0, 1, 5), (0, 1, 5))] = planar
    return full.ravel()
