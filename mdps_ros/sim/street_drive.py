"""A simulated drive with a colour camera through rendered streets."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Building, RoadNetwork, Streetscape
from mdps_ros.sim.depth_camera import DepthErrors, tilt_track
from mdps_ros.sim.drive import Drive, DriveLimits, drive_route
from mdps_ros.sim.odometry import Odometry, OdometryErrors, interpolate_poses, measure_odometry
from mdps_ros.sim.route import RouteStyle, build_graph, random_route, without_buildings
from mdps_ros.sim.simulate import SPARE_ROUTE_M
from mdps_ros.sim.street_camera import StreetCamera
from mdps_ros.sim.street_frames import true_camera
from mdps_ros.sim.street_look import Look, draw_look
from mdps_ros.sim.street_traffic import Oncoming, draw_oncoming
from mdps_ros.sim.street_world import StreetFrame, StreetWorld, build_street, render_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetDriveStyle:
    """All magnitudes of a drive.

    Attributes:
        route: how the way is chosen.
        limits: how it is driven.
        odometry: odometry errors.
        camera: what the calibration says of the camera.
        calibration_sd: see `street_frames.FrameStyle`.
        tilt: pitch and roll of the vehicle; the rest is not used.
        weather: of `street_look.WEATHERS`; None draws one.
        car_density: (lowest, highest) share of the kerb slots that are taken.
        oncoming_m: (least, greatest) mean distance between oncoming cars, m.
        rate_hz: of images.
        start_ns: stamp of the first pose, ns; not zero, because ROS reads zero as "no time".
    """

    route: RouteStyle = field(default_factory=RouteStyle)
    limits: DriveLimits = field(default_factory=DriveLimits)
    odometry: OdometryErrors = field(default_factory=OdometryErrors)
    camera: StreetCamera = field(default_factory=StreetCamera)
    calibration_sd: float = 0.02
    tilt: DepthErrors = field(default_factory=lambda: DepthErrors(tilt_sd_rad=math.radians(0.6)))
    weather: str | None = None
    car_density: tuple[float, float] = (0.05, 0.45)
    oncoming_m: tuple[float, float] = (60.0, 400.0)
    rate_hz: float = 5.0
    start_ns: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetDrive:
    """A drive with everything that its sensors report.

    Attributes:
        drive: true motion in the map frame.
        odometry: what dead reckoning says.
        camera: what the calibration says of the camera.
        true_camera: the camera as it is.
        frame_stamps_ns: (F,) int64 ns, stamps of the images.
        frame_poses: (F, 3) float64, T_map_base at those stamps.
        tilt: (F, 2) float64 rad, pitch and roll at those stamps.
        world: the streets.
        oncoming: cars that come the other way.
        look: the day.
        noise_seed: of the images' noise; the frames are the same in every iteration.
    """

    drive: Drive
    odometry: Odometry
    camera: StreetCamera
    true_camera: StreetCamera
    frame_stamps_ns: NDArray[np.int64]
    frame_poses: NDArray[np.float64]
    tilt: NDArray[np.float64]
    world: StreetWorld
    oncoming: Oncoming
    look: Look
    noise_seed: int

    def views(self) -> Iterator[tuple[int, StreetFrame]]:
        """Render the frames one by one, with depth and labels."""
        generator = np.random.default_rng(self.noise_seed)
        rays = self.true_camera.rays()
        for stamp, pose, (pitch, roll) in zip(
            self.frame_stamps_ns, self.frame_poses, self.tilt, strict=True
        ):
            tilt = (float(pitch), float(roll))
            camera = self.true_camera
            second = (int(stamp) - int(self.frame_stamps_ns[0])) / 1e9
            cars = self.oncoming.near(second, pose[:2])
            frame = render_frame(self.world, camera, rays, pose, tilt, self.look, generator, cars)
            yield int(stamp), frame

    def frames(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Render the images one by one: stamp (ns) and (H, W, 3) uint8."""
        for stamp, frame in self.views():
            yield stamp, frame.rgb


def simulate_street_drive(
    roads: RoadNetwork,
    buildings: tuple[Building, ...],
    streetscape: Streetscape,
    bounds: Bounds,
    length: float,
    generator: np.random.Generator,
    style: StreetDriveStyle | None = None,
) -> StreetDrive:
    """Drive a random route through a map.

    Each part has its own stream of random numbers, so that changing, say, the weather leaves the
    route and the odometry as they were.

    Args:
        roads: where one may drive.
        buildings: what the camera sees and the car must not drive through.
        streetscape: what else the camera sees.
        bounds: where to drive, m.
        length: metres to drive.
        generator: source of randomness.
        style: magnitudes; the defaults where None.

    Returns:
        The drive; images are rendered when `frames()` is iterated.

    Raises:
        ValueError: the map has no route of that length, or the length is not positive.
    """
    style = style or StreetDriveStyle()
    if length < 10.0:
        raise ValueError(f"a drive of {length:g} m is too short; ask for at least 10 m")
    seeds = [int(seed) for seed in generator.integers(2**63, size=10)]
    rng = [np.random.default_rng(seed) for seed in seeds]
    graph = build_graph(without_buildings(roads, buildings), service=style.route.service)
    route = random_route(graph, bounds, 1.02 * length + SPARE_ROUTE_M, rng[0], style.route)
    drive = drive_route(route, length, style.limits, rng[1], start_ns=style.start_ns)
    path = drive.poses[:, :2]
    extent = _extent(roads, path)
    street = build_street(roads, buildings, streetscape, extent, rng[2])
    world = StreetWorld(street, rng[3].uniform(*style.car_density), rng[3], path[::10])
    seconds = float(drive.stamps_ns[-1] - drive.stamps_ns[0]) / 1e9
    spacing = rng[9].uniform(*style.oncoming_m)
    period_ns = round(1e9 / style.rate_hz)
    stamps = np.arange(drive.stamps_ns[0], drive.stamps_ns[-1] + 1, period_ns, dtype=np.int64)
    return StreetDrive(
        drive=drive,
        odometry=measure_odometry(drive, style.odometry, rng[4]),
        camera=style.camera,
        true_camera=true_camera(style.camera, style.calibration_sd, rng[5]),
        frame_stamps_ns=stamps,
        frame_poses=interpolate_poses(drive.stamps_ns, drive.poses, stamps),
        tilt=tilt_track(len(stamps), period_ns / 1e9, style.tilt, rng[6]),
        world=world,
        oncoming=draw_oncoming(drive.poses, seconds, street.ground, spacing, rng[9]),
        look=draw_look(rng[7], style.weather),
        noise_seed=seeds[8],
    )


def _extent(roads: RoadNetwork, path: NDArray[np.float64]) -> Bounds:
    """Ground to paint: where the drive sees it, no more than there are roads."""
    low = np.maximum(path.min(axis=0) - 150.0, np.minimum(roads.start, roads.end).min(axis=0) - 50)
    high = np.minimum(path.max(axis=0) + 150.0, np.maximum(roads.start, roads.end).max(axis=0) + 50)
    return Bounds(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
