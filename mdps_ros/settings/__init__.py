"""Every setting of the package, in one frozen tree: the only source of defaults.

ROS parameters, CLI look-ups and (by settings_file.py) `config/node.yaml` are generated from it.
Each field carries its unit, range and meaning as metadata. Unknown keys are refused with the
nearest known name.
"""

from __future__ import annotations

from dataclasses import dataclass

from mdps_ros.settings.estimation import (
    EstimateSettings,
    FilterSettings,
    MapErrorSettings,
    MotionSettings,
    RecoverySettings,
    SmootherSettings,
    StartSettings,
    start_heading,
)
from mdps_ros.settings.fields import Scalar, SettingsError, check, describe, setting, with_values
from mdps_ros.settings.measurements import (
    CameraSettings,
    DepthSettings,
    PlaceSettings,
    RoadSettings,
)
from mdps_ros.settings.node import FrameSettings, NodeSettings, RuntimeSettings

__all__ = [
    "CameraSettings",
    "DepthSettings",
    "EstimateSettings",
    "FilterSettings",
    "FrameSettings",
    "MapErrorSettings",
    "MotionSettings",
    "NodeSettings",
    "PlaceSettings",
    "RecoverySettings",
    "RoadSettings",
    "RuntimeSettings",
    "Scalar",
    "Settings",
    "SettingsError",
    "SmootherSettings",
    "StartSettings",
    "check",
    "describe",
    "setting",
    "start_heading",
    "with_values",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The whole tree."""

    filter: FilterSettings = FilterSettings()
    motion: MotionSettings = MotionSettings()
    road: RoadSettings = RoadSettings()
    map_error: MapErrorSettings = MapErrorSettings()
    depth: DepthSettings = DepthSettings()
    camera: CameraSettings = CameraSettings()
    smoother: SmootherSettings = SmootherSettings()
    recovery: RecoverySettings = RecoverySettings()
    place: PlaceSettings = PlaceSettings()
    estimate: EstimateSettings = EstimateSettings()
    start: StartSettings = StartSettings()
    runtime: RuntimeSettings = RuntimeSettings()
    frames: FrameSettings = FrameSettings()
    node: NodeSettings = NodeSettings()

    def __post_init__(self) -> None:
        """Check every value against its range."""
        for name, value, info in describe(self):
            check(name, value, info)
        if self.filter.particles_min > self.filter.particles_max:
            raise SettingsError("filter.particles_min exceeds filter.particles_max; lower it")
