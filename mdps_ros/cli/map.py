"""`mdps map`: describe a map, or draw it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

if TYPE_CHECKING:
    from mdps_ros.evaluation.results import Row
    from mdps_ros.maps import Map

app = typer.Typer(help="Describe a map, or draw it.", no_args_is_help=True)

COVERAGE_CELLS = 4e6  # cells that the layers' coverage is counted on
LONGEST_SIDE = 12_000  # pixels

Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="MAP",
        help="OSM files or folders (their union), one nav2 map YAML, or: helsinki, suburb.",
    ),
]


@app.callback()
def map_commands() -> None:
    """Describe a map, or draw it."""


@app.command()
def info(
    sources: Sources,
    json: Annotated[Path | None, typer.Option(help="File for the numbers.")] = None,
) -> None:
    """Print what a map holds: extent, roads by kind, buildings, layers.

    Examples:
        mdps map info helsinki

        mdps map info city.osm.pbf --json city.json
    """
    from rich.console import Console
    from rich.table import Table

    from mdps_ros.evaluation import results

    started = time.perf_counter()
    map = _load(sources)
    seconds = time.perf_counter() - started
    row = describe(map) | {"load_s": round(seconds, 3)}
    table = Table(title=map.name, title_justify="left", show_header=False)
    for key, value in row.items():
        # Four digits are plenty, save for a place on Earth.
        place = key.startswith("anchor_")
        table.add_row(key, f"{value:.7f}" if place else results.format_value(value))
    table.columns[1].overflow = "fold"
    Console().print(table)
    if json is not None:
        command = results.command_line()
        results.write_json(json, results.document("map", [row], 0, command=command))


@app.command()
def render(
    sources: Sources,
    out: Annotated[Path, typer.Option(help="Picture to write (.png).")],
    resolution: Annotated[
        float | None,
        typer.Option(min=0.01, help="Metres per pixel. Default: longer side of 2000 pixels."),
    ] = None,
) -> None:
    """Draw a map as a picture, north up.

    Examples:
        mdps map render helsinki --out helsinki.png

        mdps map render city.osm --resolution 0.5 --out city.png
    """
    from PIL import Image, ImageDraw

    from mdps_ros.maps import MapError
    from mdps_ros.maps.render import ATTRIBUTION
    from mdps_ros.maps.render import render as draw

    map = _load(sources)
    longest = max(map.bounds.width, map.bounds.height)
    pixels = 2000 if resolution is None else int(np.ceil(longest / resolution))
    if pixels > LONGEST_SIDE:
        raise MapError(
            f"a picture of {pixels} pixels is too large; "
            f"use --resolution {longest / LONGEST_SIDE:.2g} or more"
        )
    pixel_array, _ = draw(map, pixels_max=max(pixels, 1))
    image = Image.fromarray(pixel_array)
    if map.anchor is not None:
        height = image.height
        ImageDraw.Draw(image).text((6, height - 6), ATTRIBUTION, fill=(60, 60, 60), anchor="ls")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        image.save(out)
    except (OSError, ValueError) as error:
        raise MapError(f"cannot write {out}: {error}; use a path that ends in .png") from error
    typer.echo(out)


def describe(map: Map) -> Row:
    """What a map holds, as one flat row with units in the names."""
    row: Row = {"id": map.id}
    if map.anchor is not None:
        row["anchor_latitude_deg"] = map.anchor.latitude_deg
        row["anchor_longitude_deg"] = map.anchor.longitude_deg
    row["width_m"] = map.bounds.width
    row["height_m"] = map.bounds.height
    row["drivable_km"] = map.drivable_length / 1e3
    for kind, metres in map.drivable_length_by_kind.items():
        row[f"{kind}_km"] = metres / 1e3
    row["oneway_km"] = float(map.roads.lengths[map.roads.oneway].sum()) / 1e3
    row["road_segments"] = map.roads.count
    row["buildings"] = len(map.buildings)
    row["buildings_of_known_height"] = len(map.buildings) - map.unknown_heights
    row |= _coverage(map)
    columns, rows = map.tile_count
    row["tile_m"] = map.tile_size
    row["tiles"] = columns * rows
    return row


def _coverage(map: Map) -> dict[str, Any]:
    """Share of the map's area that each layer covers, percent."""
    from mdps_ros.core.mapdata import LAYERS

    finest = np.sqrt(map.bounds.width * map.bounds.height / COVERAGE_CELLS)
    tile = map.raster(map.bounds, max(map.resolution, float(finest)))
    shares = 100.0 * tile.layers.mean(axis=(1, 2))
    named = zip(LAYERS, shares, strict=True)
    return {"coverage_cell_m": tile.resolution} | {f"{k}_percent": float(v) for k, v in named if v}


def _load(sources: list[str]) -> Map:
    from mdps_ros.maps import load_map

    return load_map(sources[0] if len(sources) == 1 else sources)
