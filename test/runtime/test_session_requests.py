"""Requests to a session: a pose, or a start over the whole map."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from mdps_ros.notes import Code
from mdps_ros.runtime.events import (
    Event,
    GlobalStartEvent,
    InitialPoseEvent,
    UpdateNowEvent,
)
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.outputs import (
    ParticleSnapshot,
    State,
)
from mdps_ros.runtime.session import Session
from test.runtime.town import (
    ON_STREET,
    SECOND,
    answers,
    estimates,
    fast_settings,
    images,
    initial_pose,
    notes,
    odometry,
    snapshots,
)

QUIET = {
    "motion__forward_noise": 0.0,
    "motion__lateral_noise": 0.0,
    "motion__yaw_noise": 0.0,
    "motion__yaw_noise_time": 0.0,
    "motion__scale_sd": 0.0,
    "motion__yaw_bias_sd": 0.0,
    "motion__slip_sd": 0.0,
    "motion__wander_sd": 0.0,
    "motion__weak_wander_sd": 0.0,
    "motion__scale_walk": 0.0,
    "motion__yaw_bias_walk": 0.0,
    "road__enabled": False,
    "filter__particles_min": 1000,
    "filter__particles_max": 4000,
}


def belief_at(town, request: InitialPoseEvent, before: Sequence[Event]) -> ParticleSnapshot:
    """Particles 2 m after the request, on odometry without noise."""
    session = Session(town, fast_settings(**QUIET))
    answers(session, before)
    session.handle(request)
    stamp = before[-1].stamp_ns / SECOND
    start = tuple(before[-1].T_odom_base)
    step = odometry(3, first_s=stamp, start=start)[1:]
    return snapshots(answers(session, step))[-1]


def test_an_initial_pose_without_covariance_is_floored(town) -> None:
    cloud = belief_at(town, initial_pose(), odometry(3))
    sd = cloud.poses.std(0)
    count = len(cloud.poses)
    assert np.abs(sd[1:] / [math.hypot(0.1, 2 * 0.02), 0.02] - 1).max() < 5 / math.sqrt(2 * count)
    assert abs(sd[0] / 0.1 - 1) < 5 / math.sqrt(2 * count)
    mean = cloud.poses.mean(0)
    assert np.abs(mean - ON_STREET - [2.0, 0.0, 0.0]).max() < 5 * 0.11 / math.sqrt(count) + 1e-3


def test_an_initial_pose_has_the_covariance_that_it_came_with(town) -> None:
    covariance = np.diag([9.0, 4.0, 0.01])
    cloud = belief_at(town, initial_pose(covariance=covariance), odometry(3))
    expected = np.sqrt([9.0, 4.0 + (2 * 0.1) ** 2, 0.01])
    tolerance = 5 / math.sqrt(2 * len(cloud.poses))
    assert np.abs(cloud.poses.std(0) / expected - 1).max() < tolerance


@pytest.mark.parametrize("yaw", [0.0, math.pi / 2, 2.0])
def test_an_initial_pose_of_the_past_is_moved_on_by_odometry(town, yaw: float) -> None:
    """The vehicle went 11 m since the stamp, half a sample off the samples."""
    session = Session(town, fast_settings())
    answers(session, odometry(31))
    request = initial_pose(np.array([10.0, 20.0, yaw]), stamp_s=6.9)
    (note,) = notes(session.handle(request), Code.INITIAL_POSE)
    assert note.data["x_m"] == pytest.approx(10.0 + 11.0 * math.cos(yaw))
    assert note.data["y_m"] == pytest.approx(20.0 + 11.0 * math.sin(yaw))


def test_an_initial_pose_of_the_past_is_turned_by_odometry(town) -> None:
    track = odometry(21, turn=0.05)
    session = Session(town, fast_settings())
    answers(session, track)
    moved = compose(ON_STREET, track[20].T_odom_base)
    (note,) = notes(session.handle(initial_pose(stamp_s=5.0)), Code.INITIAL_POSE)
    assert (note.data["x_m"], note.data["y_m"]) == pytest.approx((moved[0], moved[1]))


@pytest.mark.parametrize("stamp_s", [0.0, 1.0, 99.0])
def test_an_initial_pose_of_no_known_time_is_valid_now(town, stamp_s: float) -> None:
    session = Session(town, fast_settings())
    answers(session, odometry(31))
    (note,) = notes(session.handle(initial_pose(stamp_s=stamp_s)), Code.INITIAL_POSE)
    assert (note.data["x_m"], note.data["y_m"]) == pytest.approx((-140.0, 18.5))


def test_an_initial_pose_before_any_odometry_is_kept(town) -> None:
    session = Session(town, fast_settings())
    assert session.handle(initial_pose()) == ()
    outputs = answers(session, odometry(5))
    assert outputs[0].code is Code.INITIAL_POSE
    found = estimates(outputs)
    assert np.hypot(*(found[0].T_map_base - ON_STREET)[:2]) < 4
    assert not notes(outputs, Code.STARTED)


def test_the_last_of_several_requests_before_odometry_holds(town) -> None:
    session = Session(town, fast_settings())
    session.handle(initial_pose(np.array([100.0, 0.0, 1.0])))
    session.handle(initial_pose())
    (note,) = notes(answers(session, odometry(1)), Code.INITIAL_POSE)
    assert note.data["x_m"] == pytest.approx(-140.0)


def test_a_global_start_before_odometry_takes_back_an_initial_pose(town) -> None:
    session = Session(town, fast_settings())
    session.handle(initial_pose())
    session.handle(GlobalStartEvent())
    outputs = answers(session, odometry(5))
    assert not notes(outputs, Code.INITIAL_POSE)
    assert np.ptp(snapshots(outputs)[0].poses[:, 0]) > 300


def test_a_global_start_forgets_the_pose(town) -> None:
    session = Session(town, fast_settings())
    session.handle(initial_pose())
    assert estimates(answers(session, odometry(10)))[-1].state is State.TRACKING
    outputs = session.handle(GlobalStartEvent())
    assert [note.code for note in notes(outputs, Code.STARTED)] == [Code.STARTED]
    later = answers(session, odometry(5, first_s=6.0, start=(10.0, 0.0, 0.0)))
    assert estimates(later)[0].state is State.GLOBAL
    assert np.ptp(snapshots(later)[0].poses[:, 0]) > 300


def test_a_global_start_with_a_heading_draws_about_it(town) -> None:
    session = Session(town, fast_settings())
    answers(session, odometry(1))
    session.handle(GlobalStartEvent(heading=(math.pi / 2, 0.1)))
    cloud = snapshots(answers(session, odometry(4)))[-1]
    north = np.abs(np.angle(np.exp(1j * (cloud.poses[:, 2] - math.pi / 2)))) < math.pi / 4
    assert cloud.weights[north].sum() > 0.8


def test_a_known_start_heading_of_the_settings_is_used(town) -> None:
    settings = fast_settings(
        start__heading_known=True, start__heading=math.pi / 2, start__heading_sd=0.1
    )
    cloud = snapshots(answers(Session(town, settings), odometry(1)))[0]
    north = np.abs(np.angle(np.exp(1j * (cloud.poses[:, 2] - math.pi / 2)))) < math.pi / 4
    assert north.mean() > 0.8


# -- an update on request ---------------------------------------------------------------------


def test_a_standing_vehicle_gets_one_more_estimate_per_request(town) -> None:
    session = Session(town, fast_settings())
    standing = odometry(60, step=0.0)
    assert len(estimates(answers(session, standing[:20]))) == 1
    assert session.handle(UpdateNowEvent()) == ()
    (found,) = estimates(answers(session, standing[20:40]))
    assert found.stamp_ns == standing[20].stamp_ns
    assert estimates(answers(session, standing[40:])) == []


def test_a_request_makes_the_next_image_count_at_a_standing_camera(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True, depth__points=32))
    track = odometry(60, step=0.0)
    pictures = images([5.05, 5.25, 5.45, 5.65])

    def until(stamp_s: float) -> list[Event]:
        both = [*track, *pictures]
        chosen = [e for e in both if stamp_s - 0.2 < e.stamp_ns / SECOND <= stamp_s]
        return sorted(chosen, key=lambda event: event.stamp_ns)

    assert len(estimates(answers(session, until(5.1)))) == 1
    assert estimates(answers(session, until(5.3))) == []
    session.handle(UpdateNowEvent())
    (found,) = estimates(answers(session, until(5.5)))
    assert found.stamp_ns == pictures[2].stamp_ns
    assert "depth" in found.measurements
    assert estimates(answers(session, until(5.7))) == []
