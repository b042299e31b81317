"""A complete simulated drive: route, motion, odometry, and depth images on demand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Building, RoadNetwork
from mdps_ros.sim.clutter import ClutterStyle, clutter_triangles
from mdps_ros.sim.depth_camera import (
    DepthCamera,
    DepthErrors,
    add_errors,
    render_depth,
    tilt_track,
)
from mdps_ros.sim.drive import Drive, DriveLimits, drive_route
from mdps_ros.sim.odometry import (
    Odometry,
    OdometryErrors,
    interpolate_poses,
    measure_odometry,
)
from mdps_ros.sim.route import RouteStyle, build_graph, random_route, without_buildings
from mdps_ros.sim.scene import Scene, city_triangles

SPARE_ROUTE_M = 80.0
"""Route beyond the drive's length: rounding corners shortens the path and trims its ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationStyle:
    """All magnitudes of a simulated drive.

    Attributes:
        route: how the way is chosen.
        limits: how it is driven.
        odometry: odometry errors.
        camera: depth camera geometry.
        depth: depth errors.
        clutter: objects that the map does not know.
        depth_rate_hz: rate of depth images, Hz.
        start_ns: stamp of the first pose, ns; not zero, because ROS reads zero as "no time".
    """

    route: RouteStyle = field(default_factory=RouteStyle)
    limits: DriveLimits = field(default_factory=DriveLimits)
    odometry: OdometryErrors = field(default_factory=OdometryErrors)
    camera: DepthCamera = field(default_factory=DepthCamera)
    depth: DepthErrors = field(default_factory=DepthErrors)
    clutter: ClutterStyle = field(default_factory=ClutterStyle)
    depth_rate_hz: float = 10.0
    start_ns: int = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedDrive:
    """A drive with everything that its sensors report.

    Attributes:
        drive: true motion in the map frame.
        odometry: what dead reckoning says.
        camera: depth camera geometry.
        frame_stamps_ns: (F,) int64 ns, stamps of the depth images.
        frame_poses: (F, 3) float64, T_map_base at those stamps.
        tilt: (F, 2) float64 rad, pitch and roll at those stamps.
        scene: the world.
        depth_errors: magnitudes of the depth noise.
        noise_seed: seed of the depth noise; the frames are the same in every iteration.
    """

    drive: Drive
    odometry: Odometry
    camera: DepthCamera
    frame_stamps_ns: NDArray[np.int64]
    frame_poses: NDArray[np.float64]
    tilt: NDArray[np.float64]
    scene: Scene
    depth_errors: DepthErrors
    noise_seed: int

    def frames(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Render the depth images one by one.

        Yields:
            stamp (ns) and (H, W) float32 depth, m, NaN where nothing is seen.
        """
        generator = np.random.default_rng(self.noise_seed)
        rays = self.camera.rays()
        for i, stamp in enumerate(self.frame_stamps_ns):
            pitch, roll = self.tilt[i]
            ideal = render_depth(self.scene, self.camera, rays, self.frame_poses[i], (pitch, roll))
            yield int(stamp), add_errors(ideal, self.depth_errors, generator)


def simulate_drive(
    roads: RoadNetwork,
    buildings: tuple[Building, ...],
    bounds: Bounds,
    length: float,
    generator: np.random.Generator,
    style: SimulationStyle | None = None,
) -> SimulatedDrive:
    """Drive a random route through a map.

    Each part has its own stream of random numbers, so that changing, say, the depth noise
    leaves the route and the odometry as they were.

    Args:
        roads: where one may drive.
        buildings: what the camera sees and the car must not drive through.
        bounds: extent of the map, m.
        length: metres to drive.
        generator: source of randomness.
        style: magnitudes; the defaults where None.

    Returns:
        The drive; depth images are rendered when `frames()` is iterated.

    Raises:
        ValueError: the map has no route of that length, or the length is not positive.
    """
    style = style or SimulationStyle()
    if length < 10.0:
        raise ValueError(f"a drive of {length:g} m is too short; ask for at least 10 m")
    seeds = [int(seed) for seed in generator.integers(2**63, size=6)]
    route_rng, drive_rng, odometry_rng, clutter_rng, tilt_rng = map(
        np.random.default_rng, seeds[:5]
    )
    graph = build_graph(without_buildings(roads, buildings), service=style.route.service)
    route = random_route(graph, bounds, 1.02 * length + SPARE_ROUTE_M, route_rng, style.route)
    drive = drive_route(route, length, style.limits, drive_rng, start_ns=style.start_ns)
    path = drive.poses[:, :2]
    # Corners of the image see as far again as its middle.
    reach = 2 * style.camera.range_m
    solid = city_triangles(buildings, path, reach)
    clutter = clutter_triangles(roads, buildings, path, reach, style.clutter, clutter_rng)
    period_ns = round(1e9 / style.depth_rate_hz)
    stamps = np.arange(drive.stamps_ns[0], drive.stamps_ns[-1] + 1, period_ns, dtype=np.int64)
    return SimulatedDrive(
        drive=drive,
        odometry=measure_odometry(drive, style.odometry, odometry_rng),
        camera=style.camera,
        frame_stamps_ns=stamps,
        frame_poses=interpolate_poses(drive.stamps_ns, drive.poses, stamps),
        tilt=tilt_track(len(stamps), period_ns / 1e9, style.depth, tilt_rng),
        scene=Scene(np.concatenate([solid, clutter]), path.mean(axis=0)),
        depth_errors=style.depth,
        noise_seed=seeds[5],
    )
