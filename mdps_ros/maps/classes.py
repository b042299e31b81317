"""What OpenStreetMap tags mean here: kind and size of ways, areas and points.

The tag meanings are those of https://wiki.openstreetmap.org/wiki/Map_features.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from mdps_ros.core.mapdata import ROAD_KINDS

Tags = Mapping[str, str]


class Stroke(NamedTuple):
    """Kind and width of a line, kinds as in `LineFeature`."""

    kind: str
    width: float  # m


class Dot(NamedTuple):
    """Kind and size of a point, as in `PointFeature`."""

    kind: str
    size: float  # m


FEET_PER_METRE = 3.28084

_MAJOR = {"motorway", "trunk", "primary", "secondary"}
_PAVEMENT = {"footway": 2.0, "pedestrian": 4.0, "steps": 2.0, "platform": 3.0, "corridor": 2.0}
_PATH = {"cycleway": 2.5, "path": 1.5, "track": 3.0, "bridleway": 2.0}
_RAIL = {"rail", "light_rail", "narrow_gauge", "subway"}
_RAIL_WIDTH = 2.5  # sleeper length of standard gauge
_WATERWAY = {"river": 8.0, "canal": 6.0, "stream": 2.0, "ditch": 1.0, "drain": 1.0}
_BARRIER = {
    "fence": Stroke("fence", 0.3),
    "wall": Stroke("wall", 0.4),
    "city_wall": Stroke("wall", 2.0),
    "retaining_wall": Stroke("wall", 0.4),
    "hedge": Stroke("hedge", 1.0),
    "guard_rail": Stroke("fence", 0.4),
}
_POLES = {"street_lamp": "lamp", "traffic_signals": "signal", "bus_stop": "bus_stop"}
_UNMARKED = {"no", "unmarked", "informal"}
_AREAS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("natural", "wood"): "tree",
        ("landuse", "forest"): "tree",
        **{("natural", value): "water" for value in ("water", "bay")},
        ("waterway", "riverbank"): "water",
        ("waterway", "dock"): "water",
        ("leisure", "swimming_pool"): "water",
        ("landuse", "reservoir"): "water",
        ("landuse", "basin"): "water",
        **{
            ("landuse", value): "grass"
            for value in (
                "grass",
                "meadow",
                "village_green",
                "recreation_ground",
                "cemetery",
                "farmland",
                "orchard",
                "vineyard",
                "allotments",
                "flowerbed",
            )
        },
        **{
            ("leisure", value): "grass"
            for value in ("park", "garden", "playground", "pitch", "golf_course", "dog_park")
        },
        **{("natural", value): "grass" for value in ("scrub", "grassland", "heath")},
        ("amenity", "grave_yard"): "grass",
        ("place", "square"): "pavement",
        ("railway", "platform"): "pavement",
        ("public_transport", "platform"): "pavement",
    }
)
_NO_BUILDING = {"no", "roof", "carport", "entrance", "demolished", "construction", "proposed"}
_TREE_CROWN = 3.0  # m across; OSM maps the trunk
_TREE_ROW = 4.0


def number(text: str | None) -> float | None:
    """Read an OSM measure: `6`, `6.5 m`, `6,5`, `20'`, the first of `3;4`; else None."""
    if text is None:
        return None
    text = text.split(";")[0].strip().lower().replace(",", ".")
    scale = 1.0
    if text.endswith(("'", "ft")):
        text, scale = text.removesuffix("'").removesuffix("ft"), 1.0 / FEET_PER_METRE
    try:
        value = float(text.removesuffix("m")) * scale
    except ValueError:
        return None
    # float() also reads "nan" and "inf", which are no measures.
    return value if abs(value) < 1e6 else None


def out_of_sight(tags: Tags) -> bool:
    """True for what a car under the open sky neither sees nor drives on."""
    return (
        tags.get("tunnel", "no") != "no"
        or tags.get("covered", "no") not in ("no", "arcade", "colonnade")
        or tags.get("indoor", "no") != "no"
        or tags.get("location") in ("underground", "indoor")
        or (number(tags.get("layer")) or 0.0) < 0.0
    )


def road_kind(tags: Tags) -> str | None:
    """Kind of ROAD_KINDS of a way for cars; links count as what they link. None if none."""
    highway = tags.get("highway", "").removesuffix("_link")
    if highway == "road":  # OSM's "not yet classified"
        return "unclassified"
    return highway if highway in ROAD_KINDS else None


def road_layer(kind: str) -> str:
    """Raster layer of a road kind."""
    if kind == "service":
        return "service"
    return "road_major" if kind in _MAJOR else "road_minor"


def way_stroke(tags: Tags, closed: bool) -> Stroke | None:
    """How a way that is no road for cars is drawn; None if it is not drawn as a line."""
    if closed and tags.get("area") == "yes":
        return None
    highway = tags.get("highway")
    if highway in _PAVEMENT:
        return Stroke("pavement", _width(tags, _PAVEMENT[highway]))
    if highway in _PATH:
        kind = "cycleway" if highway == "cycleway" else "path"
        return Stroke(kind, _width(tags, _PATH[highway]))
    if tags.get("railway") == "tram":
        return Stroke("tram", _RAIL_WIDTH)
    if tags.get("railway") in _RAIL:
        return Stroke("rail", _RAIL_WIDTH)
    if not closed and tags.get("railway") == "platform":
        return Stroke("pavement", _width(tags, 3.0))
    barrier = tags.get("barrier")
    if barrier in _BARRIER:
        usual = _BARRIER[barrier]
        return Stroke(usual.kind, _width(tags, usual.width))
    if tags.get("natural") == "tree_row":
        return Stroke("tree_row", _TREE_ROW)
    waterway = tags.get("waterway")
    if waterway in _WATERWAY:
        return Stroke("water", _width(tags, _WATERWAY[waterway]))
    return None


def point_dot(tags: Tags) -> Dot | None:
    """What a tagged node is; None if it is nothing that a street shows."""
    highway = tags.get("highway")
    if tags.get("natural") == "tree":
        return Dot("tree", _width(tags, _TREE_CROWN, key="diameter_crown"))
    if highway == "crossing":
        return None if tags.get("crossing") in _UNMARKED else Dot("crossing", 0.0)
    if highway in _POLES:
        return Dot(_POLES[highway], 0.0)
    if tags.get("barrier") == "bollard":
        return Dot("bollard", 0.0)
    return Dot("sign", 0.0) if "traffic_sign" in tags else None


def is_building(tags: Tags) -> bool:
    """True for walls that stand on the ground: no roofs on posts, nothing that hangs in the air."""
    raised = number(tags.get("min_height")) or 3.0 * (number(tags.get("building:min_level")) or 0.0)
    return tags.get("building", "no") not in _NO_BUILDING and raised < 2.0


def area_layers(tags: Tags) -> tuple[str, ...]:
    """Raster layers of an area, buildings aside."""
    layers: list[str] = []
    if tags.get("area") == "yes":
        kind = road_kind(tags)
        if kind is not None:
            layers.append(road_layer(kind))
        elif tags.get("highway") in _PAVEMENT:
            layers.append("pavement")
        elif tags.get("highway") in _PATH:
            layers.append("path")
        elif tags.get("barrier") in _BARRIER:
            layers.append("barrier")
    if tags.get("amenity") == "parking" and (
        tags.get("parking") not in ("underground", "multi-storey") and "building" not in tags
    ):
        layers.append("parking")
    layers.extend(layer for key, layer in _AREAS.items() if tags.get(key[0]) == key[1])
    return tuple(dict.fromkeys(layers))


def _width(tags: Tags, default: float, key: str = "width") -> float:
    width = number(tags.get(key))
    # Outside this range it is a typing error or another unit.
    return width if width is not None and 0.1 <= width <= 60.0 else default
