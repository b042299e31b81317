"""`load_map`: one entrance for every map source."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path

from mdps_ros.maps.bundled import BUNDLED, bundled_path
from mdps_ros.maps.city import city_map
from mdps_ros.maps.errors import MapError, MissingMapError
from mdps_ros.maps.geodesy import GeoAnchor
from mdps_ros.maps.map import Map
from mdps_ros.maps.nav2 import grid_map
from mdps_ros.maps.osm import SUFFIXES

OSM_RESOLUTION = 0.5
MAX_EXTENT = 100_000.0
_YAML = (".yaml", ".yml")
_IMAGES = (".pgm", ".png", ".bmp", ".jpg", ".jpeg")


def load_map(
    source: str | Path | Sequence[str | Path],
    *,
    resolution: float | None = None,
    anchor: GeoAnchor | None = None,
    max_extent: float = MAX_EXTENT,
) -> Map:
    """Load a map.

    Args:
        source: an OSM file (XML or PBF), a nav2 map YAML, a folder of OSM files or a list of
            them (their union), or the name of a bundled extract, "helsinki" or "suburb".
        resolution: m per cell of the tiles; None takes 0.5 m for OSM and the grid's own for nav2.
        anchor: origin of the map frame; None takes the middle of the OSM data. A nav2 map has
            its own frame and refuses one.
        max_extent: m; a larger OSM map is refused.

    Returns:
        The map.

    Raises:
        MapError: with the remedy, when the source cannot be used.
    """
    sources = [source] if isinstance(source, str | Path) else list(source)
    if not sources:
        raise MapError("no map source given; name a file, a folder or one of " + _names())
    paths = [path for item in sources for path in _resolve(item)]
    name = _title(sources)
    if any(path.suffix.lower() in _YAML for path in paths):
        if len(paths) > 1:
            raise MapError(f"{name}: an occupancy map cannot be merged; load one YAML alone")
        if anchor is not None:
            raise MapError(f"{name}: an occupancy map has its own frame; leave the anchor out")
        return grid_map(paths[0], resolution=resolution)
    for path in paths:
        if path.suffix.lower() in _IMAGES:
            raise MapError(f"{path}: an image alone is no map; name the YAML file beside it")
    return city_map(
        paths,
        name=name,
        resolution=OSM_RESOLUTION if resolution is None else resolution,
        anchor=anchor,
        max_extent=max_extent,
    )


def _resolve(item: str | Path) -> list[Path]:
    if isinstance(item, str) and item in BUNDLED and not Path(item).exists():
        return [bundled_path(item)]
    path = Path(item)
    if not path.exists():
        near = difflib.get_close_matches(str(item).lower(), BUNDLED, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise MissingMapError(
            f"{path}: no such map file; {hint}check the path, or take a shipped map: {_names()}"
        )
    if not path.is_dir():
        return [path]
    files = sorted(p for p in path.iterdir() if p.name.endswith(SUFFIXES))
    if not files:
        raise MapError(f"{path}: the folder holds no OSM file; expected " + ", ".join(SUFFIXES))
    return files


def _title(sources: Sequence[str | Path]) -> str:
    first = Path(sources[0]).name
    return first if len(sources) == 1 else f"{first} and {len(sources) - 1} more"


def _names() -> str:
    return ", ".join(sorted(BUNDLED))
