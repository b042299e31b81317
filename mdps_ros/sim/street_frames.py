"""Single frames of streets for training: a shard is one day on one map."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import shapely
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Building, RoadNetwork
from mdps_ros.sim.drive import DriveLimits, drive_route
from mdps_ros.sim.route import RouteStyle, build_graph, random_route, without_buildings
from mdps_ros.sim.street_camera import StreetCamera
from mdps_ros.sim.street_look import draw_look
from mdps_ros.sim.street_world import Street, StreetWorld, render_frame

ROUTE_M = 300.0
SPARE_M = 40.0  # of the route, which rounding corners shortens
SPACING_M = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameStyle:
    """How frames are drawn.

    Attributes:
        lateral_sd_m: of the vehicle about its lane.
        yaw_sd_rad: of the vehicle about its lane.
        tilt_sd_rad: pitch and roll of the vehicle.
        hfov_deg: (lowest, highest), one per route.
        up_m: (lowest, highest) height of the camera, one per route.
        forward_m: (lowest, highest) place of the camera, one per route.
        pitch_deg: (lowest, highest) mounting pitch, one per route.
        calibration_sd: relative error of focal length and height; the same share of a radian
            divided by two is that of the pitch.
        car_density: (lowest, highest) share of the kerb slots that are taken, one per shard.
        new_look: chance per frame of another look within a route.
    """

    lateral_sd_m: float = 0.7
    yaw_sd_rad: float = math.radians(4.0)
    tilt_sd_rad: float = math.radians(0.6)
    hfov_deg: tuple[float, float] = (70.0, 100.0)
    up_m: tuple[float, float] = (1.2, 2.0)
    forward_m: tuple[float, float] = (0.5, 2.0)
    pitch_deg: tuple[float, float] = (-2.0, 2.0)
    calibration_sd: float = 0.02
    car_density: tuple[float, float] = (0.05, 0.45)
    new_look: float = 0.25


class Frames(NamedTuple):
    """n frames; the columns of `camera` are what a localizer is told of the camera.

    Attributes:
        rgb: (n, H, W, 3) uint8.
        pose: (n, 3) float64 true T_map_base.
        camera: (n, 7) float32 nominal fx, fy, cx, cy px, forward m, up m, mounting pitch rad.
        depth: (n, H / 2, W / 2) float16 m along the optical axis, 0 where there is none.
        label: (n, H / 2, W / 2) uint8, see `StreetFrame`.
    """

    rgb: NDArray[np.uint8]
    pose: NDArray[np.float64]
    camera: NDArray[np.float32]
    depth: NDArray[np.float16]
    label: NDArray[np.uint8]


def draw_frames(
    street: Street,
    roads: RoadNetwork,
    buildings: tuple[Building, ...],
    inside: Bounds,
    count: int,
    style: FrameStyle,
    generator: np.random.Generator,
) -> Frames:
    """Drive routes on one day and look around.

    Args:
        street: of the map.
        roads: where one may drive.
        buildings: what one may not drive through.
        inside: where the vehicle stays, m.
        count: number of frames.
        style: magnitudes.
        generator: source of randomness.

    Raises:
        ValueError: the bounds hold no route of 300 m.
    """
    world = StreetWorld(street, generator.uniform(*style.car_density), generator)
    graph = build_graph(without_buildings(roads, buildings))
    solid = shapely.STRtree([shapely.Polygon(b.exterior, b.holes) for b in buildings])
    routes = RouteStyle(margin_m=15.0)
    frames: list[Frames] = []
    while sum(len(frame.pose) for frame in frames) < count:
        route = random_route(graph, inside, ROUTE_M + SPARE_M, generator, routes)
        try:
            drive = drive_route(route, ROUTE_M, DriveLimits(), generator, start_ns=0)
        except ValueError:  # its corners took more than SPARE_M
            continue
        travelled = np.concatenate(
            [[0.0], np.cumsum(np.hypot(*np.diff(drive.poses[:, :2], axis=0).T))]
        )
        at = np.arange(generator.uniform(0, SPACING_M), travelled[-1], SPACING_M)
        poses = drive.poses[np.searchsorted(travelled, at)]
        frames.append(_look_around(world, _moved(poses, style, generator), solid, style, generator))
    return Frames(
        np.concatenate([part.rgb for part in frames])[:count],
        np.concatenate([part.pose for part in frames])[:count],
        np.concatenate([part.camera for part in frames])[:count],
        np.concatenate([part.depth for part in frames])[:count],
        np.concatenate([part.label for part in frames])[:count],
    )


def true_camera(
    nominal: StreetCamera, calibration_sd: float, generator: np.random.Generator
) -> StreetCamera:
    """The camera as it is, when `nominal` is what its calibration says."""
    focal, height, pitch = calibration_sd * generator.standard_normal(3)
    half = math.tan(nominal.hfov_rad / 2) / (1 + focal)
    return replace(
        nominal,
        hfov_rad=2 * math.atan(half),
        up_m=nominal.up_m * (1 + height),
        pitch_rad=nominal.pitch_rad + pitch / 2,
    )


def _moved(
    poses: NDArray[np.float64], style: FrameStyle, generator: np.random.Generator
) -> NDArray[np.float64]:
    left, turn = generator.standard_normal((2, len(poses)))
    across = np.stack([-np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=1)
    moved = poses[:, :2] + style.lateral_sd_m * left[:, None] * across
    return np.column_stack([moved, poses[:, 2] + style.yaw_sd_rad * turn])


def _look_around(
    world: StreetWorld,
    poses: NDArray[np.float64],
    solid: shapely.STRtree,
    style: FrameStyle,
    generator: np.random.Generator,
) -> Frames:
    nominal = StreetCamera(
        hfov_rad=math.radians(generator.uniform(*style.hfov_deg)),
        up_m=generator.uniform(*style.up_m),
        forward_m=generator.uniform(*style.forward_m),
        pitch_rad=math.radians(generator.uniform(*style.pitch_deg)),
    )
    camera = true_camera(nominal, style.calibration_sd, generator)
    ahead = poses[:, :2] + camera.forward_m * np.stack(
        [np.cos(poses[:, 2]), np.sin(poses[:, 2])], 1
    )
    inside = solid.query(shapely.points(ahead), predicate="dwithin", distance=0.5)[0]
    poses = np.delete(poses, np.unique(inside), axis=0)
    rays, look = camera.rays(), draw_look(generator)
    made = []
    for pose in poses:
        if generator.random() < style.new_look:
            look = draw_look(generator)
        pitch, roll = style.tilt_sd_rad * generator.standard_normal(2)
        frame = render_frame(world, camera, rays, pose, (pitch, roll), look, generator)
        if np.nanmin(frame.depth[frame.label >= 20], initial=99.0) > 1.0:  # not inside of a car
            made.append((pose, frame))
    rgb = np.array([f.rgb for _, f in made], np.uint8).reshape(-1, nominal.height, nominal.width, 3)
    half = (len(made), nominal.height // 2, nominal.width // 2)
    depth = np.array([np.nan_to_num(f.depth[::2, ::2]) for _, f in made], np.float16)
    told = [nominal.fx, nominal.fy, nominal.cx, nominal.cy]
    told += [nominal.forward_m, nominal.up_m, nominal.pitch_rad]
    return Frames(
        rgb,
        np.array([p for p, _ in made]).reshape(-1, 3),
        np.tile(np.array(told, np.float32), (len(made), 1)),
        depth.reshape(half),
        np.array([f.label[::2, ::2] for _, f in made], np.uint8).reshape(half),
    )
