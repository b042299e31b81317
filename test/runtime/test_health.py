"""The diagnostics tell rates, ages, drops and states as they are."""

from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.health import Condition, Expected, Health
from mdps_ros.runtime.outputs import Mode, PoseEstimate, State
from mdps_ros.runtime.smoothing.pace import Progress

INPUTS = (Expected("odom", 1.0, Severity.ERROR), Expected("image", 2.0, Severity.WARN))
MAP = Condition("map", Severity.INFO, "loaded", {"id": "abc"})


def health() -> Health:
    made = Health(INPUTS, (MAP,))
    made.begin(100.0)
    return made


def line(made: Health, name: str, now_s: float) -> Condition:
    (found,) = [item for item in made.conditions(now_s) if item.name == name]
    return found


def estimate(state: State) -> PoseEstimate:
    covariance = np.diag([4.0, 9.0, 0.25])
    return PoseEstimate(
        stamp_ns=1,
        T_map_base=np.zeros(3),
        covariance=covariance,
        modes=(Mode(T_map_base=np.zeros(3), covariance=covariance, mass=0.75),),
        state=state,
        particles=1234,
        effective_particles=600.0,
        travelled=88.0,
        scale=(0.0, 0.0),
        yaw_bias=(0.0, 0.0),
        measurements=("road", "depth"),
    )


@pytest.mark.parametrize("rate_hz", [1.0, 10.0, 50.0])
def test_rate_and_age_are_those_of_the_arrivals(rate_hz: float) -> None:
    made = health()
    for i in range(int(8 * rate_hz)):
        made.heard("odom", 100.0 + i / rate_hz)
    last = 100.0 + (int(8 * rate_hz) - 1) / rate_hz
    values = line(made, "inputs", last + 0.25).values
    assert float(values["odom rate [Hz]"]) == pytest.approx(rate_hz, abs=0.06)
    assert values["odom age [s]"] == "0.25"
    assert values["odom messages"] == str(int(8 * rate_hz))
    assert line(made, "inputs", last + 60.0).values["odom rate [Hz]"] == "0.0"


@pytest.mark.parametrize(
    ("odom_s", "image_s", "severity"),
    [
        (109.5, 109.0, Severity.INFO),
        (109.5, 107.5, Severity.WARN),
        (108.5, 109.5, Severity.ERROR),
        (108.5, None, Severity.ERROR),
        (109.5, None, Severity.WARN),
    ],
)
def test_silence_is_as_bad_as_its_input(odom_s, image_s, severity: Severity) -> None:
    made = health()
    made.heard("odom", odom_s)
    if image_s is not None:
        made.heard("image", image_s)
    found = line(made, "inputs", 110.0)
    assert found.severity is severity
    assert ("no odom for" in found.text) == (severity is Severity.ERROR)
    assert (found.values["image age [s]"] == "never") == (image_s is None)


def test_a_node_that_was_just_activated_does_not_complain_yet() -> None:
    assert line(health(), "inputs", 100.9).severity is Severity.INFO


def test_an_input_that_need_not_come_is_passed_over() -> None:
    made = health()
    made.heard("camera_info", 101.0)
    assert not [key for key in line(made, "inputs", 101.0).values if "camera_info" in key]


def test_drops_are_counted_by_reason_and_forgiven_after_a_while() -> None:
    made = health()
    dropped = Note(Code.IMAGE_DROPPED, Severity.WARN, "image dropped: too old")
    for now_s in (101.0, 102.0):
        made.noted(dropped, now_s)
    made.noted(Note(Code.CONVERGED, Severity.INFO, "found"), 102.5)
    made.reported(None, 7, 2)
    fresh, later = line(made, "dropped", 103.0), line(made, "dropped", 120.0)
    assert (fresh.severity, fresh.text) == (Severity.WARN, dropped.text)
    assert later.severity is Severity.INFO
    for found in (fresh, later):
        assert found.values["notes image_dropped"] == "2"
        assert found.values["frames used"] == "7"
        assert found.values["frames dropped"] == "2"
        assert found.values["last note"] == dropped.text
        assert "notes converged" not in found.values


def test_times_are_summarised() -> None:
    made = health()
    assert line(made, "timing", 101.0).values == {"behind the odometry [s]": "0.00"}
    for i in range(101):
        made.worked(i / 1000, None if i < 50 else i / 100)
    values = line(made, "timing", 101.0).values
    assert values["update p50 [s]"] == "0.0500"
    assert values["update p95 [s]"] == "0.0950"
    assert values["stamp to pose p50 [s]"] == "0.7500"


def test_work_that_falls_behind_is_warned_of_with_the_reason() -> None:
    made = health()
    made.odometry(heard_ns=50_000_000_000)
    assert made.behind_s == 0.0  # nothing has been worked on yet
    made.odometry(worked_ns=49_100_000_000)
    assert line(made, "timing", 101.0).severity is Severity.INFO
    made.odometry(heard_ns=61_400_000_000)
    found = line(made, "timing", 101.0)
    assert found.severity is Severity.WARN
    assert found.text.startswith("12.3 s behind the odometry: a search over a large map")
    assert made.reason(101.0).endswith("; 12.3 s behind the odometry")
    made.odometry(worked_ns=61_400_000_000)
    assert made.behind_s == 0.0
    made.odometry(heard_ns=90_000_000_000)  # after a pause
    assert made.behind_s == 0.0
    made.odometry(heard_ns=92_000_000_000)
    assert made.behind_s == pytest.approx(2.0)


def progress(seconds: float, part: float) -> Progress:
    return Progress(seconds=seconds, frames=40, part=part, left_out=6)


def test_smoothing_is_told_of_once_there_is_some() -> None:
    made = health()
    assert "smoothing" not in [item.name for item in made.conditions(101.0)]
    for i in range(101):
        made.smoothed(progress(i / 100, 1.0))
    found = line(made, "smoothing", 101.0)
    assert found.severity is Severity.INFO
    assert found.values["walk p50 [s]"] == "0.5000"
    assert found.values["revisions left out"] == "6"
    made.smoothed(progress(1.0, 0.25))
    assert line(made, "smoothing", 101.0).severity is Severity.WARN
    assert line(made, "smoothing", 101.0).values["part of the lag"] == "0.25"
    made.smoothing_ended("the smoother failed")
    found = line(made, "smoothing", 101.0)
    assert (found.severity, found.text) == (Severity.ERROR, "the smoother failed")


@pytest.mark.parametrize("state", list(State))
def test_only_tracking_is_ok(state: State) -> None:
    made = health()
    made.reported(estimate(state), 1, 0)
    found = line(made, "localization", 101.0)
    assert (found.severity is Severity.INFO) == (state is State.TRACKING)
    assert found.values["state"] == state.name
    assert found.values["position sd [m]"] == "3.000"
    assert found.values["yaw sd [rad]"] == "0.5000"
    assert found.values["measurements"] == "road depth"


def test_facts_come_last_and_names_stay() -> None:
    names = [item.name for item in health().conditions(101.0)]
    assert names == ["localization", "inputs", "dropped", "timing", "map"]


def test_other_limits_and_facts_count_at_once_and_arrivals_stay() -> None:
    made = health()
    made.heard("odom", 100.0)
    assert line(made, "inputs", 100.5).severity is Severity.INFO
    other = Condition("map", Severity.INFO, "loaded", {"id": "def"})
    made.know((Expected("odom", 0.2, Severity.ERROR), INPUTS[1]), (other,))
    found = line(made, "inputs", 100.5)
    assert found.severity is Severity.ERROR
    assert found.values["odom messages"] == "1"
    assert line(made, "map", 100.5).values["id"] == "def"
