"""Labelled looks for the depth table: class counts at the true pose and at displaced ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mdps_ros.core.mapdata import Bounds, Building, RoadNetwork, TileSource
from mdps_ros.models.depth_cache import ClassCache
from mdps_ros.models.depth_cells import CLASSES
from mdps_ros.models.depth_points import DepthScan, extract_scan
from mdps_ros.settings import DepthSettings
from mdps_ros.sim.depth_camera import DepthCamera
from mdps_ros.sim.drive import DriveLimits
from mdps_ros.sim.simulate import SimulatedDrive, SimulationStyle, simulate_drive
from mdps_ros.training.roadside import roadside_barriers

KINDS = ("obstacle", "free")


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleStyle:
    """How looks are drawn from a drive.

    Attributes:
        length_m: metres per drive.
        rate_hz: images per second.
        candidates: poses per look; the first is the true one.
        along_m: largest displacement along the vehicle.
        across_m: largest displacement across it.
        turn_rad: largest change of heading.
        registration_m: standard deviation of the offset between world and map, per axis; drawn
            anew for every window. KITTI's poses and their RTK track alone differ by 0.1 to 0.6 m
            in the mean, and a map is no better than its survey. 1 m was tried first; it left
            single looks at KITTI 00, frames 375-1288, less sure than they deserved.
        registration_rad: the same of their rotation.
        window_m: travel over which the displacements stay the same, as a filter's error would.
        wander_m: how far drivers stray from their lane; wide, so that the table learns from
            what is seen and not from where simulated drivers keep.
    """

    length_m: float = 800.0
    rate_hz: float = 4.0
    candidates: int = 64
    along_m: float = 15.0
    across_m: float = 5.0
    turn_rad: float = np.radians(20.0)
    registration_m: float = 0.5
    registration_rad: float = np.radians(0.5)
    window_m: float = 30.0
    wander_m: float = 0.8


class Looks(NamedTuple):
    """Looks of one drive.

    Attributes:
        counts: (F, K, 2, CLASSES) float32, points of each kind on each class, per candidate.
        travelled: (F,) m driven before each look.
        window: (F,) looks of one number share their displacements.
    """

    counts: NDArray[np.float32]
    travelled: NDArray[np.float64]
    window: NDArray[np.int64]


class World(NamedTuple):
    """What drives need of a map."""

    tiles: TileSource
    roads: RoadNetwork
    buildings: tuple[Building, ...]
    bounds: Bounds


def drive_of_seed(
    world: World, seed: int, settings: DepthSettings, style: SampleStyle
) -> SimulatedDrive:
    """The simulated training drive of a seed; the camera differs from drive to drive."""
    generator = np.random.default_rng(seed)
    camera = DepthCamera(
        hfov_rad=float(generator.uniform(np.radians(65), np.radians(100))),
        forward_m=float(generator.uniform(0.0, 2.0)),
        up_m=float(generator.uniform(1.2, 1.8)),
    )
    limits = DriveLimits(wander_m=style.wander_m)
    simulation = SimulationStyle(camera=camera, limits=limits, depth_rate_hz=style.rate_hz)
    drive_seed = int(generator.integers(2**63))

    def drive(buildings: tuple[Building, ...]) -> SimulatedDrive:
        again = np.random.default_rng(drive_seed)
        return simulate_drive(
            world.roads, buildings, world.bounds, style.length_m, again, simulation
        )

    # The same way twice: barriers keep off the driven line, which the first pass finds.
    path = drive(world.buildings).drive.poses[::10, :2]
    barriers = roadside_barriers(
        world.roads, world.buildings, path, 2 * settings.range_max, generator
    )
    return drive(world.buildings + barriers)


def scans_of(drive: SimulatedDrive, settings: DepthSettings) -> Iterator[tuple[int, DepthScan]]:
    """(frame number, scan) of the frames that show something."""
    camera = drive.camera
    intrinsics = (camera.fx, camera.fy, camera.cx, camera.cy)
    device = torch.device("cpu")
    for number, (_, depth) in enumerate(drive.frames()):
        scan = extract_scan(depth, intrinsics, camera.T_base_camera, settings, device)
        if scan is not None:
            yield number, scan


def sample_looks(world: World, seed: int, settings: DepthSettings, style: SampleStyle) -> Looks:
    """Simulate a drive and count classes at its true and at displaced poses.

    Args:
        world: the map, in which the drive happens up to the registration error.
        seed: of the drive and of the displacements.
        settings: of the depth model; the points are not thinned.
        style: sizes.
    """
    generator = np.random.default_rng([seed, 1])
    drive = drive_of_seed(world, seed, settings, style)
    cache = ClassCache(world.tiles, settings.tile_memory, torch.device("cpu"))
    step = np.hypot(*np.diff(drive.frame_poses[:, :2], axis=0).T)
    travelled = np.concatenate([[0.0], np.cumsum(step)])
    windows = int(travelled[-1] // style.window_m) + 1
    moves = np.zeros((windows, style.candidates, 3))
    moves[:, 1:] = displacements(style, (windows, style.candidates - 1), generator)
    spread = [style.registration_m, style.registration_m, style.registration_rad]
    offsets = generator.normal(0.0, spread, (windows, 3))
    counts: list[NDArray[np.float32]] = []
    at: list[float] = []
    for number, scan in scans_of(drive, settings):
        if at and travelled[number] - at[-1] < 0.5:
            continue  # standing still shows nothing new
        number_of_window = int(travelled[number] // style.window_m)
        here = displaced(drive.frame_poses[number], offsets[number_of_window, None])[0]
        poses = displaced(here, moves[number_of_window])
        counts.append(class_counts(cache, poses, scan))
        at.append(float(travelled[number]))
    window = (np.array(at) // style.window_m).astype(np.int64)
    return Looks(np.stack(counts), np.array(at), window)


def displacements(
    style: SampleStyle, shape: tuple[int, ...], generator: np.random.Generator
) -> NDArray[np.float64]:
    """(*shape, 3) forward m, left m, turn rad; near ones as often as far ones.

    Each is uniform in a box whose size is log-uniform between a tenth of the limits and all.
    """
    size = 10.0 ** generator.uniform(-1.0, 0.0, (*shape, 1))
    limits = np.array([style.along_m, style.across_m, style.turn_rad])
    return np.asarray(size * generator.uniform(-1.0, 1.0, (*shape, 3)) * limits)


def displaced(pose: NDArray[np.float64], move: NDArray[np.float64]) -> NDArray[np.float64]:
    """(K, 3) poses: a pose (3,) moved by body-frame displacements (K, 3)."""
    cos, sin = np.cos(pose[2]), np.sin(pose[2])
    x = pose[0] + cos * move[:, 0] - sin * move[:, 1]
    y = pose[1] + sin * move[:, 0] + cos * move[:, 1]
    return np.stack([x, y, pose[2] + move[:, 2]], axis=1)


def class_counts(
    cache: ClassCache, poses: NDArray[np.float64], scan: DepthScan
) -> NDArray[np.float32]:
    """(K, 2, CLASSES) points of each kind on each class for K poses."""
    where = torch.from_numpy(poses)
    if not cache.hold(where[:, :2], scan.reach):
        raise ValueError("the map's tiles do not fit into depth.tile_memory; raise it")
    result = np.zeros((len(poses), len(KINDS), CLASSES), np.float32)
    for kind, points in enumerate((scan.obstacles, scan.free)):
        classes = cache.classes_at(where, points).numpy()
        row = np.repeat(np.arange(len(poses)), classes.shape[1])
        flat = np.bincount(row * CLASSES + classes.ravel(), minlength=len(poses) * CLASSES)
        result[:, kind] = flat.reshape(len(poses), CLASSES)
    return result
