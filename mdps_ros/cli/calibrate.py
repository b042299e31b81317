"""`mdps calibrate`: learn the constants of a measurement model from labelled drives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import Progress

from mdps_ros.data.errors import DataError
from mdps_ros.maps import MapError, load_map
from mdps_ros.models.depth_table import table_text
from mdps_ros.settings import DepthSettings
from mdps_ros.training.depth_samples import SampleStyle, World
from mdps_ros.training.depth_table import learn_depth_table

app = typer.Typer(help="Learn the constants of a measurement model.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `depth` a sub-command although it is the only one."""


@app.command()
def depth(
    out: Annotated[Path, typer.Option(help="JSON file to write.")],
    map_source: Annotated[
        str, typer.Option("--map", help="OSM file or folder, or `helsinki` or `suburb`.")
    ] = "suburb",
    seeds: Annotated[int, typer.Option(min=2, help="Number of simulated drives.")] = 24,
    first_seed: Annotated[int, typer.Option(min=0, help="Seed of the first drive.")] = 1000,
    length: Annotated[float, typer.Option(min=50.0, help="Length of a drive, metres.")] = 800.0,
) -> None:
    """Learn the table of the `depth` measurement from simulated drives through a map.

    Equal arguments give equal files. The shipped table comes from the defaults.

    Examples:
        mdps calibrate depth --out depth_table.json

        mdps calibrate depth --map city.osm.pbf --seeds 4 --out depth_table.json
    """
    console = Console(stderr=True)
    torch.set_num_threads(1)  # sums in one order: the same bytes on every machine of a kind
    try:
        with Progress(console=console, transient=True) as bar:
            task = bar.add_task("driving", total=seeds)
            city = load_map(map_source)
            table = learn_depth_table(
                World(city, city.roads, city.buildings, city.bounds),
                city.name,
                range(first_seed, first_seed + seeds),
                DepthSettings(),
                SampleStyle(length_m=length),
                lambda done: bar.update(task, completed=done),
            )
        out.write_text(table_text(table), encoding="utf-8")
    except MapError:
        raise
    except (OSError, ValueError) as error:  # no such drives on the map, or no place for the file
        raise DataError(f"no table: {error}") from error
    for name, value in table.provenance["metrics"].items():
        typer.echo(f"{name} = {value}")
