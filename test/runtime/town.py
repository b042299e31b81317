"""A small town, drives in it, and what a session answers to them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mdps_ros.maps import GeoAnchor, Map, load_map
from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import (
    DepthImageEvent,
    Event,
    InitialPoseEvent,
    OdometryEvent,
    PinholeCamera,
)
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.outputs import Output, ParticleSnapshot, PoseEstimate
from mdps_ros.runtime.session import Session
from mdps_ros.settings import Settings
from mdps_ros.settings_file import from_mapping

ANCHOR = GeoAnchor(49.01, 8.40)
SECOND = 1_000_000_000
EASTWARD = (-150.0, 0.0, 100.0, 220.0)  # x of the streets that run north
NORTHWARD = (-100.0, 20.0, 140.0)  # y of the streets that run east
HOUSES = ((20.0, 40.0, 60.0, 90.0), (-100.0, -60.0, -40.0, -20.0))  # west, south, east, north
FAST: dict[str, dict[str, Any]] = {
    "filter": {
        "particles_min": 100,
        "particles_max": 1200,
        "start_spacing": 4.0,
        "kld_error": 0.05,
        "kld_bin": 1.5,
        "kld_bin_yaw": 0.26,
        "ess_fraction": 0.5,
        "bandwidth_position": 0.2,
        "bandwidth_yaw": 0.01,
        "update_distance": 2.0,
        "lost_fit": -50.0,
        "lost_distance": 40.0,
    },
    "motion": {
        "forward_noise": 0.1,
        "lateral_noise": 0.05,
        "yaw_noise": 0.003,
        "yaw_noise_time": 0.001,
        "scale_sd": 0.02,
        "yaw_bias_sd": 0.002,
        "slip_sd": 0.05,
        "wander_sd": 0.01,
        "weak_wander_sd": 0.05,
        "weak_share": 0.5,
        "wander_distance": 60.0,
        "scale_walk": 0.0005,
        "yaw_bias_walk": 0.0001,
        "slip_time": 2.0,
    },
    "road": {
        "lateral_free": 1.0,
        "lateral_sd": 1.0,
        "heading_sd": 0.06,
        "turning_sd": 0.3,
        "turning_share": 0.15,
        "off_road": 0.03,
        "off_heading": 0.05,
        "decorrelation": 6.0,
    },
    "depth": {"enabled": False, "points": 64, "decorrelation": 20.0, "tile_memory": 64.0},
    "camera": {"enabled": False},
    "estimate": {"mode_radius": 5.0, "mode_yaw": 0.8, "modes": 5, "claim_mass": 0.9},
    "runtime": {
        "device": "cpu",
        "seed": 3,
        "odometry_buffer": 10.0,
        "max_odometry_gap": 1.0,
        "camera_timeout": 1.0,
        "image_wait": 20,
    },
}


def fast_settings(**dotted: Any) -> Settings:
    """Few particles, all values given; keywords replace them, with `__` for the dot."""
    tree = {group: dict(items) for group, items in FAST.items()}
    for name, value in dotted.items():
        group, item = name.split("__")
        tree.setdefault(group, {})[item] = value
    return from_mapping(tree)


def town_map(
    folder: Path,
    eastward: Sequence[float] = EASTWARD,
    northward: Sequence[float] = NORTHWARD,
    houses: Sequence[tuple[float, float, float, float]] = HOUSES,
) -> Map:
    """Streets in a grid with unequal blocks, and a house in two of them."""
    columns, rows = range(len(eastward)), range(len(northward))
    crossings = {(i, j): 1 + i + 10 * j for i in columns for j in rows}
    places = {number: (eastward[i], northward[j]) for (i, j), number in crossings.items()}
    ways = [[crossings[i, j] for j in rows] for i in columns]
    ways += [[crossings[i, j] for i in columns] for j in rows]
    outlines = []
    for number, (x0, y0, x1, y1) in enumerate(houses):
        first = 100 + 10 * number
        corners = dict(enumerate([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], first))
        places |= corners
        outlines.append([*corners, first])
    degrees = ANCHOR.to_geodetic(list(places.values()))
    lines = ['<?xml version="1.0"?>', '<osm version="0.6">']
    for number, (latitude, longitude) in zip(places, degrees, strict=True):
        lines.append(f'<node id="{number}" lat="{latitude:.7f}" lon="{longitude:.7f}"/>')
    tagged = [(way, "highway", "residential") for way in ways]
    tagged += [(outline, "building", "yes") for outline in outlines]
    for number, (nodes, key, value) in enumerate(tagged, 1000):
        refs = "".join(f'<nd ref="{node}"/>' for node in nodes)
        lines.append(f'<way id="{number}">{refs}<tag k="{key}" v="{value}"/></way>')
    path = folder / "town.osm"
    path.write_text("\n".join([*lines, "</osm>"]), encoding="utf-8")
    return load_map(path, anchor=ANCHOR)


def floor_map(folder: Path) -> Map:
    """An occupancy map of 12 x 8 m: unknown, but for a free room of 4 x 2 m within walls."""
    pixels = np.full((80, 120), 205, np.uint8)
    pixels[20:42, 30:72] = 0
    pixels[21:41, 31:71] = 254
    Image.fromarray(pixels).save(folder / "floor.pgm")
    header = (
        "image: floor.pgm\nresolution: 0.1\norigin: [-3.0, 2.0, 0.0]\n"
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n"
    )
    (folder / "floor.yaml").write_text(header, encoding="utf-8")
    return load_map(folder / "floor.yaml")


def odometry(
    count: int,
    *,
    step: float = 1.0,
    turn: float = 0.0,
    dt: float = 0.1,
    first_s: float = 5.0,
    start: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> list[OdometryEvent]:
    """`count` samples, `dt` s and `step` m apart, turning `turn` rad each."""
    pose, events = np.array(start), []
    for i in range(count):
        stamp = round((first_s + i * dt) * SECOND)
        events.append(OdometryEvent(stamp_ns=stamp, T_odom_base=pose))
        pose = compose(pose, np.array([step, 0.0, turn]))
    return events


CAMERA = PinholeCamera(width=64, height=30, fx=40.0, fy=35.0, cx=31.5, cy=14.5)
MOUNT = np.array([[0.0, 0, 1, 1.5], [-1, 0, 0, 0], [0, -1, 0, 1.6], [0, 0, 0, 1]])


def wall_image() -> NDArray[np.float32]:
    """Flat ground up to a wall 9 m ahead."""
    down = (np.arange(CAMERA.height) - CAMERA.cy) / CAMERA.fy
    ground = np.where(down > 1e-3, 1.6 / np.maximum(down, 1e-3), np.inf)
    depth = np.minimum(ground, 9.0)[:, None].astype(np.float32)
    return np.repeat(depth, CAMERA.width, 1)


def images(stamps_s: Iterable[float]) -> list[DepthImageEvent]:
    """One image of `wall_image` at each stamp."""
    depth = wall_image()
    return [
        DepthImageEvent(
            stamp_ns=round(stamp * SECOND), depth=depth, camera=CAMERA, T_base_camera=MOUNT
        )
        for stamp in stamps_s
    ]


def answers(session: Session, events: Iterable[Event]) -> list[Output]:
    """Everything that the session says."""
    return [output for event in events for output in session.handle(event)]


def estimates(outputs: Iterable[Output]) -> list[PoseEstimate]:
    """The estimates among the outputs."""
    return [output for output in outputs if isinstance(output, PoseEstimate)]


def plain(value: Any) -> Any:
    """A value that compares by content, arrays bit for bit."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return type(value).__name__, [(name, plain(getattr(value, name))) for name in names]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


ON_STREET = np.array([-140.0, 18.5, 0.0])


def initial_pose(
    pose: np.ndarray = ON_STREET, covariance: np.ndarray | None = None, stamp_s: float = 0.0
) -> InitialPoseEvent:
    """A request; valid now unless it has a stamp."""
    return InitialPoseEvent(
        stamp_ns=round(stamp_s * SECOND),
        T_map_base=pose,
        covariance=np.zeros((3, 3)) if covariance is None else covariance,
    )


def notes(outputs: Sequence[Output], code: Code) -> list[Note]:
    """The notes of one kind."""
    return [output for output in outputs if isinstance(output, Note) and output.code is code]


def snapshots(outputs: Sequence[Output]) -> list[ParticleSnapshot]:
    """The beliefs."""
    return [output for output in outputs if isinstance(output, ParticleSnapshot)]
