"""Settings of the estimation: filter, motion, smoother, recovery, start."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mdps_ros.settings.fields import Scalar, SettingsError, live_setting, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterSettings:
    """The mixture-density particle filter."""

    particles_max: int = live_setting(
        1_000_000, "Upper bound of the adaptive particle number.", low=10, high=2_000_000
    )
    particles_min: int = live_setting(
        500, "Lower bound of the adaptive particle number.", low=1, high=1_000_000
    )
    start_spacing: float = live_setting(
        0.08,
        "Road metres per particle and direction when the start is unknown.",
        unit="m",
        low=0.05,
        high=50.0,
    )
    kld_error: float = live_setting(
        0.015, "KLD bound between sampled and true belief (Fox 2003).", low=0.005, high=1.0
    )
    kld_bin: float = live_setting(
        1.5, "Position bin of the particle-number rule.", unit="m", low=0.1, high=50.0
    )
    kld_bin_yaw: float = live_setting(
        0.26, "Yaw bin of the particle-number rule.", unit="rad", low=0.02, high=3.2
    )
    ess_fraction: float = live_setting(
        0.5, "Resample when the effective sample size falls below this share.", low=0.0, high=1.0
    )
    resampling: str = live_setting(
        "stratified",
        "How resampling chooses particles; `multinomial`: by independent draws.",
        choices=("stratified", "systematic", "residual", "multinomial"),
    )
    tempering_size: float = live_setting(
        100.0,
        "Effective particles that an image must leave; a sharper one is taken in parts.",
        low=1.0,
        high=100_000.0,
    )
    bandwidth_position: float = live_setting(
        0.2, "Gaussian kernel of the resampling mixture.", unit="m", low=0.0, high=10.0
    )
    bandwidth_yaw: float = live_setting(
        0.003,
        "Von Mises kernel of the resampling mixture, as its standard deviation.",
        unit="rad",
        low=1e-4,
        high=1.0,
    )
    lost_fit: float = live_setting(
        -2.5,
        "Mean log-likelihood of the drive against the roads below which the filter starts anew.",
        low=-100.0,
        high=0.0,
    )
    lost_distance: float = live_setting(
        40.0, "Travel over which that mean is taken.", unit="m", low=1.0, high=10_000.0
    )
    update_distance: float = live_setting(
        3.0, "Travel between two measurement updates.", unit="m", low=0.0, high=50.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MotionSettings:
    """Odometry noise and the odometry calibration that every particle estimates."""

    forward_noise: float = live_setting(
        0.10,
        "Forward noise per square root of a metre travelled.",
        unit="m/sqrt(m)",
        low=0.0,
        high=5.0,
    )
    lateral_noise: float = live_setting(
        0.05, "Sideways noise per square root of a metre.", unit="m/sqrt(m)", low=0.0, high=5.0
    )
    yaw_noise: float = live_setting(
        0.002, "Yaw noise per square root of a metre.", unit="rad/sqrt(m)", low=0.0, high=1.0
    )
    yaw_noise_time: float = live_setting(
        0.001, "Yaw noise per square root of a second.", unit="rad/sqrt(s)", low=0.0, high=1.0
    )
    scale_sd: float = live_setting(
        0.02, "Start uncertainty of the odometer scale error.", low=0.0, high=0.5
    )
    yaw_bias_sd: float = live_setting(
        0.002, "Start uncertainty of the yaw-rate bias.", unit="rad/s", low=0.0, high=0.5
    )
    slip_sd: float = live_setting(
        0.05, "Standard deviation of the lateral slip velocity.", unit="m/s", low=0.0, high=5.0
    )
    wander_sd: float = live_setting(
        0.01, "How far the scale of good odometry wanders about its mean.", low=0.0, high=0.5
    )
    weak_wander_sd: float = live_setting(
        0.06, "How far the scale of weak odometry wanders about its mean.", low=0.0, high=0.5
    )
    weak_share: float = live_setting(
        0.4, "Belief, without evidence, that the odometry is weak.", low=0.0, high=1.0
    )
    quality_distance: float = live_setting(
        250.0,
        "Travel after which a particle thinks anew whether the odometry is weak.",
        unit="m",
        low=1.0,
        high=1e6,
    )
    wander_distance: float = live_setting(
        100.0, "Travel over which that wander is forgotten.", unit="m", low=1.0, high=10_000.0
    )
    scale_walk: float = live_setting(
        0.0005, "Random walk of the scale error.", unit="1/sqrt(s)", low=0.0, high=0.1
    )
    yaw_bias_walk: float = live_setting(
        0.0001, "Random walk of the yaw-rate bias.", unit="rad/s/sqrt(s)", low=0.0, high=0.1
    )
    slip_time: float = live_setting(
        2.0, "Correlation time of the lateral slip velocity.", unit="s", low=0.01, high=100.0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MapErrorSettings:
    """How far mapped streets lie beside the true ones; occupancy maps have no such error."""

    sd: float = live_setting(
        1.2, "Standard deviation of the map's offset, east and north.", unit="m", low=0.0, high=20.0
    )
    distance: float = live_setting(
        50.0,
        "Travel over which the offset changes: half of it is left after 0.7 times that, or after "
        "1.7 times that where it `turns`.",
        unit="m",
        low=1.0,
        high=100_000.0,
    )
    turns: bool = setting(
        False,
        "The offset changes smoothly, and turns the streets where it does, as on a map that is "
        "warped; off: it wanders, and streets keep their direction.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SmootherSettings:
    """The smoother: earlier poses, seen again with what was measured since."""

    enabled: bool = setting(False, "Smooth the newest frames while driving.")
    lag: float = live_setting(
        10.0, "Age at which a smoothed pose is final.", unit="s", low=0.0, high=600.0
    )
    stride: int = live_setting(5, "Updates between two smoothed trajectories.", low=1, high=1000)
    particles: int = live_setting(
        300, "Particles of the filter that runs back in time.", low=20, high=100_000
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoverySettings:
    """A vehicle that is not where it is claimed to be; `filter.lost_fit` is its test by roads."""

    contradiction: float = live_setting(
        12.0,
        "Evidence of images against the claim at which the vehicle is lost; between false alarms "
        "lie on average at least exp of it independent images.",
        unit="nats",
        low=1.0,
        high=1000.0,
    )
    radius: float = live_setting(
        100.0,
        "A lost vehicle is looked for this far around its last trusted pose, plus the travel "
        "since, then on the whole map; 0: there at once. A claim is compared with places as near.",
        unit="m",
        low=0.0,
        high=1e6,
    )
    elsewhere: float = live_setting(
        0.4, "Probability that it is anywhere on the map, in that search.", low=0.0, high=0.9
    )
    search_distance: float = live_setting(
        200.0,
        "Travel after which a search there that came to no claim goes on over the whole map.",
        unit="m",
        low=0.0,
        high=1e6,
    )
    confirmation: float = live_setting(
        4.0,
        "Evidence of images and fixes for a place that a search found at which it is claimed; one "
        "no better than those around gets there with a chance of about exp of minus it. 0: claimed "
        "at once.",
        unit="nats",
        low=0.0,
        high=1000.0,
    )
    confirm_distance: float = live_setting(
        40.0,
        "Travel over which the place of a vehicle that was lost must hold before it is claimed.",
        unit="m",
        low=0.0,
        high=10_000.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EstimateSettings:
    """How a belief becomes a pose, hypotheses and a claim."""

    mode_radius: float = live_setting(
        5.0, "Particles this near belong to one hypothesis.", unit="m", low=0.1, high=500.0
    )
    mode_yaw: float = live_setting(
        0.8, "Yaw distance within one hypothesis.", unit="rad", low=0.05, high=3.2
    )
    modes: int = live_setting(5, "Hypotheses that are reported.", low=1, high=50)
    claim_mass: float = live_setting(
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


def start_heading(word: str) -> dict[str, Scalar]:
    """Values of `start.*` for a heading in words.

    Args:
        word: "unknown", or degrees counter-clockwise from east.

    Raises:
        SettingsError: the word is neither.
    """
    if word == "unknown":
        return {"start.heading_known": False}
    try:
        heading = math.remainder(float(word), 360.0)
    except ValueError:
        heading = math.nan
    if math.isnan(heading):
        raise SettingsError(
            f"heading {word}: write unknown, or degrees counter-clockwise from east"
        )
    return {"start.heading_known": True, "start.heading": math.radians(heading)}
