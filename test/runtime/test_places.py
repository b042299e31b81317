"""GNSS fixes and pose priors: what they say, when they are used, and what an outlier costs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import PlaceEvent
from mdps_ros.runtime.frames import compose, inverse
from mdps_ros.runtime.inputs import messages
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer
from mdps_ros.runtime.places import FLOOR, Places, PlaceScore
from mdps_ros.runtime.session import Session
from mdps_ros.settings import PlaceSettings
from test.runtime.test_messages import header, initial_pose, make, quaternion
from test.runtime.town import (
    ANCHOR,
    ON_STREET,
    SECOND,
    answers,
    estimates,
    fast_settings,
    images,
    notes,
    odometry,
)

OUTLIER = 0.02


def place(xy=(10.0, 20.0), stamp_s: float = 5.0, sd: float = 3.0, yaw: float | None = None) -> Any:
    return PlaceEvent(
        stamp_ns=round(stamp_s * SECOND),
        name="fix" if yaw is None else "pose_prior",
        T_map_base=np.array([*xy, yaw or 0.0]),
        covariance=np.diag([sd**2, sd**2, 0.05**2]),
        with_yaw=yaw is not None,
    )


def score(event: PlaceEvent, pose, T_now_then=(0.0, 0.0, 0.0)) -> float:
    made = PlaceScore(event, np.array(T_now_then), OUTLIER)
    return float(made(torch.from_numpy(np.array([[pose]])).float())[0, 0])


# -- likelihood -------------------------------------------------------------------------------


def test_it_is_the_gaussian_of_the_covariance_with_a_floor() -> None:
    covariance = np.array([[9.0, 3.0, 0.1], [3.0, 4.0, 0.0], [0.1, 0.0, 0.04]])
    event = PlaceEvent(
        stamp_ns=0,
        name="pose_prior",
        T_map_base=np.array([10.0, 20.0, 3.1]),
        covariance=covariance,
        with_yaw=True,
    )
    precision = np.linalg.inv(covariance + FLOOR)
    for pose in ([10.0, 20, 3.1], [12.0, 19, 3.0], [8.0, 21, -3.1], [500.0, 20, 3.1]):
        error = np.array(pose) - [10, 20, 3.1]
        error[2] = math.remainder(error[2], math.tau)
        expected = np.logaddexp(-0.5 * error @ precision @ error, math.log(OUTLIER))
        assert score(event, pose) == pytest.approx(expected, abs=1e-3)


def test_a_fix_says_nothing_about_the_heading() -> None:
    values = [score(place(), [11.0, 18.0, yaw]) for yaw in (-3.0, 0.0, 1.0)]
    assert max(values) == pytest.approx(min(values), abs=1e-6)


def test_an_outlier_costs_no_more_than_the_floor() -> None:
    assert score(place(), [1e6, -1e6, 0.0]) == pytest.approx(math.log(OUTLIER), abs=1e-6)
    assert score(place(), [10.0, 20.0, 0.0]) == pytest.approx(math.log1p(OUTLIER), abs=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-30, 1e30, 1e300])
def test_covariances_of_any_size_give_numbers(scale: float) -> None:
    event = PlaceEvent(
        stamp_ns=0,
        name="fix",
        T_map_base=np.zeros(3),
        covariance=np.eye(3) * scale,
        with_yaw=True,
    )
    assert math.isfinite(score(event, [3.0, 4.0, 1.0]))


def test_poses_are_taken_back_to_the_time_of_the_place() -> None:
    now, then = np.array([30.0, 5.0, 0.5]), np.array([20.0, 1.0, 0.2])
    back = compose(inverse(now), then)
    pose = np.array([100.0, 200.0, 1.0])
    before = compose(pose, back)
    event = place(xy=before[:2], sd=0.5, yaw=before[2])
    assert score(event, pose, back) == pytest.approx(math.log1p(OUTLIER), abs=1e-3)
    assert score(event, pose) < math.log(OUTLIER) + 0.01


# -- when it is used --------------------------------------------------------------------------


def buffer(first_s: float = 0.0, last_s: float = 20.0) -> OdometryBuffer:
    made = OdometryBuffer(100.0)
    for second in np.arange(first_s, last_s + 0.5, 1.0):
        made.add(round(second * SECOND), np.array([second, 0.0, 0.0]))
    return made


def test_each_place_is_used_once_and_only_the_newest_of_a_name() -> None:
    track, places = buffer(), Places(PlaceSettings())
    now = track.at(10 * SECOND)
    assert now is not None
    assert places.hear(place(stamp_s=4.0))
    assert places.hear(place(stamp_s=5.0))
    assert not places.hear(place(stamp_s=5.0))
    assert not places.hear(place(stamp_s=4.5))
    assert places.hear(place(stamp_s=3.0, yaw=0.0))
    looks, told = places.take(now, track)
    assert sorted(look.name for look in looks) == ["fix", "pose_prior"]
    assert told == []
    assert places.take(now, track) == ([], [])
    assert not places.hear(place(stamp_s=5.0))
    places.clear()
    assert places.hear(place(stamp_s=5.0))


def test_a_place_of_the_future_waits_and_one_of_before_the_odometry_is_dropped() -> None:
    track, places = buffer(first_s=3.0), Places(PlaceSettings())
    now, later = track.at(10 * SECOND), track.at(12 * SECOND)
    assert now is not None
    assert later is not None
    places.hear(place(stamp_s=11.0))
    assert places.take(now, track) == ([], [])
    assert len(places.take(later, track)[0]) == 1
    places.hear(place(stamp_s=2.0, yaw=0.0))
    looks, (note,) = places.take(later, track)
    assert looks == []
    assert (note.code, note.severity) == (Code.PLACE_DROPPED, Severity.WARN)


def test_no_weight_switches_them_off() -> None:
    assert not Places(PlaceSettings(weight=0.0)).hear(place())


# -- on a drive -------------------------------------------------------------------------------


def fixes(track, sd: float, offset=(0.0, 0.0), seed: int = 0) -> list[PlaceEvent]:
    """One fix per sample of a drive that starts on the street."""
    draw = np.random.default_rng(seed)
    made = []
    for event in track:
        xy = compose(ON_STREET, event.T_odom_base)[:2] + draw.normal(0, sd, 2) + offset
        made.append(place(xy=xy, stamp_s=event.stamp_ns / SECOND, sd=sd))
    return made


def run(town, events) -> list:
    ordered = sorted(events, key=lambda event: event.stamp_ns)
    return answers(Session(town, fast_settings()), ordered)


def test_fixes_find_the_vehicle_where_roads_alone_do_not(town) -> None:
    track = odometry(70)
    alone = estimates(run(town, track))[-1]
    with_fixes = estimates(run(town, [*track, *fixes(track, 1.5)]))[-1]
    assert alone.modes[0].mass < 0.1
    assert with_fixes.modes[0].mass > 0.5
    truth = compose(ON_STREET, track[-1].T_odom_base)
    assert np.hypot(*(with_fixes.T_map_base - truth)[:2]) < 4.0
    assert "fix" in with_fixes.measurements


def test_fixes_cause_no_updates_and_make_no_image_late(town) -> None:
    track = odometry(60)
    pictures = images(np.arange(5.03, 10.5, 0.2))
    settings = fast_settings(depth__enabled=True, depth__points=32, filter__particles_max=300)
    late = [(event.stamp_ns + 3 * SECOND // 10, event) for event in pictures]
    prompt = [(event.stamp_ns, event) for event in [*track, *fixes(track, 3.0)]]
    events = [event for _, event in sorted([*late, *prompt], key=lambda pair: pair[0])]
    outputs = answers(Session(town, settings), events)
    assert not notes(outputs, Code.IMAGE_DROPPED)
    found = estimates(outputs)
    assert len(found) > 10
    assert {estimate.stamp_ns for estimate in found} <= {event.stamp_ns for event in pictures}
    assert any("fix" in estimate.measurements for estimate in found)


def test_the_first_fix_is_used_by_a_vehicle_that_stands(town) -> None:
    track = odometry(40, step=0.0)
    late = [event for event in fixes(track, 2.0) if event.stamp_ns > 6 * SECOND]
    found = estimates(run(town, [*track, *late]))
    assert [estimate.measurements for estimate in found] == [(), ("fix",)]


def test_a_single_outlier_does_not_move_the_vehicle(town) -> None:
    track = odometry(80)
    good = fixes(track, 1.5)
    bad = [place(xy=(180.0, 138.0), stamp_s=10.05 + 0.3 * i, sd=0.5) for i in range(3)]
    found = estimates(run(town, [*track, *good, *bad]))
    assert len(found[-8:]) == 8
    for estimate in found[-8:]:
        index = round((estimate.stamp_ns / SECOND - 5.0) / 0.1)
        truth = compose(ON_STREET, track[index].T_odom_base)
        assert np.hypot(*(estimate.T_map_base - truth)[:2]) < 6.0


# -- messages ---------------------------------------------------------------------------------


def fix(latitude: float, longitude: float, **changes: Any) -> Any:
    fields = {
        "header": header("gnss"),
        "status": make("sensor_msgs/msg/NavSatStatus", status=0, service=1),
        "latitude": latitude,
        "longitude": longitude,
        "altitude": math.nan,
        "position_covariance": np.diag([4.0, 9.0, 100.0]).ravel(),
        "position_covariance_type": 2,
    }
    return make("sensor_msgs/msg/NavSatFix", **(fields | changes))


def test_a_fix_lands_on_the_map_with_its_covariance() -> None:
    latitude, longitude = ANCHOR.to_geodetic([(120.0, -80.0)])[0]
    event = messages.fix_event(fix(latitude, longitude), ANCHOR, 5.0)
    assert isinstance(event, PlaceEvent)
    np.testing.assert_allclose(event.T_map_base[:2], [120.0, -80.0], atol=1e-3)
    np.testing.assert_allclose(event.covariance[:2, :2], np.diag([4.0, 9.0]))
    assert not event.with_yaw
    unknown = messages.fix_event(fix(latitude, longitude, position_covariance_type=0), ANCHOR, 5.0)
    assert isinstance(unknown, PlaceEvent)
    np.testing.assert_allclose(unknown.covariance[:2, :2], np.eye(2) * 25.0)


@pytest.mark.parametrize(
    "msg",
    [
        fix(math.nan, 8.4),
        fix(49.0, math.inf),
        fix(91.0, 8.4),
        fix(49.0, 8.4, position_covariance=np.full(9, math.nan)),
        fix(49.0, 8.4, position_covariance=-np.eye(3).ravel()),
    ],
)
def test_a_fix_that_means_nothing_is_a_note(msg: Any) -> None:
    found = messages.fix_event(msg, ANCHOR, 5.0)
    assert isinstance(found, Note)
    assert found.code is Code.BAD_MESSAGE


def test_no_fix_and_no_place_on_earth_are_said() -> None:
    status = make("sensor_msgs/msg/NavSatStatus", status=-1, service=1)
    none = messages.fix_event(fix(49.0, 8.4, status=status), ANCHOR, 5.0)
    assert isinstance(none, Note)
    assert (none.code, none.severity) == (Code.NO_FIX, Severity.INFO)
    unset = make("sensor_msgs/msg/NavSatStatus", status=-2, service=0)
    assert isinstance(messages.fix_event(fix(49.0, 8.4, status=unset), ANCHOR, 5.0), PlaceEvent)
    nowhere = messages.fix_event(fix(49.0, 8.4), None, 5.0)
    assert isinstance(nowhere, Note)
    assert "no place on Earth" in nowhere.text


def test_a_pose_prior_is_checked_as_an_initial_pose() -> None:
    good = messages.pose_prior_event(initial_pose(np.eye(6).ravel()), "map")
    assert isinstance(good, PlaceEvent)
    assert (good.name, good.with_yaw) == ("pose_prior", True)
    np.testing.assert_allclose(good.T_map_base, [4.0, -5.0, math.pi])
    zero = initial_pose(np.eye(6).ravel(), quaternion(0.0, 0.0, 0.0, 0.0))
    for msg in (zero, initial_pose(np.eye(6).ravel(), frame="moon")):
        note = messages.pose_prior_event(msg, "map")
        assert isinstance(note, Note)
        assert note.text.startswith("pose_prior is")
