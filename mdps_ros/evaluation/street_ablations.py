"""What each part of the localizer gives: one thing is changed at a time, all else stays.

The drives, the maps' errors, the told heading and the filter's seed of a drive are the same in all
variants, so that differences can be taken drive by drive.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import torch

from mdps_ros.evaluation import street_drives
from mdps_ros.evaluation.results import Row
from mdps_ros.evaluation.smoothing import OFFLINE, WalkChanges
from mdps_ros.evaluation.street_drives import A_MDPF, SINGLE, StreetRun
from mdps_ros.settings import Settings, with_values

BASE, CLEAN = "base", "clean map"
SMOOTHERS = "smoothers"
"""Not a variant: the smoothers of the base, on the frames of its filter."""
LAG_S = 10.0
WALKS: Mapping[str, WalkChanges] = MappingProxyType(
    {
        OFFLINE: {},
        "offline, all drawn from q": {"least_met": math.inf},
        "offline, all drawn from q, without 1/q": {"least_met": math.inf, "divided": False},
    }
)
"""Offline smoothers: mostly by the forward filter's particles; by draws of both filters' mixture q
with weights divided by it (Eq. 20 of MDPS); and the same without the division, which is wrong."""
IMPERFECT = StreetRun(map="imperfect")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One change.

    Attributes:
        run: the way to localize; an imperfect map and a heading known to 30 degrees.
        changes: settings that differ.
        against: variant that it is compared with.
    """

    run: StreetRun = IMPERFECT
    changes: Mapping[str, bool | float | int | str] = field(default_factory=dict)
    against: str = BASE


def _particles(count: int) -> Variant:
    return Variant(changes={"filter.particles_min": count, "filter.particles_max": count})


def _other_map(map: str, against: str = BASE) -> Variant:
    return Variant(run=StreetRun(map=map), against=against)


def _in(scene: str) -> Variant:
    return Variant(run=StreetRun(map="imperfect", scene=scene))


VARIANTS: Mapping[str, Variant] = MappingProxyType(
    {
        BASE: Variant(),
        "a-mdpf": Variant(run=StreetRun(map="imperfect", method=A_MDPF)),
        "camera weight 2": Variant(changes={"camera.weight": 2.0}),
        "no stratification": Variant(changes={"filter.resampling": "multinomial"}),
        "no kernels": Variant(run=StreetRun(map="imperfect", method="particle filter")),
        "no tempering": Variant(changes={"filter.tempering_size": 1.0}),
        "no map error": Variant(changes={"map_error.sd": 0.0}),
        "no roads": Variant(changes={"road.enabled": False}),
        "no camera": Variant(run=StreetRun(map="imperfect", method="road")),
        "single frame": Variant(run=StreetRun(map="imperfect", method=SINGLE)),
        "250 particles": _particles(250),
        "1000 particles": _particles(1000),
        "4000 particles": _particles(4000),
        "heading unknown": Variant(run=StreetRun(map="imperfect", heading_known=False)),
        "10 % of buildings missing": _other_map("imperfect, 10 % of buildings missing"),
        "30 % of buildings missing": _other_map("imperfect, 30 % of buildings missing"),
        "50 % of buildings missing": _other_map("imperfect, 50 % of buildings missing"),
        "roads shifted 2 m": _other_map("imperfect, roads shifted 2 m"),
        CLEAN: _other_map("clean"),
        "clean, 10 % of buildings missing": _other_map("clean, 10 % of buildings missing", CLEAN),
        "clean, 30 % of buildings missing": _other_map("clean, 30 % of buildings missing", CLEAN),
        "clean, 50 % of buildings missing": _other_map("clean, 50 % of buildings missing", CLEAN),
        "clean, roads shifted 2 m": _other_map("clean, roads shifted 2 m", CLEAN),
        "night": _in("night"),
        "rain": _in("rain"),
        "other camera": _in("other camera"),
        "suburb": _in("suburb"),
    }
)
"""Name for tables -> what is changed."""


def ablation_rows(name: str, split: str, index: int, settings: Settings) -> list[Row]:
    """One drive by one variant, or by SMOOTHERS; a function of plain values, for worker processes.

    Args:
        name: of VARIANTS, or SMOOTHERS.
        split: of `street_scenes.SPLITS`.
        index: number of the drive.
        settings: the whole tree.

    Returns:
        One row by the name of the variant; of SMOOTHERS one for the filter and each smoother.
    """
    torch.set_num_threads(1)
    if name == SMOOTHERS:
        return street_drives.hindsight_rows(
            split, index, 0, (VARIANTS[BASE].run,), settings, (LAG_S,), WALKS
        )
    variant = VARIANTS[name]
    changed = with_values(settings, variant.changes)
    (row,) = street_drives.drive_rows(split, index, (variant.run,), changed)
    return [{**row, "name": name}]


def tasks_of(
    names: Sequence[str], split: str, drives: int, settings: Settings
) -> list[tuple[str, str, int, Settings]]:
    """Arguments of `ablation_rows`, drive by drive: what was rendered once is used again."""
    return [(name, split, index, settings) for index in range(drives) for name in names]
