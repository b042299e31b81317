"""A parameter file of nav2_amcl starts this node, and it says what became of each name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rcl_interfaces.srv import GetParameters
from rclpy.parameter import parameter_value_to_python

from mdps_ros.notes import Severity
from mdps_ros.ros import topics
from mdps_ros.ros.amcl_names import OTHERS, SAME, START, take_over
from mdps_ros.settings import Settings, describe
from test.ros.test_requests import drive

ROOT = Path(__file__).resolve().parents[2]

AMCL = """\
amcl:
  ros__parameters:
    alpha1: 0.2
    alpha2: 0.2
    alpha3: 0.2
    alpha4: 0.2
    alpha5: 0.2
    base_frame_id: "base_footprint"
    beam_skip_distance: 0.5
    beam_skip_error_threshold: 0.9
    beam_skip_threshold: 0.3
    do_beamskip: false
    global_frame_id: "map"
    lambda_short: 0.1
    laser_likelihood_max_dist: 2.0
    laser_max_range: 100.0
    laser_min_range: -1.0
    laser_model_type: "likelihood_field"
    max_beams: 60
    max_particles: 2000
    min_particles: 500
    odom_frame_id: "odom_combined"
    pf_err: 0.05
    pf_z: 0.99
    recovery_alpha_fast: 0.0
    recovery_alpha_slow: 0.0
    resample_interval: 1
    robot_model_type: "nav2_amcl::DifferentialMotionModel"
    save_pose_rate: 0.5
    sigma_hit: 0.2
    tf_broadcast: true
    transform_tolerance: 1.0
    update_min_a: 0.2
    update_min_d: 0.25
    z_hit: 0.5
    z_max: 0.05
    z_rand: 0.5
    z_short: 0.05
    scan_topic: scan
    set_initial_pose: true
    initial_pose: {x: -100.0, y: -160.0, z: 0.0, yaw: 0.1}
"""
"""The section of nav2_bringup's nav2_params.yaml, with a start."""


def amcl() -> dict[str, Any]:
    """The section as rcl flattens it."""
    section = yaml.safe_load(AMCL)["amcl"]["ros__parameters"]
    start = section.pop("initial_pose")
    return section | {f"initial_pose.{name}": value for name, value in start.items()}


def test_amcl_values_become_ours_with_one_line_each() -> None:
    given = amcl()
    values, told, start = take_over(given)
    assert start is not None
    np.testing.assert_array_equal(start.T_map_base, [-100.0, -160.0, 0.1])
    assert values == {
        "frames.base": "base_footprint",
        "frames.odom": "odom_combined",
        "frames.map": "map",
        "filter.particles_min": 500,
        "filter.particles_max": 2000,
        "filter.kld_error": 0.05,
        "filter.update_distance": 0.25,
        "node.publish_tf": True,
        "node.transform_tolerance": 1.0,
        "node.state_period": 2.0,
    }
    assert len(told) == len(given)
    for name in given:
        (note,) = [note for note in told if re.search(rf"\b{re.escape(name)} ", note.text)]
        assert "\n" not in note.text
        known = {*SAME, *START, "set_initial_pose"}
        assert note.severity is (Severity.INFO if name in known else Severity.WARN)


def test_what_is_given_by_our_name_counts() -> None:
    values, (note,), _ = take_over({"base_frame_id": "base", "frames.base": "car"})
    assert values == {}
    assert note.text == "base_frame_id is passed over: frames.base is given, too"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"min_particles": 0}, "outside [1, 1000000]"),
        ({"max_particles": 300}, "particles_min exceeds"),
        ({"save_pose_rate": 0.0}, "leave node.state_file empty"),
        ({"save_pose_rate": "often"}, "save_pose_rate = 'often'"),
        ({"tf_broadcast": 1}, "write true or false"),
        ({"random_seed": -1}, "every run has the same seed"),
    ],
)
def test_what_cannot_be_taken_over_is_warned_of_and_the_default_stays(
    given: dict[str, Any], words: str
) -> None:
    values, (note,), _ = take_over(given)
    assert values == {}
    assert note.severity is Severity.WARN
    assert words in note.text


def test_whole_numbers_become_decimals_and_bounds_are_judged_together() -> None:
    given = {"transform_tolerance": 1, "min_particles": 50, "max_particles": 300}
    values, _, _ = take_over(given)
    assert type(values["node.transform_tolerance"]) is float
    assert values["filter.particles_max"] == 300
    ours, _, _ = take_over({"filter.particles_min": 50, "max_particles": 300})
    assert ours == {"filter.particles_max": 300}


def test_parameters_of_others_are_nobody_s_business() -> None:
    given = {"use_sim_time": True, "planner.horizon": 3, "filter.kld_bin": 2.0}
    assert take_over(given) == ({}, (), None)


@pytest.mark.parametrize(
    "given",
    [
        {"set_initial_pose": False, "initial_pose.x": 3.0},
        {"initial_pose.x": 3.0},
        {"set_initial_pose": True, "initial_pose.x": float("nan")},
        {"set_initial_pose": True, "initial_pose.x": "here"},
    ],
)
def test_a_start_that_amcl_would_not_take_is_warned_of(given: dict[str, Any]) -> None:
    _, told, start = take_over(given)
    assert start is None
    assert [note.severity for note in told] == [Severity.WARN] * len(given)


def test_every_translation_leads_to_a_setting_and_stands_in_the_document() -> None:
    known = {name for name, _, _ in describe(Settings())}
    document = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    rows = document.partition("## AMCL's parameters here")[2].splitlines()
    taken = [row for row in rows if row.endswith("| taken over |")]
    for name, same in SAME.items():
        assert same.name in known
        assert [row for row in taken if f"`{name}`" in row and f"`{same.name}`" in row], name
    for remedy in OTHERS.values():
        for setting in re.findall(r"\b(?:filter|node|start|runtime)\.\w+", remedy):
            assert setting in known
    assert not SAME.keys() & OTHERS.keys()


def test_a_parameter_file_of_amcl_starts_the_node(
    start: Any, partner: Any, town: Path, tmp_path: Path
) -> None:
    file = tmp_path / "nav2_params.yaml"
    ours = {"node.map": str(town), "runtime.device": "cpu", "filter.kld_error": 0.1}
    lines = [f"    {name}: {yaml.safe_dump(value).splitlines()[0]}" for name, value in ours.items()]
    file.write_text("\n".join([AMCL + lines[0], *lines[1:], ""]))
    words = ("--ros-args", "-r", "__node:=amcl", "--params-file", str(file))
    node = start("mdps_ros.ros.main", *words)
    node.wait_for("active: waiting for odometry")
    text = node.text
    for line in (
        r"\[INFO\].*base_frame_id is taken as frames\.base",
        r"\[INFO\].*max_particles is taken as filter\.particles_max; a start anywhere",
        r"\[INFO\].*pf_err is passed over: filter\.kld_error is given, too",
        r"\[WARN\].*AMCL's parameter alpha3 means nothing here: set motion\.forward_noise",
        r"\[INFO\].*initial_pose\.yaw is taken as part of an initialpose",
    ):
        assert len(re.findall(line, text)) == 1, (line, text)
    assert text.count("[WARN]") == len(amcl().keys() - {*SAME, *START, "set_initial_pose"})
    wanted = {
        "frames.base": "base_footprint",
        "frames.odom": "odom_combined",
        "filter.particles_max": 2000,
        "filter.kld_error": 0.1,
        "filter.update_distance": 0.25,
        "node.state_period": 2.0,
    }
    request = GetParameters.Request(names=list(wanted))
    answer = partner.call(GetParameters, "/amcl/get_parameters", request)
    assert [parameter_value_to_python(value) for value in answer.values] == list(wanted.values())
    poses, out = partner.hear(topics.POSE, "/pose"), partner.speak(topics.ODOMETRY)
    drive(out, 0, 10, 0.0)
    assert partner.until(lambda: poses), node.text
    at = poses[0].pose.pose.position
    assert abs(at.x + 100.0) < 3
    assert abs(at.y + 160.0) < 3
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text
