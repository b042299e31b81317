"""Plain values -> messages that viewers draw: markers, clouds, paths (no ROS)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data.ros_messages import (
    header,
    new,
    planar_pose,
    point,
    six_by_six,
    vector,
)

ARROW, CYLINDER, LINE_STRIP, LINE_LIST, TEXT, TRIANGLE_LIST = 0, 3, 4, 5, 9, 11
"""Kinds of visualization_msgs/Marker."""
FLOAT32 = 7
"""Of sensor_msgs/PointField."""

Colour = tuple[float, float, float, float]
UPRIGHT = (0.0, 0.0, 0.0)


def marker(
    stamp_ns: int,
    frame: str,
    name: str,
    number: int,
    kind: int,
    *,
    scale: tuple[float, float, float],
    colour: Colour,
    pose: NDArray[np.float64] | Sequence[float] = UPRIGHT,
    points: NDArray[np.float64] | None = None,
    text: str = "",
) -> Any:
    """visualization_msgs/Marker.

    Args:
        stamp_ns: ns.
        frame: of all coordinates.
        name: namespace, which viewers show and hide as one.
        number: id within the namespace.
        kind: one of those above.
        scale: m; of lines the first is the width.
        colour: red, green, blue, opacity, 0..1.
        pose: (3,) x m, y m, yaw rad.
        points: (P, 2) or (P, 3) m, for lines and triangles.
        text: for TEXT.
    """
    corners = [] if points is None else [point(*xyz) for xyz in points]
    return new(
        "visualization_msgs/msg/Marker",
        header=header(stamp_ns, frame),
        ns=name,
        id=number,
        type=kind,
        action=0,
        pose=planar_pose(np.asarray(pose, dtype=np.float64)),
        scale=vector(*scale),
        color=_colour(colour),
        lifetime=new("builtin_interfaces/msg/Duration", sec=0, nanosec=0),
        frame_locked=False,
        points=corners,
        colors=[],
        text=text,
        mesh_resource="",
        mesh_use_embedded_materials=False,
        texture_resource="",
        texture=_no_texture(),
        uv_coordinates=[],
        mesh_file=new("visualization_msgs/msg/MeshFile", filename="", data=np.zeros(0, np.uint8)),
    )


def _no_texture() -> Any:
    return new(
        "sensor_msgs/msg/CompressedImage",
        header=header(0, ""),
        format="",
        data=np.zeros(0, np.uint8),
    )


def _colour(rgba: Colour) -> Any:
    red, green, blue, opacity = rgba
    return new("std_msgs/msg/ColorRGBA", r=red, g=green, b=blue, a=opacity)


def markers(items: Iterable[Any]) -> Any:
    """visualization_msgs/MarkerArray."""
    return new("visualization_msgs/msg/MarkerArray", markers=list(items))


def pose_with_covariance(
    stamp_ns: int, frame: str, pose: NDArray[np.float64], covariance: NDArray[np.float64]
) -> Any:
    """geometry_msgs/PoseWithCovarianceStamped of (3,) x, y, yaw and its (3, 3) covariance."""
    inner = new(
        "geometry_msgs/msg/PoseWithCovariance",
        pose=planar_pose(pose),
        covariance=six_by_six(covariance),
    )
    return new(
        "geometry_msgs/msg/PoseWithCovarianceStamped", header=header(stamp_ns, frame), pose=inner
    )


def pose_stamped(stamp_ns: int, frame: str, pose: NDArray[np.float64]) -> Any:
    """geometry_msgs/PoseStamped of (3,) x m, y m, yaw rad."""
    return new(
        "geometry_msgs/msg/PoseStamped", header=header(stamp_ns, frame), pose=planar_pose(pose)
    )


def path(stamp_ns: int, frame: str, stamps_ns: Iterable[int], poses: NDArray[np.float64]) -> Any:
    """nav_msgs/Path of (K, 3) poses."""
    inner = [pose_stamped(int(s), frame, p) for s, p in zip(stamps_ns, poses, strict=True)]
    return new("nav_msgs/msg/Path", header=header(stamp_ns, frame), poses=inner)


def cloud(
    stamp_ns: int, frame: str, poses: NDArray[np.float32], weights: NDArray[np.float32]
) -> Any:
    """sensor_msgs/PointCloud2 of (N, 3) poses: float32 x, y, z (zero), yaw, weight."""
    names = ("x", "y", "z", "yaw", "weight")
    x, y, yaw = poses.T
    table = np.stack([x, y, np.zeros_like(x), yaw, weights], axis=1).astype("<f4")
    fields = [
        new("sensor_msgs/msg/PointField", name=name, offset=4 * i, datatype=FLOAT32, count=1)
        for i, name in enumerate(names)
    ]
    return new(
        "sensor_msgs/msg/PointCloud2",
        header=header(stamp_ns, frame),
        height=1,
        width=len(table),
        fields=fields,
        is_bigendian=False,
        point_step=4 * len(names),
        row_step=4 * len(names) * len(table),
        data=np.frombuffer(table.tobytes(), np.uint8),
        is_dense=True,
    )


def jpeg_image(stamp_ns: int, frame: str, jpeg: bytes) -> Any:
    """sensor_msgs/CompressedImage."""
    return new(
        "sensor_msgs/msg/CompressedImage",
        header=header(stamp_ns, frame),
        format="jpeg",
        data=np.frombuffer(jpeg, np.uint8),
    )


def number(value: float) -> Any:
    """std_msgs/Float64."""
    return new("std_msgs/msg/Float64", data=float(value))


def words(text: str) -> Any:
    """std_msgs/String."""
    return new("std_msgs/msg/String", data=text)
