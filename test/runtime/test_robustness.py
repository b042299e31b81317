"""What goes wrong on a vehicle for a while: late odometry, no camera, a looped bag, standing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mdps_ros.notes import Code
from mdps_ros.runtime.events import Event, OdometryEvent
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.outputs import Output, State
from mdps_ros.runtime.prediction import Predictor
from mdps_ros.runtime.session import Session
from test.runtime.test_session_odd_data import check_sound
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
)

FEW: dict[str, Any] = {
    "depth__enabled": True,
    "depth__points": 16,
    "filter__particles_min": 60,
    "filter__particles_max": 200,
}


def tracking(town, track: Sequence[OdometryEvent], **changes: Any) -> tuple[Session, list[Output]]:
    """A session that was told where the drive begins, at its first odometry."""
    session = Session(town, fast_settings(**(FEW | changes)))
    outputs = [*session.handle(track[0]), *session.handle(initial_pose())]
    return session, outputs


def in_order(events: Sequence[Event], late_s: float = 0.0) -> list[Event]:
    """By stamps, odometry later by `late_s`."""
    late_ns = round(late_s * SECOND)
    return sorted(events, key=lambda e: e.stamp_ns + late_ns * isinstance(e, OdometryEvent))


@pytest.mark.parametrize("late_s", [0.2, 0.9])
def test_late_odometry_costs_no_image(town, late_s: float) -> None:
    track, pictures = odometry(100, step=0.5, dt=0.02), images(np.arange(5.05, 6.9, 0.1))
    session, outputs = tracking(town, track)
    outputs += answers(session, in_order([*track[1:], *pictures], late_s))
    assert not notes(outputs, Code.IMAGE_DROPPED)
    stamps = {found.stamp_ns for found in estimates(outputs)[1:]}
    assert len(stamps) > 8
    assert stamps <= {picture.stamp_ns for picture in pictures}


def test_a_camera_lost_for_a_minute_is_said_once_and_taken_back(town) -> None:
    """70 s at 1 m/s around a square of 7 m, on odometry alone for the middle 60."""
    pose, track = np.zeros(3), []
    for i in range(700):
        track.append(OdometryEvent(stamp_ns=round((5 + 0.1 * i) * SECOND), T_odom_base=pose))
        turning = i % 80 >= 70
        pose = compose(pose, np.array([0.1, 0.0, 0.05 * np.pi if turning else 0.0]))
    seen = np.concatenate([np.arange(5.05, 10, 0.2), np.arange(70.05, 74.9, 0.2)])
    session, outputs = tracking(town, track, road__enabled=False)
    outputs += answers(session, in_order([*track[1:], *images(seen)]))
    assert len(notes(outputs, Code.CAMERA_SILENT)) == 1
    assert not notes(outputs, Code.LOST)
    found = estimates(outputs)
    blind = [e for e in found if 11.5 * SECOND < e.stamp_ns < 70 * SECOND]
    assert len(blind) > 20
    assert all(e.measurements == () for e in blind)
    assert any("depth" in e.measurements for e in found if e.stamp_ns > 70 * SECOND)
    assert found[-1].stamp_ns > 74 * SECOND
    check_sound(outputs)


def test_a_bag_that_is_looped_three_times_starts_over_each_time(town) -> None:
    track, pictures = odometry(25), images(np.arange(5.05, 7.4, 0.2))
    session = Session(town, fast_settings(**FEW))
    runs = [answers(session, in_order([*track, *pictures])) for _ in range(3)]
    for number, outputs in enumerate(runs):
        check_sound(outputs)
        assert len(notes(outputs, Code.STAMP_REGRESSION)) == (number > 0)
        found = estimates(outputs)
        assert len(found) == len(estimates(runs[0]))
        assert found[0].state is State.GLOBAL
        # images that wait for the end of the odometry are used or dropped, never carried over
        assert {e.stamp_ns for e in found} == {e.stamp_ns for e in estimates(runs[0])}


def test_a_vehicle_that_stands_for_a_minute_does_not_drift(town) -> None:
    """Odometry at 20 Hz trembles by .2 mm; the predicted pose stays, at its full rate."""
    track = odometry(30)
    session, outputs = tracking(town, track, depth__enabled=False)
    predictor = Predictor(fast_settings().motion, 50.0)
    draw = np.random.default_rng(0)
    last = track[-1]
    standing = [
        OdometryEvent(
            stamp_ns=last.stamp_ns + (i + 1) * SECOND // 20,
            T_odom_base=last.T_odom_base + np.array([*draw.normal(0, 2e-4, 2), 0.0]),
        )
        for i in range(1200)
    ]
    poses = []
    outputs += answers(session, track[1:])
    for output in outputs:
        predictor.see(output)
    for event in standing:
        poses.append(predictor.predict(event))
        for output in session.handle(event):
            predictor.see(output)
    assert None not in poses
    places = np.array([pose.T_map_base for pose in poses if pose is not None])
    assert np.ptp(places[:, :2], axis=0).max() < 0.05
    assert np.ptp(places[:, 2]) < 0.01
    truth = compose(ON_STREET, last.T_odom_base)
    assert np.hypot(*(places[-1] - truth)[:2]) < 3.0


def test_bursts_duplicates_and_gaps_keep_the_order_of_answers(town) -> None:
    track = odometry(60)
    session, outputs = tracking(town, track, depth__enabled=False)
    burst = [event for event in track[1:30] for _ in range(4)]
    outputs += answers(session, [*burst, *track[22:28], *track[45:]])
    assert len(notes(outputs, Code.ODOMETRY_GAP)) == 1
    # the first two are at one odometry: over the whole map, and around the given pose
    stamps = [found.stamp_ns for found in estimates(outputs)[1:]]
    assert stamps == sorted(set(stamps))
    truth = compose(ON_STREET, track[-1].T_odom_base)
    assert np.hypot(*(estimates(outputs)[-1].T_map_base - truth)[:2]) < 6.0
