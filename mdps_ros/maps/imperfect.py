"""A map that is wrong in the ways in which maps are wrong, to train and to be judged on.

The world of a simulation is drawn from the map, so the localizer would see a perfect one. Here
raster, roads, buildings and streetscape are changed alike: a smooth warp, missing things, wrong
widths, and roads that lie beside the truth.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, dataclass

import numpy as np

from mdps_ros.core.mapdata import AreaFeature, LineFeature, Streetscape
from mdps_ros.maps.buildings import signed_area
from mdps_ros.maps.drawing import ROAD_PREFIX, line_ends
from mdps_ros.maps.errors import MapError
from mdps_ros.maps.map import Map
from mdps_ros.maps.moving import Features, moved_features
from mdps_ros.maps.road_errors import with_shifted_roads, with_wrong_widths
from mdps_ros.maps.warp import SmoothWarp, smooth_warp

_SMALL_LENGTH = 30.0  # m of line
_SMALL_AREA = 100.0  # m^2
_HASH_FORMAT = "mdps-imperfect-1"
_MISSING, _WIDTHS, _SHIFTS, _WARP = range(4)  # streams of random numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class ImperfectStyle:
    """How wrong a map is; 0 switches a part off.

    Attributes:
        warp_sd_m: standard deviation of the smooth warp, per axis.
        warp_length_m: its correlation length l: exp(-d^2 / (2 l^2)) at distance d.
        small_missing: share of the points, of lines below 30 m that are no roads, and of areas
            below 100 m^2 that the map lacks.
        buildings_missing: share of the buildings that the map lacks.
        widths_wrong: share of the road ways whose width is wrong.
        width_error: by which share of the width, up or down.
        road_shift_m: how far every road way lies off, each in a direction of its own; ways that
            meet stay joined.
    """

    warp_sd_m: float = 1.0
    warp_length_m: float = 15.0
    small_missing: float = 0.3
    buildings_missing: float = 0.05
    widths_wrong: float = 0.1
    width_error: float = 0.3
    road_shift_m: float = 0.0

    def __post_init__(self) -> None:
        """Refuse shares outside [0, 1] and lengths that make no sense."""
        for name in ("small_missing", "buildings_missing", "widths_wrong", "width_error"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise MapError(f"{name} is {getattr(self, name)}; use a share in [0, 1]")
        if self.width_error == 1.0:
            raise MapError("width_error is 1, which leaves no road; use less than 1")
        if not (self.warp_sd_m >= 0.0 and self.warp_length_m > 0.0 and self.road_shift_m >= 0.0):
            raise MapError(
                f"warp of {self.warp_sd_m} m over {self.warp_length_m} m, road shift of "
                f"{self.road_shift_m} m; use amounts of 0 or more and a length above 0"
            )


def imperfect_map(map: Map, style: ImperfectStyle, generator: np.random.Generator) -> Map:
    """Make a wrong map of a place from a right one.

    Each part of the style draws from a stream of its own: what one part does depends neither on
    the others nor on how much is asked of them, and the things that a small share misses are
    missed by a larger share too.

    Args:
        map: the source; it stays as it is.
        style: how wrong.
        generator: source of randomness; 16 bytes are drawn.

    Returns:
        A map in the same frame, with the same extent and an id of its own.

    Raises:
        MapError: the source is an occupancy map, which has no features.
    """
    if map.roads.count == 0:
        raise MapError(f"{map.name}: has no features that could be wrong; use an OSM map")
    seed = _seed(generator)
    missing, widths, shifts = (_stream(seed, part) for part in (_MISSING, _WIDTHS, _SHIFTS))
    features = Features(map.roads, map.buildings, map.streetscape)
    features = _without(features, style, missing)
    if style.widths_wrong > 0.0:
        features = with_wrong_widths(features, style.widths_wrong, style.width_error, widths)
    if style.road_shift_m > 0.0:
        features = with_shifted_roads(features, style.road_shift_m, shifts)
    field = _warp(style, seed)
    if field is not None:
        features = moved_features(features, field, 0.5 * style.warp_length_m)
    text = f"{_HASH_FORMAT} {map.id} {astuple(style)!r} {seed:x}"
    return map.with_features(
        id=hashlib.sha256(text.encode()).hexdigest(),
        name=f"{map.name}, imperfect",
        roads=features.roads,
        buildings=features.buildings,
        streetscape=features.streetscape,
    )


def imperfect_warp(style: ImperfectStyle, generator: np.random.Generator) -> SmoothWarp | None:
    """The warp of the map that `imperfect_map` makes of the same style and generator.

    Args:
        style: how wrong.
        generator: in the state in which `imperfect_map` gets it; 16 bytes are drawn.

    Returns:
        How far a place is drawn from where it is; None of a style without a warp.
    """
    return _warp(style, _seed(generator))


def _seed(generator: np.random.Generator) -> int:
    return int.from_bytes(generator.bytes(16), "little")


def _stream(seed: int, part: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(part,)))


def _warp(style: ImperfectStyle, seed: int) -> SmoothWarp | None:
    if style.warp_sd_m == 0.0:
        return None
    return smooth_warp(style.warp_sd_m, style.warp_length_m, _stream(seed, _WARP))


def _without(features: Features, style: ImperfectStyle, generator: np.random.Generator) -> Features:
    of = features.streetscape
    building, line, point, area = (
        generator.uniform(size=len(things))
        for things in (features.buildings, of.lines, of.points, of.areas)
    )
    few, small = style.buildings_missing, style.small_missing
    return features._replace(
        buildings=tuple(b for b, u in zip(features.buildings, building, strict=True) if u >= few),
        streetscape=Streetscape(
            tuple(f for f, u in zip(of.lines, line, strict=True) if u >= small or not _short(f)),
            tuple(f for f, u in zip(of.points, point, strict=True) if u >= small),
            tuple(f for f, u in zip(of.areas, area, strict=True) if u >= small or not _tiny(f)),
        ),
    )


def _short(line: LineFeature) -> bool:
    start, end = line_ends(line)
    return not line.kind.startswith(ROAD_PREFIX) and bool(
        np.hypot(*(end - start).T).sum() < _SMALL_LENGTH
    )


def _tiny(area: AreaFeature) -> bool:
    return abs(signed_area(area.exterior)) < _SMALL_AREA
