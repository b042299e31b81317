"""The learned table of the `depth` measurement and its file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from mdps_ros.models.depth_cells import BUILDING_EDGES, CLASSES, ROAD_EDGES

FORMAT = "mdps-depth-table-1"
FILE = "depth_table.json"


class DepthTable(NamedTuple):
    """Evidence of one point for a pose, by the class of the map cell it falls on.

    Attributes:
        obstacle: CLASSES log-ratios per obstacle point (one per bearing).
        free: CLASSES log-ratios per free cell.
        provenance: how the table was made: command, data, seeds, version, metrics.
    """

    obstacle: tuple[float, ...]
    free: tuple[float, ...]
    provenance: Mapping[str, Any]


def bundled_table() -> DepthTable:
    """The table that the package ships."""
    text = resources.files("mdps_ros.models").joinpath(FILE).read_text(encoding="utf-8")
    return parse_table(text, FILE)


def load_table(path: Path) -> DepthTable:
    """Read a table that `mdps calibrate depth` wrote.

    Raises:
        ValueError: unreadable, or not a table of this version.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot read {path}: {error}") from error
    return parse_table(text, str(path))


def parse_table(text: str, name: str) -> DepthTable:
    """A table from its JSON text; every field is checked.

    Args:
        text: content of the file.
        name: file name for messages.

    Raises:
        ValueError: one line that names the file and the remedy.
    """
    remedy = "make it anew with `mdps calibrate depth`"
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{name} is not JSON ({error}); {remedy}") from error
    wanted = {"format", "building_edges_m", "road_edges_m", "obstacle", "free", "provenance"}
    if not isinstance(tree, dict) or set(tree) != wanted:
        raise ValueError(f"{name} must hold exactly {', '.join(sorted(wanted))}; {remedy}")
    if tree["format"] != FORMAT:
        raise ValueError(f"{name} has format {tree['format']!r}, not {FORMAT!r}; {remedy}")
    edges = (tuple(tree["building_edges_m"]), tuple(tree["road_edges_m"]))
    if edges != (BUILDING_EDGES, ROAD_EDGES):
        raise ValueError(f"{name} was made for other distance bins; {remedy}")
    columns = [_numbers(tree[key], key, name, remedy) for key in ("obstacle", "free")]
    if not isinstance(tree["provenance"], dict):
        raise ValueError(f"{name} does not say where it comes from; {remedy}")
    return DepthTable(columns[0], columns[1], tree["provenance"])


def table_text(table: DepthTable) -> str:
    """The JSON text of a table, the same bytes for the same table."""
    tree = {
        "format": FORMAT,
        "building_edges_m": BUILDING_EDGES,
        "road_edges_m": ROAD_EDGES,
        "obstacle": [round(value, 5) for value in table.obstacle],
        "free": [round(value, 5) for value in table.free],
        "provenance": dict(table.provenance),
    }
    return json.dumps(tree, indent=1) + "\n"


def _numbers(values: Any, key: str, name: str, remedy: str) -> tuple[float, ...]:
    good = isinstance(values, list) and len(values) == CLASSES
    if not good or not all(type(v) in (int, float) and math.isfinite(v) for v in values):
        raise ValueError(f"{name}: `{key}` must be {CLASSES} finite numbers; {remedy}")
    return tuple(float(value) for value in values)
