"""A session goes on with the belief of another one."""

from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.notes import Code
from mdps_ros.runtime.events import GlobalStartEvent, RestoreEvent
from mdps_ros.runtime.frames import between, compose
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.session import Session
from test.runtime.town import (
    SECOND,
    answers,
    estimates,
    fast_settings,
    initial_pose,
    notes,
    odometry,
    snapshots,
)


@pytest.fixture(scope="module")
def drive():
    """20 s at 5 m/s."""
    return odometry(200, step=0.5)


@pytest.fixture(scope="module")
def before(town, drive):
    """A belief after half of the drive."""
    session = Session(town, fast_settings())
    session.handle(drive[0])
    session.handle(initial_pose())
    answers(session, drive[1:101])
    held = session.held()
    assert held is not None
    assert held.state is State.TRACKING
    return held


def test_nothing_is_held_before_a_start(town) -> None:
    assert Session(town, fast_settings()).held() is None


def test_a_new_session_goes_on_at_the_saved_belief(town, drive, before) -> None:
    session = Session(town, fast_settings())
    assert session.handle(RestoreEvent(saved=before)) == ()
    outputs = answers(session, drive[104:105])
    (note,) = notes(outputs, Code.RESTORED)
    assert "stood still" not in note.text
    (found,) = estimates(outputs)
    assert found.state is State.TRACKING
    held = snapshots(answers(Session(town, fast_settings()), drive[:1]))
    assert held  # a global start looks different:
    assert np.ptp(held[0].poses[:, 0]) > 300
    moved = between(before.T_odom_base, drive[104].T_odom_base)
    weights = before.belief.log_weights[0].exp().numpy()
    mean = weights @ before.belief.state.pose[0].numpy()
    np.testing.assert_allclose(found.T_map_base, compose(mean, moved), atol=1.0)
    travelled = drive[104].T_odom_base[0] - before.T_odom_base[0]
    assert found.travelled == pytest.approx(before.travelled + travelled)


@pytest.mark.parametrize("away", ["restarted", "long ago", "earlier"])
def test_odometry_that_started_anew_leaves_the_vehicle_where_it_was(town, before, away) -> None:
    stamp_s = before.stamp_ns / SECOND
    first_s = {"restarted": stamp_s + 1.0, "long ago": stamp_s + 3600.0, "earlier": 2.0}[away]
    start = (-900.0, 40.0, 2.0) if away == "restarted" else (50.0, 0.0, 0.0)
    session = Session(town, fast_settings())
    session.handle(RestoreEvent(saved=before))
    outputs = answers(session, odometry(20, step=0.0, first_s=first_s, start=start))
    (note,) = notes(outputs, Code.RESTORED)
    assert "stood still" in note.text
    (found,) = estimates(outputs)
    weights = before.belief.log_weights[0].exp().numpy()
    mean = weights @ before.belief.state.pose[0].numpy()
    np.testing.assert_allclose(found.T_map_base, mean, atol=0.5)


def test_a_running_session_goes_back_to_the_belief_at_its_stamp(town, drive, before) -> None:
    session = Session(town, fast_settings())
    answers(session, drive[:141])
    outputs = session.handle(RestoreEvent(saved=before))
    assert [note.code for note in notes(outputs, Code.RESTORED)] == [Code.RESTORED]
    (found, *_) = estimates(answers(session, drive[141:150]))
    moved = between(before.T_odom_base, drive[141].T_odom_base)
    weights = before.belief.log_weights[0].exp().numpy()
    mean = weights @ before.belief.state.pose[0].numpy()
    np.testing.assert_allclose(found.T_map_base, compose(mean, moved), atol=2.0)


@pytest.mark.parametrize("request_", [initial_pose(np.array([100.0, 0, 1])), GlobalStartEvent()])
def test_a_later_request_takes_it_back(town, drive, before, request_) -> None:
    session = Session(town, fast_settings())
    session.handle(RestoreEvent(saved=before))
    session.handle(request_)
    outputs = answers(session, drive[104:110])
    assert not notes(outputs, Code.RESTORED)
    assert not estimates(outputs) or abs(estimates(outputs)[0].T_map_base[0] + 90) > 10
