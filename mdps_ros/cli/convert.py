"""`mdps convert`: other people's data as bags, and recorded images as frames to train on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import Progress

from mdps_ros.cli.convert_frames import bag_frames, kitti_frames, mgl_frames
from mdps_ros.data.bag_writer import write_drive
from mdps_ros.data.errors import DataError
from mdps_ros.data.kitti import KittiSequence, load_sequence
from mdps_ros.data.kitti_files import SequenceFiles, find_sequences
from mdps_ros.data.recording import MapAnchor, PoseTrack, twist_of
from mdps_ros.maps import GeoAnchor, load_map
from mdps_ros.sim.odometry import increments

app = typer.Typer(
    help="Turn data sets into bags, and images into frames to train on.", no_args_is_help=True
)
app.command("frames")(bag_frames)
app.command("kitti-frames")(kitti_frames)
app.command("mgl-frames")(mgl_frames)


@app.callback()
def convert() -> None:
    """Turn data sets into bags, and images into frames to train on."""


@app.command()
def kitti(
    out: Annotated[Path, typer.Option(help="Folder for the bags, one folder kitti_XX each.")],
    data: Annotated[
        Path, typer.Option(envvar="MDPS_DATA", help="Folder that holds kitti/poses and so on.")
    ],
    sequence: Annotated[
        list[str] | None,
        typer.Option(help="Sequence to convert; may be given again. Default: all."),
    ] = None,
) -> None:
    """Write KITTI odometry sequences as bags.

    /odom is visual odometry (frame-to-frame motion only), /camera/depth/image_rect is stereo
    depth where there is some, /ground_truth is the camera's position on the ground in the frame
    of the sequence's map, whose place on Earth is /map_anchor.

    Examples:
        mdps convert kitti --data data --sequence 00 --sequence 05 --out bags

        MDPS_DATA=data mdps convert kitti --out bags
    """
    console = Console(stderr=True)
    written = _convert_all(data, find_sequences(data), sequence, out, console)
    if not written:
        raise DataError(f"no sequence in {data} has truth and metric odometry; fetch some")
    for path in written:
        typer.echo(path)


def write_sequence(
    sequence: KittiSequence, out: Path, *, progress: Callable[[float], None] | None = None
) -> None:
    """Write one sequence as a bag.

    Args:
        sequence: it must have odometry.
        out: folder to make.
        progress: called with the share that is done, 0 to 1.

    Raises:
        DataError: the sequence has no odometry, or the bag cannot be written.
        MapError: its map cannot be read.
    """
    if sequence.motion is None or sequence.T_odom_base is None or sequence.odometry_file is None:
        raise DataError(
            f"sequence {sequence.name} has no visual odometry with true scale; "
            "add a pose file to visual_odometry"
        )
    anchor = sequence_anchor(sequence)
    truth = np.column_stack(
        [anchor.to_map(sequence.latitude_deg, sequence.longitude_deg), np.unwrap(sequence.yaw)]
    )
    stamps = sequence.stamps_ns
    first = next(sequence.depth_frames(), None)
    write_drive(
        out,
        PoseTrack(
            stamps_ns=stamps,
            poses=sequence.T_odom_base,
            twist=twist_of(stamps, sequence.motion),
        ),
        PoseTrack(stamps_ns=stamps, poses=truth, twist=twist_of(stamps, increments(truth))),
        sequence.depth_frames(),
        # All frames share the mounting that /tf_static tells; only their horizon differs.
        camera=None if first is None else first.camera,
        anchor=MapAnchor(anchor.latitude_deg, anchor.longitude_deg),
        metadata={
            "source": "KITTI odometry benchmark, CC BY-NC-SA 3.0",
            "sequence": sequence.name,
            "odometry": sequence.odometry_file.name,
            "map": "none" if sequence.osm_file is None else sequence.osm_file.name,
        },
        progress=progress,
    )


def sequence_anchor(sequence: KittiSequence) -> GeoAnchor:
    """Anchor of the sequence's map; its first position where it has no map."""
    if sequence.osm_file is not None:
        anchor = load_map(sequence.osm_file).anchor
        if anchor is not None:
            return anchor
    return GeoAnchor(float(sequence.latitude_deg[0]), float(sequence.longitude_deg[0]))


def _convert_all(
    data: Path,
    found: dict[str, SequenceFiles],
    wanted: list[str] | None,
    out: Path,
    console: Console,
) -> list[Path]:
    """Convert the wanted sequences, or all that can be; says which ones cannot and why."""
    written: list[Path] = []
    with Progress(console=console, transient=True) as bar:
        for name in wanted or found:
            files = found.get(name)
            if not wanted and files is not None and (files.rtk is None or files.odometry is None):
                lack = "RTK track" if files.rtk is None else "visual odometry with true scale"
                console.print(f"skipped {name}: no {lack}", highlight=False)
                continue
            task = bar.add_task(f"sequence {name}", total=1.0)
            path = out / f"kitti_{name}"
            write_sequence(
                load_sequence(data, name),
                path,
                progress=lambda share, task=task: bar.update(task, completed=share),  # type: ignore[misc]
            )
            written.append(path)
    return written
