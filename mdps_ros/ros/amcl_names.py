"""AMCL's parameter names: taken over where the same thing is here, and told of where not.

So a parameter file that was written for nav2_amcl starts this node, and says what became of it.
Names and meanings are those of nav2 (main of August 2026).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import InitialPoseEvent
from mdps_ros.settings import Scalar, Settings, SettingsError, describe, with_values


class Same(NamedTuple):
    """A setting that means the same.

    Attributes:
        name: ours.
        convert: AMCL's value to ours.
        hint: what else is good to know.
    """

    name: str
    convert: Callable[[Any], Any] = lambda value: value
    hint: str = ""


def _period(rate: Any) -> float:
    """Seconds of a rate in Hz."""
    if not rate > 0.0:
        raise SettingsError("it never saves; leave node.state_file empty for that")
    return 1.0 / float(rate)


def _seed(seed: Any) -> Any:
    if seed < 0:
        raise SettingsError("every run has the same seed; set runtime.seed for another one")
    return seed


SAME: dict[str, Same] = {
    "base_frame_id": Same("frames.base"),
    "odom_frame_id": Same("frames.odom"),
    "global_frame_id": Same("frames.map"),
    "min_particles": Same("filter.particles_min"),
    "max_particles": Same(
        "filter.particles_max", hint="a start anywhere on a large map wants far more"
    ),
    "pf_err": Same("filter.kld_error"),
    "update_min_d": Same("filter.update_distance"),
    "tf_broadcast": Same("node.publish_tf"),
    "transform_tolerance": Same("node.transform_tolerance"),
    "save_pose_rate": Same("node.state_period", _period, "saved to node.state_file, if it is set"),
    "random_seed": Same("runtime.seed", _seed),
    "bond_heartbeat_period": Same("node.bond_period"),
}
"""What is taken over."""

START = ("initial_pose.x", "initial_pose.y", "initial_pose.yaw")
"""What is taken over as the start where `set_initial_pose` is on."""
START_SD = np.array([0.5, 0.5, np.pi / 12])
"""m, m, rad: its spread, that of AMCL in ROS 1; nav2's AMCL has none."""

_LIDAR = "it is of a lidar; leave it out"
_NOISE = "set motion.forward_noise, .lateral_noise and .yaw_noise, per square root of a metre"
_START = "set_initial_pose is off; publish initialpose, or give start.heading"
_LOST = "recovery is always on; see recovery.*, filter.lost_fit and filter.lost_distance"

OTHERS: dict[str, str] = {
    **dict.fromkeys(("alpha1", "alpha2", "alpha3", "alpha4", "alpha5"), _NOISE),
    **dict.fromkeys(("recovery_alpha_slow", "recovery_alpha_fast"), _LOST),
    **dict.fromkeys(
        ("set_initial_pose", "initial_pose.x", "initial_pose.y", "initial_pose.yaw"), _START
    ),
    "initial_pose.z": "the vehicle is on the ground",
    "always_reset_initial_pose": "the belief is kept while the node is inactive",
    **dict.fromkeys(("laser_model_type", "laser_likelihood_max_dist", "laser_max_range"), _LIDAR),
    **dict.fromkeys(("laser_min_range", "max_beams", "sigma_hit", "lambda_short"), _LIDAR),
    **dict.fromkeys(("z_hit", "z_max", "z_rand", "z_short", "do_beamskip"), _LIDAR),
    **dict.fromkeys(("beam_skip_distance", "beam_skip_threshold"), _LIDAR),
    **dict.fromkeys(("beam_skip_error_threshold", "scan_topic"), _LIDAR),
    "pf_z": "it is fixed at 0.99; filter.kld_error alone sets how many particles there are",
    "resample_interval": "set filter.ess_fraction: particles are drawn anew when too few count",
    "update_min_a": "a turn alone makes no update; set filter.update_distance",
    "robot_model_type": "one motion model serves all; set motion.*",
    "saved_pose_filepath": "set node.state_file to a file of its own; the whole belief is saved",
    "initialize_at_saved_pose": "set node.state_file; a belief that is there is gone on with",
    "map_topic": "no map topic is read; set node.map to the file, or call load_map",
    "first_map_only": "a map is changed by nothing but load_map",
    "freespace_downsampling": "set filter.start_spacing",
    "autostart_node": "set autostart",
    "introspection_mode": "services are not introspected; leave it out",
    "service_introspection_mode": "services are not introspected; leave it out",
}
"""What is not, and what to do instead."""


class Taken(NamedTuple):
    """What became of AMCL's names.

    Attributes:
        values: of our settings.
        told: one note for each name of AMCL's that was given.
        start: where to start, if anywhere.
    """

    values: dict[str, Scalar]
    told: tuple[Note, ...]
    start: InitialPoseEvent | None = None


def take_over(given: Mapping[str, Any]) -> Taken:
    """Translate what was given by AMCL's names.

    Args:
        given: all parameters by name. One that is given by our name, too, keeps that value.
    """
    settings = _given(given)
    values: dict[str, Scalar] = {}
    told = list[Note]()
    for name, same in SAME.items():
        if name not in given:
            continue
        if same.name in given:
            told.append(_note(Severity.INFO, f"{name} is passed over: {same.name} is given, too"))
            continue
        try:
            settings = with_values(settings, {same.name: same.convert(given[name])})
        except (SettingsError, TypeError) as error:
            text = f"{name} = {given[name]!r} is not taken as {same.name}: {error}"
            told.append(_note(Severity.WARN, text))
            continue
        values[same.name] = {ours: value for ours, value, _ in describe(settings)}[same.name]
        hint = f"; {same.hint}" if same.hint else ""
        told.append(_note(Severity.INFO, f"{name} is taken as {same.name}{hint}"))
    start = _start(given)
    for name, remedy in OTHERS.items():
        if name in given and start is not None and name in ("set_initial_pose", *START):
            told.append(_note(Severity.INFO, f"{name} is taken as part of an initialpose"))
        elif name in given:
            text = f"AMCL's parameter {name} means nothing here: {remedy}"
            told.append(_note(Severity.WARN, text))
    return Taken(values, tuple(told), start)


def _start(given: Mapping[str, Any]) -> InitialPoseEvent | None:
    """Where AMCL would start; None where it is not told, or not in finite numbers."""
    if given.get("set_initial_pose") is not True:
        return None
    pose = [given.get(name, 0.0) for name in START]
    if not all(isinstance(value, int | float) and np.isfinite(value) for value in pose):
        return None
    return InitialPoseEvent(
        stamp_ns=0,
        T_map_base=np.array(pose, dtype=np.float64),
        covariance=np.diag(START_SD**2),
    )


def _given(given: Mapping[str, Any]) -> Settings:
    """The settings that were given by our names; the defaults where these are of no use."""
    ours = {name for name, _, _ in describe(Settings())}
    try:
        return with_values(Settings(), {name: given[name] for name in ours & given.keys()})
    except SettingsError:
        return Settings()


def _note(severity: Severity, text: str) -> Note:
    return Note(Code.SETTINGS, severity, text)
