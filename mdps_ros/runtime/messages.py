"""ROS messages -> session events, by attribute names only: no ROS import, no clock, no log.

The live node hands in rclpy messages, bag replay hands in those of rosbags; both go through
these functions, so the two cannot diverge. What cannot be used comes back as a Note.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import (
    ColourImageEvent,
    DepthImageEvent,
    ImageEvent,
    InitialPoseEvent,
    OdometryEvent,
    PinholeCamera,
)

Extrinsics = Callable[[str], "NDArray[np.float64] | None"]
"""Frame id of a camera -> (4, 4) base <- camera, or None while it is unknown."""

Placement = Callable[[str, int], "NDArray[np.float64] | None"]
"""Frame id and stamp ns (0: now) -> (4, 4) map <- frame, or None while it is unknown."""

DEPTH_ENCODINGS: dict[str, tuple[str, float]] = {"32FC1": ("f4", 1.0), "16UC1": ("u2", 1e-3)}
"""Encoding -> (numpy type code without byte order, metres per unit), see REP-118."""

COLOUR_ENCODINGS: dict[str, tuple[int, tuple[int, int, int]]] = {
    "rgb8": (3, (0, 1, 2)),
    "bgr8": (3, (2, 1, 0)),
    "rgba8": (4, (0, 1, 2)),
    "bgra8": (4, (2, 1, 0)),
    "mono8": (1, (0, 0, 0)),
    "8UC1": (1, (0, 0, 0)),
    "8UC3": (3, (2, 1, 0)),
}
"""Encoding -> (bytes per pixel, which of them are red, green, blue); 8UC3 is OpenCV's order."""

_PLANAR = np.ix_((0, 1, 5), (0, 1, 5))  # x, y, yaw of the row-major x y z roll pitch yaw


def _bad(text: str) -> Note:
    return Note(Code.BAD_MESSAGE, Severity.WARN, text)


def stamp_ns(header: Any) -> int:
    """Stamp of a std_msgs/Header, integer nanoseconds."""
    return int(header.stamp.sec) * 1_000_000_000 + int(header.stamp.nanosec)


def _unit_quaternion(rotation: Any) -> NDArray[np.float64] | None:
    """(4,) x y z w of unit length, or None when it has no direction."""
    q = np.array([rotation.x, rotation.y, rotation.z, rotation.w], dtype=np.float64)
    norm = float(np.linalg.norm(q))
    return q / norm if math.isfinite(norm) and norm > 1e-6 else None


def _planar_pose(pose: Any) -> NDArray[np.float64] | None:
    """(3,) x m, y m, yaw rad of a geometry_msgs/Pose; None when it is not finite."""
    q = _unit_quaternion(pose.orientation)
    if q is None or not (math.isfinite(pose.position.x) and math.isfinite(pose.position.y)):
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
        return _bad("odometry pose is not finite or its quaternion is zero; check the odometry")
    return OdometryEvent(stamp_ns=stamp_ns(msg.header), T_odom_base=pose)


def depth_image(msg: Any) -> NDArray[np.float32] | Note:
    """(height, width) float32 m along the optical axis of a sensor_msgs/Image; NaN is no depth.

    Takes 32FC1 (metres) and 16UC1 (millimetres), either byte order, padded rows. Zero, negative
    and non-finite depths become NaN (REP-118: 0 or NaN no return, -inf too near, +inf too far).
    """
    if msg.encoding not in DEPTH_ENCODINGS:
        known = " or ".join(DEPTH_ENCODINGS)
        return _bad(f"image encoding {msg.encoding!r} is no depth; publish {known}")
    code, metres = DEPTH_ENCODINGS[msg.encoding]
    kind = np.dtype((">" if msg.is_bigendian else "<") + code)
    rows = _pixel_rows(msg, kind.itemsize)
    if isinstance(rows, Note):
        return rows
    depth: NDArray[np.float32] = rows.view(kind).astype(np.float32) * np.float32(metres)
    depth[~(np.isfinite(depth) & (depth > 0.0))] = np.nan
    return depth


def colour_image(msg: Any) -> NDArray[np.uint8] | Note:
    """(height, width, 3) uint8 red, green, blue of a sensor_msgs/Image.

    Takes the encodings of COLOUR_ENCODINGS, with padded rows; grey fills all three.
    """
    if msg.encoding not in COLOUR_ENCODINGS:
        known = ", ".join(COLOUR_ENCODINGS)
        return _bad(f"image encoding {msg.encoding!r} is no colour; publish one of {known}")
    size, order = COLOUR_ENCODINGS[msg.encoding]
    rows = _pixel_rows(msg, size)
    if isinstance(rows, Note):
        return rows
    return rows.reshape(int(msg.height), int(msg.width), size)[..., list(order)]


def _pixel_rows(msg: Any, pixel_bytes: int) -> NDArray[np.uint8] | Note:
    """(height, width * pixel_bytes) of a sensor_msgs/Image without the padding of its rows."""
    height, width, step = int(msg.height), int(msg.width), int(msg.step)
    size, used = len(msg.data), width * pixel_bytes
    if height < 1 or width < 1 or step < used or size != step * height:
        return _bad(
            f"image of {width} x {height} {msg.encoding} has step {step} and {size} bytes; "
            "the publisher fills step or data wrongly"
        )
    rows = np.frombuffer(msg.data, dtype=np.uint8).reshape(height, step)
    return np.ascontiguousarray(rows[:, :used])


def pinhole_camera(msg: Any) -> PinholeCamera | Note:
    """Intrinsics of the rectified image of a sensor_msgs/CameraInfo: P, or K where P is zero."""
    width, height = int(msg.width), int(msg.height)
    p, k = np.asarray(msg.p, dtype=np.float64), np.asarray(msg.k, dtype=np.float64)
    matrix = p.reshape(3, 4)[:, :3] if p[0] != 0.0 else k.reshape(3, 3)
    fx, fy, cx, cy = (float(matrix[i]) for i in ((0, 0), (1, 1), (0, 2), (1, 2)))
    sane = (
        min(width, height) > 0
        and bool(np.isfinite(matrix).all())
        and 0.05 * width < fx < 100.0 * width
        and 0.05 * height < fy < 100.0 * height
        and -width < cx < 2 * width
        and -height < cy < 2 * height
    )
    if not sane:
        return _bad(
            f"camera_info of {width} x {height} pixels has fx {fx:g}, fy {fy:g}, cx {cx:g}, "
            f"cy {cy:g}; calibrate the camera"
        )
    return PinholeCamera(width=width, height=height, fx=fx, fy=fy, cx=cx, cy=cy)


def initial_pose_event(
    msg: Any, map_frame: str, placement: Placement | None = None
) -> InitialPoseEvent | Note:
    """A pose with covariance, as RViz's `2D Pose Estimate` publishes it.

    Zero covariance is kept (the session floors it). A frame of unknown place, a non-finite number
    or a covariance that is none is a BAD_MESSAGE.

    Args:
        msg: geometry_msgs/PoseWithCovarianceStamped.
        map_frame: what needs no placement.
        placement: of other frames; None refuses them.
    """
    pose = _planar_pose(msg.pose.pose)
    covariance = _planar_covariance(msg.pose.covariance)
    if pose is None or covariance is None:
        return _bad("initialpose is not finite or its quaternion is zero")
    spectrum = np.linalg.eigvalsh(covariance)
    if spectrum[0] < -1e-6 * max(1.0, float(spectrum[-1])):
        return _bad("initialpose covariance has a negative eigenvalue; send a covariance matrix")
    stamp, frame = stamp_ns(msg.header), msg.header.frame_id
    if frame != map_frame:
        T_map_frame = placement(frame, stamp) if placement and frame else None
        if T_map_frame is None:
            return _bad(
                f"initialpose is in frame {frame!r}, which no transform ties to {map_frame!r}; "
                f"send it in {map_frame!r}"
            )
        pose, covariance = _moved(T_map_frame, pose, float(msg.pose.pose.position.z), covariance)
    return InitialPoseEvent(stamp_ns=stamp, T_map_base=pose, covariance=covariance)


def _planar_covariance(full: Any) -> NDArray[np.float64] | None:
    """(3, 3) of (x, y, yaw) out of a row-major 6 x 6; None when it is not finite."""
    matrix = np.asarray(full, dtype=np.float64).reshape(6, 6)
    covariance: NDArray[np.float64] = (0.5 * (matrix + matrix.T))[_PLANAR]
    return covariance if np.isfinite(covariance).all() else None


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


class Inputs:
    """Makes events of a camera's messages: an image needs intrinsics and extrinsics.

    Args:
        extrinsics: camera frame id -> (4, 4) base <- camera, or None while it is unknown.
    """

    def __init__(self, extrinsics: Extrinsics) -> None:
        self._extrinsics = extrinsics
        self._camera: PinholeCamera | None = None

    def camera_info(self, msg: Any) -> tuple[Note, ...]:
        """Keep a sensor_msgs/CameraInfo for the images to come; a bad one changes nothing."""
        camera = pinhole_camera(msg)
        if isinstance(camera, Note):
            return (camera,)
        self._camera = camera
        return ()

    def image(self, msg: Any) -> ImageEvent | Note:
        """A sensor_msgs/Image with depth or colour, together with the latest intrinsics.

        Returns:
            The event, or a Note with BAD_MESSAGE, NO_CAMERA_INFO or NO_EXTRINSICS.
        """
        if msg.encoding not in (*DEPTH_ENCODINGS, *COLOUR_ENCODINGS):
            known = f"depth as {' or '.join(DEPTH_ENCODINGS)}, colour as "
            known += ", ".join(COLOUR_ENCODINGS)
            return _bad(f"image encoding {msg.encoding!r} is not known; publish {known}")
        view = self._view(msg)
        if isinstance(view, Note):
            return view
        camera, T_base_camera = view
        stamp = stamp_ns(msg.header)
        if msg.encoding in DEPTH_ENCODINGS:
            depth = depth_image(msg)
            if isinstance(depth, Note):
                return depth
            return DepthImageEvent(
                stamp_ns=stamp, depth=depth, camera=camera, T_base_camera=T_base_camera
            )
        rgb = colour_image(msg)
        if isinstance(rgb, Note):
            return rgb
        return ColourImageEvent(stamp_ns=stamp, rgb=rgb, camera=camera, T_base_camera=T_base_camera)

    def _view(self, msg: Any) -> tuple[PinholeCamera, NDArray[np.float64]] | Note:
        """Intrinsics and place of the camera that made an image."""
        camera, frame = self._camera, msg.header.frame_id
        if camera is None:
            text = "no usable camera_info yet; publish it beside the image"
            return Note(Code.NO_CAMERA_INFO, Severity.WARN, text)
        if (int(msg.height), int(msg.width)) != (camera.height, camera.width):
            return _bad(
                f"image is {msg.width} x {msg.height} pixels, camera_info says "
                f"{camera.width} x {camera.height}; publish the one that belongs to the image"
            )
        T_base_camera = self._extrinsics(frame)
        if T_base_camera is None:
            text = f"no transform from camera frame {frame!r} to the base; publish it on /tf_static"
            return Note(Code.NO_EXTRINSICS, Severity.WARN, text)
        return camera, T_base_camera
