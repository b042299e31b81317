"""`mdps finetune`: the camera model fitted to one's own vehicle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mdps_ros.cli.convert_frames import (
    BaseFrameOption,
    DistortedOption,
    ImageTopicOption,
    PosesOption,
    PoseTopicOption,
    SpacingOption,
    bag_frames,
)

FRAMES = "frames"
FEWEST = 20
"""Frames, below which there is nothing to learn and nothing to hold out."""


def finetune(
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command goes on with it.")],
    bag: Annotated[
        Path | None, typer.Option(help="Recording with colour images and camera_info.")
    ] = None,
    map_source: Annotated[
        str | None, typer.Option("--map", help="Map of the bag: OSM file or folder, or helsinki.")
    ] = None,
    frames: Annotated[
        Path | None, typer.Option(help="Frames of mdps convert, in place of --bag and --map.")
    ] = None,
    poses: PosesOption = None,
    pose_topic: PoseTopicOption = None,
    image_topic: ImageTopicOption = None,
    base_frame: BaseFrameOption = "base_link",
    distorted: DistortedOption = False,
    spacing: SpacingOption = 1.0,
    mix: Annotated[
        list[Path] | None,
        typer.Option(help="Frames of mdps frames to learn from beside; may be given again."),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights to begin with. Default: the package's own.")
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Steps of 16 frames.")] = 300,
    seed: Annotated[int, typer.Option(min=0, help="Of the batches.")] = 0,
    device: Annotated[
        str, typer.Option(help="cpu, cuda, or auto: cuda where there is one.")
    ] = "auto",
) -> None:
    """Fit the camera model to the images of one's own vehicle.

    Needs images, camera_info, /tf_static and good poses on the map: RTK odometry, or the smoothed
    trajectory of mdps replay. The last tenth of the drive is held out; weights that do worse on it
    than those at the start are not kept. Writes weights.safetensors, for the setting
    camera.weights, beside model card and curves.

    Examples:
        mdps finetune --bag drive --map city.osm.pbf --out out/own

        mdps finetune --bag drive --map city.osm.pbf --poses smoothed.tum --out out/own

        mdps finetune --frames frames/kitti --mix frames/helsinki --out out/kitti
    """
    from mdps_ros.cli.train import learn
    from mdps_ros.data.errors import DataError
    from mdps_ros.evaluation.camera_frame_set import FrameSet
    from mdps_ros.models.camera.files import bundled_file
    from mdps_ros.training.camera_finetune import finetune_recipe

    if frames is None:
        if bag is None or map_source is None:
            raise DataError("nothing to learn from; give --bag and --map, or --frames")
        frames = out / FRAMES
        if not _made(frames, bag, map_source, spacing, rectified=not distorted):
            bag_frames(
                bag,
                map_source,
                frames,
                poses=poses,
                pose_topic=pose_topic,
                image_topic=image_topic,
                base_frame=base_frame,
                distorted=distorted,
                spacing=spacing,
            )
    elif bag is not None:
        raise DataError("--bag and --frames exclude each other; give one of them")
    pose = FrameSet(frames).pose
    if len(pose) < FEWEST:
        raise DataError(
            f"{frames} holds {len(pose)} frames, which is too few to learn from; give {FEWEST} or "
            "more, thousands if you can"
        )
    recipe = finetune_recipe(
        frames,
        pose,
        mixed=mix or (),
        start=weights or bundled_file(),
        iterations=iterations,
        seed=seed,
    )
    learn(recipe, out / "run", device, resume=True, checkpoint_seconds=30.0)


def _made(frames: Path, bag: Path, map_source: str, spacing: float, *, rectified: bool) -> bool:
    """Whether an earlier call has made the frames of a bag.

    Raises:
        DataError: the folder holds frames of something else.
    """
    from mdps_ros.data.errors import DataError
    from mdps_ros.data.frames import MANIFEST
    from mdps_ros.maps import load_map

    manifest = frames / MANIFEST
    if not manifest.exists():
        return False
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    wanted = {
        "map_id": load_map(map_source).id,
        "sequences": [bag.name],
        "spacing": spacing,
        "rectified": rectified,
    }
    if {name: facts.get(name) for name in wanted} != wanted:
        raise DataError(f"{frames} holds other frames; choose another --out")
    return True
