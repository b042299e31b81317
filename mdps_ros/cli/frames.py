"""`mdps frames`: labelled frames of rendered streets, to train the camera model on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mdps_ros.core.mapdata import Bounds
    from mdps_ros.maps import Map

PER_SHARD = 400
"""Frames of one day: cars, facades and street furniture stay the same within a shard."""
SPLITS = ("all", "train", "test")


def frames(
    out: Annotated[Path, typer.Option(help="Folder of the frames; a rerun goes on with it.")],
    map_source: Annotated[
        str, typer.Option("--map", help="OSM file or folder, or helsinki or suburb.")
    ] = "helsinki",
    split: Annotated[
        str, typer.Option(help="all; for helsinki also train or test: streets apart.")
    ] = "all",
    count: Annotated[int, typer.Option(min=1, help="Number of frames.")] = 4000,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal frames.")] = 0,
    jobs: Annotated[int, typer.Option(help="Shards at a time; 0 takes one for each core.")] = 0,
) -> None:
    """Render streets of a map from random places, with pose, calibration and depth.

    Light, weather, colours, cars, camera and its calibration errors are drawn anew all the time.
    What was rendered before is kept; equal arguments give equal bytes, whatever --jobs.

    Examples:
        mdps frames --map helsinki --split train --count 8000 --seed 1 --out frames/helsinki

        mdps frames --map city.osm.pbf --count 4000 --out frames/city
    """
    from mdps_ros.cli.run_tasks import run_tasks
    from mdps_ros.data.frames import shard_folder, write_manifest
    from mdps_ros.maps import load_map

    if split not in SPLITS:
        raise typer.BadParameter(f"use {', '.join(SPLITS)}", param_hint="--split")
    city = load_map(map_source)
    write_manifest(
        out,
        {
            "map": map_source,
            "map_id": city.id,
            "split": split,
            "inside": list(_inside(city, map_source, split)),
            "count": count,
            "seed": seed,
            "per_shard": PER_SHARD,
        },
    )
    shards = range(-(-count // PER_SHARD))
    missing = [shard for shard in shards if not shard_folder(out, shard).exists()]
    tasks = [(map_source, split, count, seed, shard, out) for shard in missing]
    if tasks:
        run_tasks(render_shard, tasks, jobs)
    typer.echo(f"{out}: {count} frames in {len(shards)} shards, {len(missing)} of them new")


def render_shard(map_source: str, split: str, count: int, seed: int, shard: int, out: Path) -> None:
    """Render one shard; a function of plain values, for worker processes.

    Raises:
        DataError: it cannot be written, or the map has no route to drive.
    """
    import numpy as np

    from mdps_ros.data.errors import DataError
    from mdps_ros.data.frames import write_shard
    from mdps_ros.maps import load_map
    from mdps_ros.sim.street_frames import FrameStyle, draw_frames
    from mdps_ros.sim.street_world import build_street

    city = load_map(map_source)
    wanted = min(PER_SHARD, count - shard * PER_SHARD)
    generator = np.random.default_rng((seed, shard))
    street = build_street(
        city.roads, city.buildings, city.streetscape, city.bounds, generator.spawn(1)[0]
    )
    inside = _inside(city, map_source, split)
    try:
        drawn = draw_frames(
            street, city.roads, city.buildings, inside, wanted, FrameStyle(), generator
        )
    except ValueError as error:
        raise DataError(f"no frames of {city.name}: {error}") from error
    facts = {"frames": wanted, "seed": seed, "shard": shard}
    write_shard(out, shard, drawn._asdict(), facts)


def _inside(city: Map, source: str, split: str) -> Bounds:
    """Where the vehicle may be.

    Raises:
        DataError: this map has no split.
    """
    from mdps_ros.data.errors import DataError
    from mdps_ros.sim.street_split import HELSINKI_TEST, HELSINKI_TRAIN

    if split == "all":
        return city.bounds
    if source != "helsinki":
        raise DataError(f"--split {split}: only the bundled helsinki is split; use all")
    return HELSINKI_TRAIN if split == "train" else HELSINKI_TEST
