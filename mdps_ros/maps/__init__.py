"""Maps: OpenStreetMap extracts and occupancy grids as one read-only `Map`."""

from mdps_ros.maps.errors import MapError, MapHeaderError, MissingMapError
from mdps_ros.maps.geodesy import GeoAnchor
from mdps_ros.maps.load import load_map
from mdps_ros.maps.map import Map

__all__ = ["GeoAnchor", "Map", "MapError", "MapHeaderError", "MissingMapError", "load_map"]
