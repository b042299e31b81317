"""Settings of the measurements: roads, depth images, colour images, told places."""

from __future__ import annotations

from dataclasses import dataclass

from mdps_ros.settings.fields import live_setting, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadSettings:
    """The `road` measurement: a car drives on a road and along it."""

    enabled: bool = setting(True, "Use the road network as a measurement.")
    lateral_free: float = live_setting(
        1.0,
        "Offset from the expected lane centre that costs nothing.",
        unit="m",
        low=0.0,
        high=20.0,
    )
    lateral_sd: float = live_setting(
        1.0,
        "Spread of the offset beyond that; a sixth of the road's width is added.",
        unit="m",
        low=0.05,
        high=20.0,
    )
    heading_sd: float = live_setting(
        0.06, "Spread of the heading about the road's tangent.", unit="rad", low=0.01, high=3.0
    )
    turning_sd: float = live_setting(
        0.30, "Spread of the heading while turning.", unit="rad", low=0.01, high=3.0
    )
    turning_share: float = live_setting(
        0.1, "Share of the travel that is spent turning.", low=0.0, high=0.9
    )
    off_road: float = live_setting(
        0.03,
        "Likelihood of being off the mapped roads, against the lane centre.",
        low=1e-6,
        high=1.0,
    )
    off_heading: float = live_setting(
        0.05, "Likelihood of any heading on a road, against along it.", low=1e-6, high=0.1
    )
    decorrelation: float = live_setting(
        10.0, "Travel that counts as one independent look.", unit="m", low=0.1, high=500.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthSettings:
    """The `depth` measurement: a depth image against buildings, obstacles and free road."""

    enabled: bool = setting(True, "Use depth images when they come.")
    range_max: float = live_setting(
        30.0, "Farthest depth that is used.", unit="m", low=2.0, high=200.0
    )
    height_min: float = live_setting(
        0.4, "Lowest point above the ground that is an obstacle.", unit="m", low=0.05, high=5.0
    )
    height_max: float = live_setting(
        3.0, "Highest point that is an obstacle.", unit="m", low=0.1, high=50.0
    )
    points: int = live_setting(256, "Points per image that are scored.", low=8, high=20_000)
    weight: float = live_setting(
        1.0, "Multiplier of the learned evidence of one image.", low=0.0, high=10.0
    )
    decorrelation: float = live_setting(
        20.0, "Travel that counts as one independent look.", unit="m", low=0.1, high=500.0
    )
    tile_memory: float = setting(
        64.0, "Bound of the map rasters that are kept for scoring.", unit="MB", low=1.0, high=2000.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """The `camera` measurement: a colour image against the map, by a learned network."""

    enabled: bool = setting(True, "Use colour images when they come.")
    weights: str = setting("", "Weights file of the network; the package's own where empty.")
    weight: float = live_setting(
        1.0, "Multiplier of the learned evidence of one image.", low=0.0, high=10.0
    )
    decorrelation: float = live_setting(
        11.0, "Travel that counts as one independent look.", unit="m", low=0.1, high=500.0
    )
    cells: int = live_setting(
        500, "Cells of the image's ground plan that are scored.", low=16, high=20_000
    )
    volume: bool = live_setting(
        True,
        "Score a large, concentrated cloud by a volume of scores, interpolated between poses; "
        "off: pose by pose.",
    )
    tile_memory: float = setting(
        256.0, "Bound of the encoded map that is kept for scoring.", unit="MB", low=1.0, high=4000.0
    )
    tile_cache: str = setting(
        "",
        "Folder where the encoded map is kept for the next start, 64 MB per square kilometre; "
        "empty: nowhere.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSettings:
    """The measurements `fix` and `pose_prior`: where others see the vehicle."""

    weight: float = live_setting(
        1.0, "Multiplier of what one of them says; 0: not used.", low=0.0, high=10.0
    )
    outlier: float = live_setting(
        0.02,
        "Likelihood of lying far off, against the middle of the covariance that it came with.",
        low=1e-9,
        high=0.5,
    )
    decorrelation: float = live_setting(
        50.0, "Travel that counts as one independent look.", unit="m", low=0.1, high=5000.0
    )
    fix_sd: float = live_setting(
        5.0, "Standard deviation of a GNSS fix that tells none.", unit="m", low=0.01, high=1000.0
    )
