"""Every setting of the package, in one frozen tree: the only source of defaults.

ROS parameters, CLI look-ups and (by settings_file.py) `config/node.yaml` are generated from it.
Each field carries its unit, range and meaning as metadata. Unknown keys are refused with the
nearest known name.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

Scalar = bool | int | float | str


class SettingsError(ValueError):
    """A setting is unknown or out of range; the text names the key and the remedy."""


def setting(
    default: Any,
    doc: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """A documented dataclass field.

    Args:
        default: value used when nothing is said.
        doc: one sentence on what the setting does.
        unit: unit of the value, empty for pure numbers.
        low: smallest legal value, inclusive.
        high: largest legal value, inclusive.
        choices: legal words, for settings that are one of a few words.
    """
    metadata = {"doc": doc, "unit": unit, "low": low, "high": high, "choices": choices}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSettings:
    """The mixture-density particle filter."""

    particles_max: int = setting(
        1_000_000, "Upper bound of the adaptive particle number.", low=10, high=2_000_000
    )
    particles_min: int = setting(
        500, "Lower bound of the adaptive particle number.", low=1, high=1_000_000
    )
    start_spacing: float = setting(
        0.08,
        "Road metres per particle and direction when the start is unknown.",
        unit="m",
        low=0.05,
        high=50.0,
    )
    kld_error: float = setting(
        0.015, "KLD bound between sampled and true belief (Fox 2003).", low=0.005, high=1.0
    )
    kld_bin: float = setting(
        1.5, "Position bin of the particle-number rule.", unit="m", low=0.1, high=50.0
    )
    kld_bin_yaw: float = setting(
        0.26, "Yaw bin of the particle-number rule.", unit="rad", low=0.02, high=3.2
    )
    ess_fraction: float = setting(
        0.5, "Resample when the effective sample size falls below this share.", low=0.0, high=1.0
    )
    tempering_size: float = setting(
        100.0,
        "Effective particles that an image must leave; a sharper one is taken in parts.",
        low=1.0,
        high=100_000.0,
    )
    bandwidth_position: float = setting(
        0.2, "Gaussian kernel of the resampling mixture.", unit="m", low=0.0, high=10.0
    )
    bandwidth_yaw: float = setting(
        0.003,
        "Von Mises kernel of the resampling mixture, as its standard deviation.",
        unit="rad",
        low=1e-4,
        high=1.0,
    )
    lost_fit: float = setting(
        -2.5,
        "Mean log-likelihood of the drive against the roads below which the filter starts anew.",
        low=-100.0,
        high=0.0,
    )
    lost_distance: float = setting(
        40.0, "Travel over which that mean is taken.", unit="m", low=1.0, high=10_000.0
    )
    update_distance: float = setting(
        3.0, "Travel between two measurement updates.", unit="m", low=0.0, high=50.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """Odometry noise and the odometry calibration that every particle estimates."""

    forward_noise: float = setting(
        0.10,
        "Forward noise per square root of a metre travelled.",
        unit="m/sqrt(m)",
        low=0.0,
        high=5.0,
    )
    lateral_noise: float = setting(
        0.05, "Sideways noise per square root of a metre.", unit="m/sqrt(m)", low=0.0, high=5.0
    )
    yaw_noise: float = setting(
        0.002, "Yaw noise per square root of a metre.", unit="rad/sqrt(m)", low=0.0, high=1.0
    )
    yaw_noise_time: float = setting(
        0.001, "Yaw noise per square root of a second.", unit="rad/sqrt(s)", low=0.0, high=1.0
    )
    scale_sd: float = setting(
        0.02, "Start uncertainty of the odometer scale error.", low=0.0, high=0.5
    )
    yaw_bias_sd: float = setting(
        0.002, "Start uncertainty of the yaw-rate bias.", unit="rad/s", low=0.0, high=0.5
    )
    slip_sd: float = setting(
        0.05, "Standard deviation of the lateral slip velocity.", unit="m/s", low=0.0, high=5.0
    )
    wander_sd: float = setting(
        0.01, "How far the scale of good odometry wanders about its mean.", low=0.0, high=0.5
    )
    weak_wander_sd: float = setting(
        0.06, "How far the scale of weak odometry wanders about its mean.", low=0.0, high=0.5
    )
    weak_share: float = setting(
        0.4, "Belief, without evidence, that the odometry is weak.", low=0.0, high=1.0
    )
    quality_distance: float = setting(
        250.0,
        "Travel after which a particle thinks anew whether the odometry is weak.",
        unit="m",
        low=1.0,
        high=1e6,
    )
    wander_distance: float = setting(
        100.0, "Travel over which that wander is forgotten.", unit="m", low=1.0, high=10_000.0
    )
    scale_walk: float = setting(
        0.0005, "Random walk of the scale error.", unit="1/sqrt(s)", low=0.0, high=0.1
    )
    yaw_bias_walk: float = setting(
        0.0001, "Random walk of the yaw-rate bias.", unit="rad/s/sqrt(s)", low=0.0, high=0.1
    )
    slip_time: float = setting(
        2.0, "Correlation time of the lateral slip velocity.", unit="s", low=0.01, high=100.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadSettings:
    """The `road` measurement: a car drives on a road and along it."""

    enabled: bool = setting(True, "Use the road network as a measurement.")
    lateral_free: float = setting(
        1.0,
        "Offset from the expected lane centre that costs nothing.",
        unit="m",
        low=0.0,
        high=20.0,
    )
    lateral_sd: float = setting(
        1.0,
        "Spread of the offset beyond that; a sixth of the road's width is added.",
        unit="m",
        low=0.05,
        high=20.0,
    )
    heading_sd: float = setting(
        0.06, "Spread of the heading about the road's tangent.", unit="rad", low=0.01, high=3.0
    )
    turning_sd: float = setting(
        0.30, "Spread of the heading while turning.", unit="rad", low=0.01, high=3.0
    )
    turning_share: float = setting(
        0.1, "Share of the travel that is spent turning.", low=0.0, high=0.9
    )
    off_road: float = setting(
        0.03,
        "Likelihood of being off the mapped roads, against the lane centre.",
        low=1e-6,
        high=1.0,
    )
    off_heading: float = setting(
        0.05, "Likelihood of any heading on a road, against along it.", low=1e-6, high=0.1
    )
    decorrelation: float = setting(
        10.0, "Travel that counts as one independent look.", unit="m", low=0.1, high=500.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MapErrorSettings:
    """How far mapped streets lie beside the true ones; occupancy maps have no such error."""

    sd: float = setting(
        1.2, "Standard deviation of the map's offset, east and north.", unit="m", low=0.0, high=20.0
    )
    distance: float = setting(
        50.0,
        "Travel over which the offset changes: half of it is left after 1.7 times that.",
        unit="m",
        low=1.0,
        high=100_000.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthSettings:
    """The `depth` measurement: a depth image against buildings, obstacles and free road."""

    enabled: bool = setting(True, "Use depth images when they come.")
    range_max: float = setting(30.0, "Farthest depth that is used.", unit="m", low=2.0, high=200.0)
    height_min: float = setting(
        0.4, "Lowest point above the ground that is an obstacle.", unit="m", low=0.05, high=5.0
    )
    height_max: float = setting(
        3.0, "Highest point that is an obstacle.", unit="m", low=0.1, high=50.0
    )
    points: int = setting(256, "Points per image that are scored.", low=8, high=20_000)
    weight: float = setting(
        1.0, "Multiplier of the learned evidence of one image.", low=0.0, high=10.0
    )
    decorrelation: float = setting(
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
    weight: float = setting(
        1.0, "Multiplier of the learned evidence of one image.", low=0.0, high=10.0
    )
    decorrelation: float = setting(
        16.0, "Travel that counts as one independent look.", unit="m", low=0.1, high=500.0
    )
    cells: int = setting(
        500, "Cells of the image's ground plan that are scored.", low=16, high=20_000
    )
    volume: bool = setting(
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
class SmootherSettings:
    """The smoother: earlier poses, seen again with what was measured since."""

    enabled: bool = setting(False, "Smooth the newest frames while driving.")
    lag: float = setting(
        10.0, "Age at which a smoothed pose is final.", unit="s", low=0.0, high=600.0
    )
    stride: int = setting(5, "Updates between two smoothed trajectories.", low=1, high=1000)
    particles: int = setting(
        300, "Particles of the filter that runs back in time.", low=20, high=100_000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySettings:
    """A vehicle that is not where it is claimed to be; `filter.lost_fit` is its test by roads."""

    contradiction: float = setting(
        12.0,
        "Evidence of images against the claim at which the vehicle is lost; between false alarms "
        "lie on average at least exp of it independent images.",
        unit="nats",
        low=1.0,
        high=1000.0,
    )
    radius: float = setting(
        100.0,
        "A lost vehicle is looked for this far around its last trusted pose, plus the travel "
        "since, then on the whole map; 0: there at once.",
        unit="m",
        low=0.0,
        high=1e6,
    )
    elsewhere: float = setting(
        0.4, "Probability that it is anywhere on the map, in that search.", low=0.0, high=0.9
    )
    search_distance: float = setting(
        200.0,
        "Travel after which a search there that came to no claim goes on over the whole map.",
        unit="m",
        low=0.0,
        high=1e6,
    )
    confirm_distance: float = setting(
        40.0,
        "Travel over which the place of a vehicle that was lost must hold before it is claimed.",
        unit="m",
        low=0.0,
        high=10_000.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceSettings:
    """The measurements `fix` and `pose_prior`: where others see the vehicle."""

    weight: float = setting(
        1.0, "Multiplier of what one of them says; 0: not used.", low=0.0, high=10.0
    )
    outlier: float = setting(
        0.02,
        "Likelihood of lying far off, against the middle of the covariance that it came with.",
        low=1e-9,
        high=0.5,
    )
    decorrelation: float = setting(
        50.0, "Travel that counts as one independent look.", unit="m", low=0.1, high=5000.0
    )
    fix_sd: float = setting(
        5.0, "Standard deviation of a GNSS fix that tells none.", unit="m", low=0.01, high=1000.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateSettings:
    """How a belief becomes a pose, hypotheses and a claim."""

    mode_radius: float = setting(
        5.0, "Particles this near belong to one hypothesis.", unit="m", low=0.1, high=500.0
    )
    mode_yaw: float = setting(
        0.8, "Yaw distance within one hypothesis.", unit="rad", low=0.05, high=3.2
    )
    modes: int = setting(5, "Hypotheses that are reported.", low=1, high=50)
    claim_mass: float = setting(
        0.9, "A hypothesis with this share of the mass is the claimed pose.", low=0.5, high=1.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StartSettings:
    """The prior at start-up."""

    heading_known: bool = setting(False, "Take the start heading from `heading`.")
    heading: float = setting(
        0.0, "Start heading, counter-clockwise from east.", unit="rad", low=-6.3, high=6.3
    )
    heading_sd: float = setting(
        0.5236, "Standard deviation of the start heading.", unit="rad", low=0.001, high=3.2
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeSettings:
    """Time, buffers and device."""

    seed: int = setting(0, "Seed of the filter's random numbers.", low=0, high=2**31 - 1)
    device: str = setting("auto", "Where the filter runs.", choices=("auto", "cpu", "cuda"))
    odometry_buffer: float = setting(
        10.0, "Odometry kept for images that come late.", unit="s", low=0.5, high=600.0
    )
    max_odometry_gap: float = setting(
        1.0, "Longest gap in the odometry that is bridged silently.", unit="s", low=0.01, high=60.0
    )
    image_wait: int = setting(
        100, "Images that may wait for odometry; the oldest is dropped beyond.", low=1, high=1000
    )
    camera_timeout: float = setting(
        1.0,
        "Camera silence after which the filter goes on with odometry alone.",
        unit="s",
        low=0.05,
        high=600.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSettings:
    """Names of the coordinate frames (REP-105)."""

    map: str = setting("map", "The map frame.")
    odom: str = setting("odom", "The odometry frame; an odometry message may name another.")
    base: str = setting("base_link", "The vehicle frame.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """What the node subscribes to and publishes."""

    map: str = setting("", "Map file: .osm, .osm.pbf, a nav2 map YAML, or helsinki | suburb.")
    image_reliable: bool = setting(
        False, "Reliable QoS on images; best effort matches every publisher."
    )
    rectified: bool = setting(
        True, "Images come without distortion; off: they are undistorted here, by K and D."
    )
    odometry_reliable: bool = setting(
        True, "Reliable QoS on odometry and twist; off for publishers that are best effort."
    )
    odometry_source: str = setting(
        "pose",
        "What is odometry: the pose of `odom`, its twist, or the topic `twist`. With a twist there "
        "is no odometry frame, and map -> odom is not broadcast.",
        choices=("pose", "odometry_twist", "twist"),
    )
    publish_tf: bool = setting(True, "Broadcast map -> odom.")
    transform_tolerance: float = setting(
        0.1, "The transform map -> odom is stamped this far ahead.", unit="s", low=0.0, high=10.0
    )
    cloud_particles: int = setting(
        5000, "At most this many particles are published (thinned evenly).", low=1, high=1_000_000
    )
    map_resolution: float = setting(
        1.0, "Resolution of the published occupancy grid.", unit="m", low=0.05, high=10.0
    )
    odometry_rate: float = setting(
        50.0, "At most this many predicted poses; 0: none.", unit="Hz", low=0.0, high=1000.0
    )
    state_file: str = setting(
        "", "Save the belief here, and go on with it at the next start; empty: neither."
    )
    state_period: float = setting(
        10.0, "Pause between two savings.", unit="s", low=0.1, high=3600.0
    )


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


def describe(settings: Settings) -> Iterator[tuple[str, Scalar, Mapping[str, Any]]]:
    """Yield (dotted name, value, metadata) of every setting, in declaration order."""
    for group in fields(settings):
        section = getattr(settings, group.name)
        for item in fields(section):
            yield f"{group.name}.{item.name}", getattr(section, item.name), item.metadata


def check(name: str, value: Scalar, info: Mapping[str, Any]) -> None:
    """Raise SettingsError when a value is outside its range or not one of its words."""
    low, high, choices = info["low"], info["high"], info["choices"]
    if choices and value not in choices:
        raise SettingsError(f"{name} = {value!r}; use one of {', '.join(choices)}")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        too_low = low is not None and not value >= low
        too_high = high is not None and not value <= high
        if too_low or too_high:
            raise SettingsError(
                f"{name} = {value} is outside [{low}, {high}] {info['unit']}".rstrip()
            )


def _coerce(name: str, value: Any, default: Scalar) -> Scalar:
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not type(default):
        wanted = type(default).__name__
        raise SettingsError(f"{name} = {value!r} is a {type(value).__name__}; write a {wanted}")
    checked: Scalar = value
    return checked


def with_values(settings: Settings, values: Mapping[str, Any]) -> Settings:
    """A copy of `settings` with dotted names replaced, e.g. {"filter.particles_min": 500}.

    Raises:
        SettingsError: unknown name (the nearest known one is named), wrong type, out of range.
    """
    known = {name: value for name, value, _ in describe(settings)}
    sections: dict[str, dict[str, Scalar]] = {}
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            hint = f"did you mean {near[0]}? `mdps settings` lists them all"
            raise SettingsError(f"unknown setting {name}; {hint}")
        group, item = name.split(".")
        sections.setdefault(group, {})[item] = _coerce(name, value, known[name])
    changed: dict[str, Any] = {
        group: dataclasses.replace(getattr(settings, group), **items)
        for group, items in sections.items()
    }
    return dataclasses.replace(settings, **changed)
