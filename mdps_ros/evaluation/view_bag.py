"""A run as one .mcap file that Foxglove, Lichtblick and `ros2 bag play` open.

Topics carry the node's names, so that one layout (config/foxglove.json) serves both.
"""

from __future__ import annotations

import heapq
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import WriterError

from mdps_ros.data import ros_messages
from mdps_ros.data import view_messages as view
from mdps_ros.data.bag_writer import Entry, write_entries
from mdps_ros.evaluation.html_map import MARGIN_M, POINTS_MAX, likely_points
from mdps_ros.evaluation.html_report import Look
from mdps_ros.evaluation.metrics import errors
from mdps_ros.evaluation.run import RunError, Trace
from mdps_ros.maps import Map
from mdps_ros.maps.shapes import drawn_window, house_rings, road_quads
from mdps_ros.runtime.outputs import State

MAP, BASE, CAMERA = "map", "base_link", "camera"
TYPES = {
    "/map_markers": "visualization_msgs/msg/MarkerArray",
    "/tf": "tf2_msgs/msg/TFMessage",
    "/pose": "geometry_msgs/msg/PoseWithCovarianceStamped",
    "/truth": "geometry_msgs/msg/PoseStamped",
    "/path": "nav_msgs/msg/Path",
    "/hypothesis_markers": "visualization_msgs/msg/MarkerArray",
    "/particle_cloud": "sensor_msgs/msg/PointCloud2",
    "/overlay": "sensor_msgs/msg/CompressedImage",
    "/run/state": "std_msgs/msg/String",
    "/run/top_mass": "std_msgs/msg/Float64",
    "/run/particles": "std_msgs/msg/Float64",
    "/run/two_sigma_m": "std_msgs/msg/Float64",
    "/run/error_m": "std_msgs/msg/Float64",
}
"""Topics and their types."""
PATH_EVERY = 20
"""Estimates between two paths."""
WHITE: view.Colour = (1.0, 1.0, 1.0, 1.0)
BROWN: view.Colour = (0.55, 0.49, 0.45, 1.0)


def write_view(path: Path, trace: Trace, map: Map, looks: Sequence[Look] = ()) -> None:
    """Write the recording.

    Args:
        path: .mcap file; one that is there is replaced.
        trace: the run.
        map: what it ran on.
        looks: overlays.

    Raises:
        RunError: it cannot be written.
    """
    nursery = path.parent / f".{path.name}.partial"
    shutil.rmtree(nursery, ignore_errors=True)
    entries = heapq.merge(
        _map_entries(trace, map),
        _estimates(trace),
        _clouds(trace),
        (
            Entry(
                look.stamp_ns,
                3,
                "/overlay",
                view.jpeg_image(look.stamp_ns, CAMERA, look.jpeg),
            )
            for look in looks
        ),
        key=lambda entry: entry[:2],
    )
    span = (int(trace.stamps_ns[0]), int(trace.stamps_ns[-1]))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_entries(nursery / "view", entries, TYPES, span, latched=("/map_markers",))
        (nursery / "view" / "view.mcap").replace(path)
    except (WriterError, OSError) as error:
        raise RunError(f"cannot write {path}: {error}") from error
    finally:
        shutil.rmtree(nursery, ignore_errors=True)


def _map_entries(trace: Trace, map: Map) -> Iterator[Entry]:
    """Streets as triangles, houses as outlines."""
    stamp = int(trace.stamps_ns[0])
    window = drawn_window(likely_points(trace), MARGIN_M, map.bounds)
    quads = road_quads(map.roads, window)[: POINTS_MAX // 6]
    corners = quads[:, [0, 1, 2, 0, 2, 3]].reshape(-1, 2)
    rings = house_rings(map.buildings, window, POINTS_MAX)
    edges = [np.stack([ring, np.roll(ring, -1, axis=0)], axis=1).reshape(-1, 2) for ring in rings]
    lines = np.concatenate(edges) if edges else np.zeros((0, 2))
    drawn = (
        ("roads", view.TRIANGLE_LIST, corners, (1.0, 1.0, 1.0), WHITE),
        ("buildings", view.LINE_LIST, lines, (0.4, 0.0, 0.0), BROWN),
    )
    items = [
        view.marker(stamp, MAP, name, 0, kind, scale=scale, colour=colour, points=points)
        for name, kind, points, scale, colour in drawn
    ]
    yield Entry(stamp, 0, "/map_markers", view.markers(items))


def _estimates(trace: Trace) -> Iterator[Entry]:
    error = errors(trace.estimate, trace.truth).position_m
    spread = trace.covariance[:, 0, 0] + trace.covariance[:, 1, 1]
    for index, stamp in enumerate(trace.stamps_ns.tolist()):
        pose, covariance = trace.estimate[index], trace.covariance[index]
        said: dict[str, Any] = {
            "/tf": ros_messages.transform(stamp, MAP, BASE, pose),
            "/pose": view.pose_with_covariance(stamp, MAP, pose, covariance),
            "/hypothesis_markers": _hypotheses(trace, index),
            "/run/state": view.words(State(int(trace.states[index])).name),
            "/run/top_mass": view.number(trace.top_mass[index]),
            "/run/particles": view.number(trace.particles[index]),
            "/run/two_sigma_m": view.number(2.0 * max(spread[index], 0.0) ** 0.5),
        }
        if np.isfinite(error[index]):
            said["/truth"] = view.pose_stamped(stamp, MAP, trace.truth[index])
            said["/run/error_m"] = view.number(error[index])
        if index % PATH_EVERY == 0 or index == len(trace.stamps_ns) - 1:
            said["/path"] = _path(trace, index)
        for topic, message in said.items():
            yield Entry(stamp, 1, topic, message)


def _path(trace: Trace, index: int) -> Any:
    """The estimates so far, while tracking."""
    claimed = np.flatnonzero(trace.states[: index + 1] == State.TRACKING.value)
    stamps = trace.stamps_ns[claimed].tolist()
    return view.path(int(trace.stamps_ns[index]), MAP, stamps, trace.estimate[claimed])


def _hypotheses(trace: Trace, index: int) -> Any:
    """An arrow and a share per place in the marker array; places that are gone have no size."""
    stamp, items = int(trace.stamps_ns[index]), []
    for rank, mass in enumerate(trace.mode_mass[index].tolist()):
        pose = trace.modes[index, rank]
        alive = mass > 0.0 and bool(np.isfinite(pose).all())
        colour = (0.07, 0.35, 0.76, 0.2 + 0.7 * mass if alive else 0.0)
        pose = pose if alive else np.zeros(3)
        for name, kind, size in (
            ("arrow", view.ARROW, (8.0, 2.0, 0.5)),
            ("share", view.TEXT, (0.0, 0.0, 4.0)),
        ):
            items.append(
                view.marker(
                    stamp,
                    MAP,
                    name,
                    rank,
                    kind,
                    scale=size,
                    colour=colour,
                    pose=pose,
                    text=f"{100.0 * mass:.0f} %" if kind == view.TEXT and alive else "",
                )
            )
    return view.markers(items)


def _clouds(trace: Trace) -> Iterator[Entry]:
    for snapshot in trace.snapshots:
        stamp = snapshot.stamp_ns
        message = view.cloud(stamp, MAP, snapshot.poses, snapshot.weights)
        yield Entry(stamp, 2, "/particle_cloud", message)
