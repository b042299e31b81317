"""Drives whose vehicle is carried off half-way, on a street map and on an occupancy map."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mdps_ros.maps import Map, load_map
from mdps_ros.runtime.events import DepthImageEvent, Event, OdometryEvent, PinholeCamera
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.outputs import Output, PoseEstimate
from mdps_ros.runtime.session import Session
from mdps_ros.settings import Settings
from mdps_ros.sim.depth_camera import DepthCamera
from mdps_ros.sim.odometry import increments, interpolate_poses
from mdps_ros.sim.route import RouteStyle
from mdps_ros.sim.simulate import SimulatedDrive, SimulationStyle, simulate_drive
from test.runtime.town import SECOND, initial_pose, town_map

CAMERA = DepthCamera(width=64, height=40)
STYLE = SimulationStyle(camera=CAMERA, depth_rate_hz=4.0, route=RouteStyle(margin_m=5.0))
PINHOLE = PinholeCamera(
    width=CAMERA.width, height=CAMERA.height, fx=CAMERA.fx, fy=CAMERA.fy, cx=CAMERA.cx, cy=CAMERA.cy
)
CELL = 0.25  # m, of the occupancy map


class World(NamedTuple):
    """What the filter knows, and the streets that are driven."""

    known: Map
    streets: Map


def street_world(folder: Path) -> World:
    """Unequal blocks, 410 x 300 m, with one or two houses in each."""
    place = _blocks(folder, (-200.0, -110.0, 0.0, 75.0, 210.0), (-130.0, -20.0, 45.0, 170.0))
    return World(place, place)


def floor_world(folder: Path) -> World:
    """An occupancy map, 250 x 170 m, of houses whose streets it does not know."""
    streets = _blocks(folder, (-90.0, -20.0, 45.0, 130.0), (-60.0, 5.0, 85.0))
    bounds = streets.bounds
    size = round(bounds.width / CELL), round(bounds.height / CELL)
    picture = Image.new("L", size, 254)
    pen = ImageDraw.Draw(picture)
    for house in streets.buildings:
        corners = (house.exterior - (bounds.min_x, bounds.min_y)) / CELL
        pen.polygon([(x, size[1] - y) for x, y in corners], fill=0)
    picture.save(folder / "yard.pgm")
    (folder / "yard.yaml").write_text(
        f"image: yard.pgm\nresolution: {CELL}\norigin: [{bounds.min_x}, {bounds.min_y}, 0.0]\n"
        "negate: 0\noccupied_thresh: 0.65\nfree_thresh: 0.196\n",
        encoding="utf-8",
    )
    return World(load_map(folder / "yard.yaml"), streets)


def _blocks(folder: Path, east: Sequence[float], north: Sequence[float]) -> Map:
    houses = []
    for i in range(len(east) - 1):
        for j in range(len(north) - 1):
            a, b = 7 * i + 3 * j, 5 * i + 11 * j
            x0, x1 = east[i] + 9 + a % 7, east[i + 1] - 9 - b % 9
            y0, y1 = north[j] + 9 + b % 8, north[j + 1] - 9 - a % 8
            middle = (x0 + x1) / 2 + a % 5 * 3 - 6
            if (i + j) % 3:
                houses.append((x0, y0, middle - 4, y1))
            houses.append((middle + 4, y0 + b % 6, x1, y1 - a % 5))
    return town_map(folder, east, north, houses)


def drive(
    world: World, length: float, seed: int, away: tuple[NDArray[np.float64], float] | None = None
) -> SimulatedDrive:
    """A drive that begins at least so far from a place."""
    for attempt in range(100 * seed, 100 * seed + 100):
        roads, houses = world.streets.roads, world.streets.buildings
        generator = np.random.default_rng(attempt)
        made = simulate_drive(roads, houses, world.streets.bounds, length, generator, STYLE)
        begin = made.drive.poses[0, :2]
        if away is None or np.hypot(*(begin - away[0])) >= away[1]:
            return made
    raise AssertionError(f"no drive begins {away} off")


class Joined(NamedTuple):
    """Drives one after another, of one vehicle that notices nothing of being carried off."""

    events: list[Event]
    truth: dict[int, NDArray[np.float64]]  # stamp ns -> (3,) pose, at the odometry's stamps
    begins_ns: list[int]

    def at(self, stamp_ns: int) -> NDArray[np.float64]:
        """True pose at the nearest odometry."""
        return self.truth[min(self.truth, key=lambda known: abs(known - stamp_ns))]


def join(drives: Sequence[SimulatedDrive], *, images: bool = True) -> Joined:
    """Their odometry as one, and their images."""
    joined, pose, begin = Joined([], {}, []), np.zeros(3), 5 * SECOND
    for made in drives:
        stamps = made.odometry.stamps_ns
        truth = interpolate_poses(made.drive.stamps_ns, made.drive.poses, stamps)
        steps = np.vstack([np.zeros(3), increments(made.odometry.poses)])
        shift = begin - int(stamps[0])
        joined.begins_ns.append(begin)
        pictures = _pictures(made, shift) if images else iter(())
        waiting = next(pictures, None)
        for stamp, step, true in zip(stamps, steps, truth, strict=True):
            pose, now = compose(pose, step), int(stamp) + shift
            joined.truth[now] = true
            while waiting is not None and waiting.stamp_ns <= now:
                joined.events.append(waiting)
                waiting = next(pictures, None)
            joined.events.append(OdometryEvent(stamp_ns=now, T_odom_base=pose))
        begin = int(stamps[-1]) + shift + SECOND // 20
    return joined


def _pictures(made: SimulatedDrive, shift: int) -> Iterator[DepthImageEvent]:
    for stamp, depth in made.frames():
        if stamp > made.odometry.stamps_ns[0]:
            event = DepthImageEvent(
                stamp_ns=stamp, depth=depth, camera=PINHOLE, T_base_camera=CAMERA.T_base_camera
            )
            yield dataclasses.replace(event, stamp_ns=stamp + shift)


def run(world: World, joined: Joined, settings: Settings) -> list[Output]:
    """What a session says that is told the first pose."""
    session = Session(world.known, settings)
    start = joined.at(joined.begins_ns[0])
    session.handle(initial_pose(start, np.diag([1.0, 1.0, 0.01])))
    return [output for event in joined.events for output in session.handle(event)]


def errors(outputs: Sequence[Output], joined: Joined) -> list[tuple[PoseEstimate, float]]:
    """Every estimate with its distance from the truth, m."""
    said = [output for output in outputs if isinstance(output, PoseEstimate)]
    return [(e, float(np.hypot(*(e.T_map_base - joined.at(e.stamp_ns))[:2]))) for e in said]
