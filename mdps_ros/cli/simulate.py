"""`mdps simulate`: a drive through a map, written as a bag."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from mdps_ros.data.bag_writer import write_drive
from mdps_ros.data.errors import DataError
from mdps_ros.data.recording import ColourFrame, DepthFrame, MapAnchor, PoseTrack
from mdps_ros.maps import Map, MapError, load_map
from mdps_ros.sim.simulate import SimulatedDrive, simulate_drive
from mdps_ros.sim.street_drive import StreetDrive, simulate_street_drive

CAMERAS = ("rgb", "depth", "none")
"""What a simulated car may carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSummary:
    """What was written.

    Attributes:
        length_m: distance driven.
        duration_s: time driven.
        images: number of images.
        size_mb: size of the bag, 10^6 bytes.
        heading_deg: true heading at the start, degrees counter-clockwise from east.
    """

    length_m: float
    duration_s: float
    images: int
    size_mb: float
    heading_deg: float


def simulate(
    out: Annotated[Path, typer.Option(help="Folder of the bag to write; it must not exist.")],
    map_source: Annotated[
        str, typer.Option("--map", help="OSM file or folder, or `helsinki` or `suburb`.")
    ] = "helsinki",
    length: Annotated[float, typer.Option(min=10.0, help="Length of the drive, metres.")] = 1000.0,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal bags.")] = 0,
    camera: Annotated[
        str, typer.Option(help="rgb: colour images; depth: depth images; none: odometry alone.")
    ] = "rgb",
) -> None:
    """Drive through a map's streets and write what the sensors report as a rosbag2.

    Topics: /odom, image_rect and camera_info under /camera/color or /camera/depth, /tf_static, the
    truth /ground_truth, and /map_anchor, the place of the map frame on Earth.

    Examples:
        mdps simulate --out drive_0

        mdps simulate --map city.osm.pbf --length 3000 --seed 7 --out drive_7 --camera none
    """
    if camera not in CAMERAS:
        raise typer.BadParameter(f"use {', '.join(CAMERAS)}", param_hint="--camera")
    console = Console(stderr=True)
    begun = time.perf_counter()
    try:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("loading the map", total=None)
            city = load_map(map_source)
            bar.update(task, description="driving", total=1.0)
            summary = write_simulation(
                city,
                length,
                seed,
                out,
                camera=camera,
                progress=lambda share: bar.update(task, completed=share),
            )
    except (MapError, DataError):
        raise
    except ValueError as error:  # the map has no such drive
        raise DataError(f"no drive on {city.name}: {error}") from error
    typer.echo(
        f"{out}: {summary.length_m:.0f} m in {summary.duration_s:.0f} s, "
        f"{summary.images} images, {summary.size_mb:.1f} MB, "
        f"made in {time.perf_counter() - begun:.1f} s; "
        f"it starts at a heading of {summary.heading_deg:.0f} degrees"
    )


def write_simulation(
    city: Map,
    length: float,
    seed: int,
    out: Path,
    *,
    camera: str,
    progress: Callable[[float], None] | None = None,
) -> SimulationSummary:
    """Simulate a drive through a map and write it as a bag.

    Args:
        city: the map; the truth in the bag is in its frame.
        length: metres to drive.
        seed: seed of everything that is random.
        out: folder to make.
        camera: of CAMERAS.
        progress: called with the share that is done, 0 to 1.

    Returns:
        What was written.

    Raises:
        ValueError: the map has no such drive.
        BagError: the bag cannot be written.
    """
    generator = np.random.default_rng(seed)
    run: SimulatedDrive | StreetDrive
    images: Iterable[DepthFrame | ColourFrame] = ()
    if camera == "rgb":
        run = simulate_street_drive(
            city.roads, city.buildings, city.streetscape, city.bounds, length, generator
        )
        images = _colour_frames(run)
    else:
        run = simulate_drive(city.roads, city.buildings, city.bounds, length, generator)
        images = _depth_frames(run) if camera == "depth" else ()
    odometry, truth = simulated_tracks(run)
    anchor = city.anchor
    write_drive(
        out,
        odometry,
        truth,
        images,
        camera=None if camera == "none" else run.camera,
        anchor=MapAnchor(anchor.latitude_deg, anchor.longitude_deg) if anchor else None,
        metadata={
            "source": "mdps simulate",
            "map": city.name,
            "map_id": city.id,
            "length_m": repr(float(length)),
            "seed": str(seed),
        },
        progress=progress,
    )
    return SimulationSummary(
        length_m=run.drive.length,
        duration_s=float(run.drive.stamps_ns[-1] - run.drive.stamps_ns[0]) / 1e9,
        images=0 if camera == "none" else len(run.frame_stamps_ns),
        size_mb=sum(file.stat().st_size for file in out.iterdir()) / 1e6,
        heading_deg=math.degrees(math.remainder(float(run.drive.poses[0, 2]), math.tau)),
    )


def _depth_frames(run: SimulatedDrive) -> Iterator[DepthFrame]:
    return (DepthFrame(stamp, depth, run.camera) for stamp, depth in run.frames())


def _colour_frames(run: StreetDrive) -> Iterator[ColourFrame]:
    return (ColourFrame(stamp, rgb, run.camera) for stamp, rgb in run.frames())


def simulated_tracks(run: SimulatedDrive | StreetDrive) -> tuple[PoseTrack, PoseTrack]:
    """Odometry and truth of a simulated drive, as bags hold them."""
    drive, odometry = run.drive, run.odometry
    odometry_track = PoseTrack(
        stamps_ns=odometry.stamps_ns,
        poses=odometry.poses,
        twist=odometry.twist,
        covariance=odometry.covariance,
    )
    twist = np.stack([drive.speed, np.zeros_like(drive.speed), drive.yaw_rate], axis=1)
    exact = np.zeros((len(drive.stamps_ns), 3, 3))
    truth_track = PoseTrack(
        stamps_ns=drive.stamps_ns, poses=drive.poses, twist=twist, covariance=exact
    )
    return odometry_track, truth_track
