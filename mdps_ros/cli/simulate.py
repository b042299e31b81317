"""`mdps simulate`: a drive through a map, written as a bag."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from mdps_ros.data.bag_writer import write_drive
from mdps_ros.data.errors import DataError
from mdps_ros.data.recording import DepthFrame, MapAnchor, PoseTrack
from mdps_ros.maps import Map, MapError, load_map
from mdps_ros.sim.simulate import SimulatedDrive, SimulationStyle, simulate_drive


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationSummary:
    """What was written.

    Attributes:
        length_m: distance driven.
        duration_s: time driven.
        images: number of depth images.
        size_mb: size of the bag, 10^6 bytes.
    """

    length_m: float
    duration_s: float
    images: int
    size_mb: float


def simulate(
    out: Annotated[Path, typer.Option(help="Folder of the bag to write; it must not exist.")],
    map_source: Annotated[
        str, typer.Option("--map", help="OSM file or folder, or `helsinki` or `suburb`.")
    ] = "helsinki",
    length: Annotated[float, typer.Option(min=10.0, help="Length of the drive, metres.")] = 1000.0,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal bags.")] = 0,
    depth: Annotated[bool, typer.Option(help="Write depth images besides odometry.")] = True,
) -> None:
    """Drive through a map's streets and write what the sensors report as a rosbag2.

    Topics: /odom, /camera/depth/image_rect, /camera/depth/camera_info, /tf_static, the truth
    /ground_truth, and /map_anchor, the place of the map frame on Earth.

    Examples:
        mdps simulate --out drive_0

        mdps simulate --map city.osm.pbf --length 3000 --seed 7 --out drive_7 --no-depth
    """
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
                depth=depth,
                progress=lambda share: bar.update(task, completed=share),
            )
    except (MapError, DataError):
        raise
    except ValueError as error:  # the map has no such drive
        raise DataError(f"no drive on {city.name}: {error}") from error
    typer.echo(
        f"{out}: {summary.length_m:.0f} m in {summary.duration_s:.0f} s, "
        f"{summary.images} depth images, {summary.size_mb:.1f} MB, "
        f"made in {time.perf_counter() - begun:.1f} s"
    )


def write_simulation(
    city: Map,
    length: float,
    seed: int,
    out: Path,
    *,
    depth: bool = True,
    style: SimulationStyle | None = None,
    progress: Callable[[float], None] | None = None,
) -> SimulationSummary:
    """Simulate a drive through a map and write it as a bag.

    Args:
        city: the map; the truth in the bag is in its frame.
        length: metres to drive.
        seed: seed of everything that is random.
        out: folder to make.
        depth: whether depth images are rendered.
        style: magnitudes; the defaults where None.
        progress: called with the share that is done, 0 to 1.

    Returns:
        What was written.

    Raises:
        ValueError: the map has no such drive.
        BagError: the bag cannot be written.
    """
    run = simulate_drive(
        city.roads, city.buildings, city.bounds, length, np.random.default_rng(seed), style
    )
    odometry, truth = simulated_tracks(run)
    anchor = city.anchor
    write_drive(
        out,
        odometry,
        truth,
        (DepthFrame(s, d, run.camera) for s, d in run.frames()) if depth else (),
        camera=run.camera if depth else None,
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
        images=len(run.frame_stamps_ns) if depth else 0,
        size_mb=sum(file.stat().st_size for file in out.iterdir()) / 1e6,
    )


def simulated_tracks(run: SimulatedDrive) -> tuple[PoseTrack, PoseTrack]:
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
