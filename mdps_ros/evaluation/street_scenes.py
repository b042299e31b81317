"""What is drawn, and what the localizer is told of it: streets, weather, cameras, and maps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType

import numpy as np

from mdps_ros.core.mapdata import Bounds
from mdps_ros.maps import Map, load_map
from mdps_ros.maps.imperfect import ImperfectStyle, imperfect_map
from mdps_ros.sim.street_camera import StreetCamera
from mdps_ros.sim.street_drive import StreetDriveStyle
from mdps_ros.sim.street_split import HELSINKI_TEST, HELSINKI_TRAIN

SPLITS = MappingProxyType({"train": HELSINKI_TRAIN, "test": HELSINKI_TEST})
"""Parts of central Helsinki."""

DRAWN_STYLE = StreetDriveStyle(rate_hz=2.5)
OTHER_CAMERA = StreetCamera(
    width=480,
    height=300,
    hfov_rad=math.radians(62.0),
    forward_m=0.4,
    up_m=2.2,
    pitch_rad=math.radians(6.0),
    yaw_rad=math.radians(10.0),
)
"""Outside of what is drawn for training in field of view, place, height, pitch and yaw."""
BORDER_M = 60.0
"""Of a city without splits, where no drive begins or ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Where and how drives are drawn.

    Attributes:
        city: a bundled map.
        whole: drives are anywhere in it; false keeps them to a split.
        style: of the drives.
    """

    city: str = "helsinki"
    whole: bool = False
    style: StreetDriveStyle = DRAWN_STYLE

    def bounds(self, split: str) -> Bounds:
        """Where drives of a split are."""
        if not self.whole:
            return SPLITS[split]
        all_ = load_map(self.city).bounds
        return Bounds(
            all_.min_x + BORDER_M,
            all_.min_y + BORDER_M,
            all_.max_x - BORDER_M,
            all_.max_y - BORDER_M,
        )


AS_DRAWN = "as drawn"
SCENES: Mapping[str, Scene] = MappingProxyType(
    {
        AS_DRAWN: Scene(),
        "night": Scene(style=replace(DRAWN_STYLE, weather="night")),
        "rain": Scene(style=replace(DRAWN_STYLE, weather="rain")),
        "other camera": Scene(style=replace(DRAWN_STYLE, camera=OTHER_CAMERA)),
        "suburb": Scene(city="suburb", whole=True),
    }
)
"""All but the suburb have the same routes and the same odometry."""

_RIGHT = ImperfectStyle(warp_sd_m=0.0, small_missing=0.0, buildings_missing=0.0, widths_wrong=0.0)
_IMPERFECT = ImperfectStyle()
MAPS: Mapping[str, ImperfectStyle | None] = MappingProxyType(
    {
        "clean": None,
        "imperfect": _IMPERFECT,
        **{
            f"{kind}, {percent} % of buildings missing": replace(
                style, buildings_missing=percent / 100
            )
            for kind, style in (("clean", _RIGHT), ("imperfect", _IMPERFECT))
            for percent in (10, 30, 50)
        },
        **{
            f"{kind}, roads shifted 2 m": replace(style, road_shift_m=2.0)
            for kind, style in (("clean", _RIGHT), ("imperfect", _IMPERFECT))
        },
    }
)
"""What the localizer is given in place of the map that was drawn."""
USUAL_MAPS = ("clean", "imperfect")
"""Of MAPS, unless others are asked for."""


@lru_cache(maxsize=len(MAPS) + 1)  # all of one drive; one is of the suburb
def told_map(kind: str, index: int, city: str = "helsinki") -> Map:
    """The map of MAPS that the localizer of a drive is given."""
    style = MAPS[kind]
    place = load_map(city)
    return place if style is None else imperfect_map(place, style, np.random.default_rng(index))
