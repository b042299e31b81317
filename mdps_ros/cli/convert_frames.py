"""`mdps convert frames` and its kin: recorded images with poses as frames to train on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

if TYPE_CHECKING:
    from mdps_ros.data.camera_sequence import CameraFrame, CameraSequence
    from mdps_ros.data.frame_sets import StoredFrame
    from mdps_ros.maps import Map

TURN = np.radians(5.0)
"""Between headings, after which a frame is kept however near the one before is."""

MapOption = Annotated[str, typer.Option("--map", help="OSM file or folder, or helsinki or suburb.")]
OutOption = Annotated[Path, typer.Option(help="Folder of the frames to make.")]
SpacingOption = Annotated[
    float, typer.Option(min=0.0, help="Metres between the frames that are kept.")
]
BagOption = Annotated[Path, typer.Option(help="Recording with colour images and camera_info.")]
PosesOption = Annotated[
    Path | None,
    typer.Option(help="TUM file of poses on the map, as mdps replay writes it."),
]
PoseTopicOption = Annotated[
    str | None, typer.Option(help="Topic of the poses, RTK odometry say. Default: /ground_truth.")
]
ImageTopicOption = Annotated[str | None, typer.Option(help="Topic of the colour images.")]
BaseFrameOption = Annotated[str, typer.Option(help="Frame of the vehicle.")]
DistortedOption = Annotated[
    bool, typer.Option("--distorted", help="Images are not rectified: undistort them by K and D.")
]


def bag_frames(
    bag: BagOption,
    map_source: MapOption,
    out: OutOption,
    poses: PosesOption = None,
    pose_topic: PoseTopicOption = None,
    image_topic: ImageTopicOption = None,
    base_frame: BaseFrameOption = "base_link",
    distorted: DistortedOption = False,
    spacing: SpacingOption = 1.0,
) -> None:
    """Turn the images of a bag to frames for training.

    The poses come from a topic of the bag (in the map's frame, or in that of /map_anchor) or from
    a TUM file, such as the smoothed trajectory that mdps replay writes.

    Examples:
        mdps convert frames --bag drive --map city.osm.pbf --out frames/drive

        mdps convert frames --bag drive --map city.osm.pbf --poses smoothed.tum --out frames/drive
    """
    from mdps_ros.cli.bag_frames import bag_sequence
    from mdps_ros.maps import load_map

    city = load_map(map_source)
    sequence = bag_sequence(
        bag,
        city,
        base_frame=base_frame,
        rectified=not distorted,
        image=image_topic,
        poses=poses,
        pose_topic=pose_topic,
    )
    told = convert_sequences([sequence], city, map_source, out, spacing, rectified=not distorted)
    typer.echo(told)


def kitti_frames(
    map_source: MapOption,
    out: OutOption,
    raw: Annotated[
        list[Path] | None, typer.Option(help="Folder of a raw drive; may be given again.")
    ] = None,
    benchmark: Annotated[
        Path | None, typer.Option(help="Folder of the odometry benchmark, with sequences/.")
    ] = None,
    sequence: Annotated[
        list[str] | None, typer.Option(help="Sequence of the benchmark; may be given again.")
    ] = None,
    spacing: SpacingOption = 1.0,
) -> None:
    """Turn KITTI's colour images to frames for training.

    Sequences of the benchmark need the RTK track of their raw drive, rtk/*_XX.kml beside
    sequences/, to lie on the map.

    Examples:
        mdps convert kitti-frames --raw 2011_09_26/2011_09_26_drive_0001_sync --map karlsruhe.osm \
            --out frames/kitti

        mdps convert kitti-frames --benchmark kitti --sequence 00 --map karlsruhe.osm --out frames/k
    """
    from mdps_ros.data.errors import DataError
    from mdps_ros.data.kitti_camera import benchmark_sequence, raw_drive
    from mdps_ros.data.kitti_files import find_sequences
    from mdps_ros.maps import load_map

    found = [raw_drive(folder) for folder in raw or ()]
    if benchmark is not None:
        files = find_sequences(benchmark)
        for name in sequence or files:
            if name not in files:
                raise DataError(
                    f"no sequence {name!r} in {benchmark}; there are {', '.join(files)}"
                )
            found.append(benchmark_sequence(benchmark, name, rtk=files[name].rtk))
    if not found:
        raise DataError("nothing to convert; name --raw DRIVE or --benchmark FOLDER")
    typer.echo(convert_sequences(found, load_map(map_source), map_source, out, spacing))


def mgl_frames(
    data: Annotated[Path, typer.Option(help="Folder of one place, with dump.json and images.")],
    map_source: MapOption,
    out: OutOption,
    height: Annotated[
        float, typer.Option(min=0.4, help="Metres over the ground of cameras of unknown height.")
    ] = 1.8,
    spacing: SpacingOption = 1.0,
) -> None:
    """Turn the images of a place of Mapillary Geo-Localization to frames for training.

    Examples:
        mdps convert mgl-frames --data MGL/helsinki --map helsinki.osm --out frames/mgl
    """
    from mdps_ros.data.mgl import mgl_sequences
    from mdps_ros.maps import load_map

    sequences = mgl_sequences(data, height=height)
    typer.echo(convert_sequences(sequences, load_map(map_source), map_source, out, spacing))


def convert_sequences(
    sequences: Sequence[CameraSequence],
    city: Map,
    source: str,
    out: Path,
    spacing: float,
    *,
    rectified: bool = True,
) -> str:
    """Write sequences as one set of frames.

    Args:
        sequences: in one place.
        city: their map.
        source: what `load_map` took to load it.
        out: folder to make.
        spacing: m between the frames that are kept.
        rectified: whether the images came without distortion.

    Returns:
        What to tell the user.

    Raises:
        DataError: no frame lies on the map, or something cannot be read or written.
    """
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    from mdps_ros.data.frame_sets import write_frames

    # The frames may be read from another working directory.
    kept = str(Path(source).resolve()) if Path(source).exists() else source
    facts = {
        "map": kept,
        "map_id": city.id,
        "sequences": [sequence.name for sequence in sequences],
        "spacing": spacing,
        "rectified": rectified,
    }
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed} frames"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        line = bar.add_task("converting", total=None)

        def told() -> Iterator[StoredFrame]:
            for sequence in sequences:
                bar.update(line, description=sequence.name)
                for frame in _on_map(sequence, city, spacing):
                    bar.advance(line)
                    yield frame

        count = write_frames(out, told(), facts)
    return f"{out}: {count} frames"


def _on_map(sequence: CameraSequence, city: Map, spacing: float) -> Iterator[StoredFrame]:
    """The frames that are kept, within the map."""
    from mdps_ros.data.frame_sets import Spacing, stored

    box, wanted = city.bounds, Spacing(spacing, float(TURN))
    for frame in sequence.frames():
        placed = _placed(frame, sequence, city)
        x, y, _ = placed.pose
        inside = box.min_x <= x <= box.max_x and box.min_y <= y <= box.max_y
        if inside and wanted.keeps(placed.pose):
            yield stored(placed)


def _placed(frame: CameraFrame, sequence: CameraSequence, city: Map) -> CameraFrame:
    """The frame with its pose on the map."""
    from mdps_ros.data.camera_sequence import Place
    from mdps_ros.data.errors import DataError

    if sequence.place is Place.MAP:
        return frame
    if sequence.place is Place.NOWHERE:
        raise DataError(
            f"{sequence.name}: nobody knows where its poses lie on Earth; add the RTK track of its "
            "raw drive (rtk/*.kml), or convert the raw drive"
        )
    if city.anchor is None:
        raise DataError(f"{city.name} has no place on Earth; use an OSM map")
    latitude, longitude, yaw = frame.pose
    step = 1e-4  # degrees along the heading, to turn it by the convergence of the meridians
    shrink = max(float(np.cos(np.radians(latitude))), 1e-6)
    ahead = (latitude + step * np.sin(yaw), longitude + step * np.cos(yaw) / shrink)
    here, there = city.anchor.to_map([latitude, ahead[0]], [longitude, ahead[1]])
    pose = np.array([*here, np.arctan2(*(there - here)[::-1])])
    return frame._replace(pose=pose)
