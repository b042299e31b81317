"""Vehicles that are carried off: how two drives become one, and what is said of the run."""

from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.evaluation import kidnap_report
from mdps_ros.evaluation.run import Trace, Track
from mdps_ros.evaluation.street_drives import RecordedDrive
from mdps_ros.evaluation.street_kidnaps import carried_drive, outcome
from mdps_ros.runtime.events import ColourImageEvent, OdometryEvent, PinholeCamera
from mdps_ros.runtime.frames import between
from mdps_ros.runtime.outputs import State

SECOND = 1_000_000_000
LENS = PinholeCamera(width=4, height=2, fx=2.0, fy=2.0, cx=1.5, cy=0.5)


def straight(count: int, heading: float, origin: np.ndarray, begin_ns: int) -> RecordedDrive:
    """A drive of 1 m per 0.1 s; its odometry begins elsewhere and turned."""
    ahead = np.arange(count)[:, None] * [np.cos(heading), np.sin(heading)]
    truth = np.column_stack((origin + ahead, np.full(count, heading)))
    stamps = begin_ns + np.arange(count) * SECOND // 10
    told = np.column_stack((np.arange(count), np.zeros(count), np.zeros(count)))
    return RecordedDrive(
        odometry=tuple(
            OdometryEvent(stamp_ns=int(stamp), T_odom_base=pose)
            for stamp, pose in zip(stamps, told, strict=True)
        ),
        images=tuple(
            ColourImageEvent(
                stamp_ns=int(stamp),
                rgb=np.zeros((2, 4, 3), np.uint8),
                camera=LENS,
                T_base_camera=np.eye(4),
            )
            for stamp in stamps[::5]
        ),
        truth=Track(stamps, truth),
    )


def test_the_odometer_and_the_clock_go_on_while_the_truth_jumps() -> None:
    first = straight(101, 0.0, np.zeros(2), 0)
    second = straight(51, 1.0, np.array([300.0, 400.0]), 77 * SECOND)
    drive, carried_ns, distance = carried_drive(first, second, 40.0)
    stamps = np.array([event.stamp_ns for event in drive.odometry])
    assert (np.diff(stamps) == SECOND // 10).all()
    steps = [
        between(a.T_odom_base, b.T_odom_base)
        for a, b in zip(drive.odometry[:-1], drive.odometry[1:], strict=True)
    ]
    moved = np.array(steps)[:, 0]
    assert moved[stamps[1:] != carried_ns] == pytest.approx(1.0)
    assert moved[stamps[1:] == carried_ns] == pytest.approx(0.0)  # nothing is felt of it
    here, there = drive.truth.at(np.array([carried_ns - SECOND // 10, carried_ns]))
    assert here == pytest.approx([40.0, 0.0, 0.0])
    assert there == pytest.approx([300.0, 400.0, 1.0])
    assert distance == pytest.approx(np.hypot(260.0, 400.0))
    assert drive.truth.at(stamps[-1:])[0, :2] == pytest.approx(
        [300.0 + 50 * np.cos(1.0), 400.0 + 50 * np.sin(1.0)]
    )
    seen = np.array([image.stamp_ns for image in drive.images])
    assert (np.diff(seen) > 0).all()
    assert (seen >= carried_ns).sum() == len(second.images)


def run(states: list[State], error: list[float]) -> Trace:
    """A frame every 10 m; the vehicle is carried off at the fifth."""
    count = len(states)
    estimate = np.zeros((count, 3))
    estimate[:, 0] = error
    return Trace(
        stamps_ns=np.arange(count) * SECOND,
        travelled=10.0 * np.arange(count),
        estimate=estimate,
        covariance=np.tile(np.eye(3), (count, 1, 1)),
        modes=estimate[:, None],
        mode_mass=np.ones((count, 1)),
        states=np.array([state.value for state in states], np.uint8),
        particles=np.full(count, 100),
        truth=np.zeros((count, 3)),
        snapshots=(),
        seconds=None,
    )


def test_an_outcome_tells_the_alarm_the_way_back_and_every_wrong_claim() -> None:
    states = [State.TRACKING, State.LOST] + [State.TRACKING] * 6  # carried off at frame 5
    states += [State.LOST] + [State.RECOVERING] * 3 + [State.TRACKING] * 14
    error = [0.5] * 5 + [200.0] * 7 + [50.0] * 2 + [1.0] * 12
    told = outcome(run(states, error), 5 * SECOND)
    assert told == {
        "tracked_before": 1,
        "false_alarms": 1,
        "tracked_before_m": 30.0,
        "alarm_after_m": 30.0,
        "found_after_m": 90.0,
        "blind_m": 20.0,
        "wrong_again_m": 10.0,
        "median_error_m": 1.0,
    }


def test_an_alarm_of_a_wrong_claim_is_none_that_was_false() -> None:
    states = [State.TRACKING, State.LOST] + [State.TRACKING] * 28
    assert outcome(run(states, [90.0, 0.0] + [0.5] * 28), 5 * SECOND)["false_alarms"] == 0
    assert outcome(run(states, [4.0, 0.0] + [0.5] * 28), 5 * SECOND)["false_alarms"] == 1


def test_a_vehicle_that_is_never_noticed_nor_found_has_neither() -> None:
    told = outcome(run([State.TRACKING] * 30, [0.0] * 5 + [80.0] * 25), 5 * SECOND)
    assert told["alarm_after_m"] is None
    assert told["found_after_m"] is None
    assert told["median_error_m"] is None
    assert told["blind_m"] == 240.0
    with pytest.raises(ValueError, match="before the vehicle was carried off"):
        outcome(run([State.TRACKING] * 3, [0.0] * 3), 5 * SECOND)


def test_a_page_counts_only_vehicles_that_were_tracked_before(tmp_path) -> None:
    states = [State.TRACKING] * 8 + [State.LOST] + [State.TRACKING] * 14
    error = [0.5] * 5 + [200.0] * 4 + [1.0] * 14
    good = outcome(run(states, error), 5 * SECOND)
    unknown = outcome(run([State.GLOBAL] * 5 + states[5:], error), 5 * SECOND)
    rows = [
        {"name": "clean map", "seed": seed, "carried_m": 300.0, **told, "seconds": 1.0}
        for seed, told in enumerate((good, unknown))
    ]
    total = kidnap_report.totals(rows)[0]
    assert (total["drives"], total["tracked_before"], total["noticed"], total["found"]) == (
        2,
        1,
        1,
        1,
    )
    kidnap_report.write_page(tmp_path / "k.json", rows, "mdps evaluate kidnap")
    assert "| clean map | 2 | 1 |" in (tmp_path / "k.md").read_text()
    assert (tmp_path / "k.png").stat().st_size > 5000
