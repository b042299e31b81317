"""Another map while a session runs: a tracked vehicle stays where it is on Earth."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from mdps_ros.maps import GeoAnchor, Map, load_map
from mdps_ros.notes import Code, Severity
from mdps_ros.runtime.cameras import Cameras
from mdps_ros.runtime.events import MapEvent, RestoreEvent, SettingsEvent
from mdps_ros.runtime.jumps import Cause, JumpWatch
from mdps_ros.runtime.other_map import same_place
from mdps_ros.runtime.outputs import Output, SmoothedTrajectory, State
from mdps_ros.runtime.session import Session
from mdps_ros.runtime.smoothing.frames import FilterFrame
from mdps_ros.settings import EstimateSettings, with_values
from test.runtime.town import (
    ANCHOR,
    SECOND,
    answers,
    estimates,
    fast_settings,
    images,
    initial_pose,
    notes,
    odometry,
    plain,
    snapshots,
    town_map,
)

CPU = torch.device("cpu")
ASIDE = GeoAnchor(ANCHOR.latitude_deg + 0.004, ANCHOR.longitude_deg - 0.006)
FAR = GeoAnchor(48.137, 11.575)


@pytest.fixture(scope="module")
def renewed(tmp_path_factory) -> Map:
    """The town again in another frame, without its houses."""
    folder = tmp_path_factory.mktemp("renewed")
    town_map(folder, houses=())
    return load_map(folder / "town.osm", anchor=ASIDE)


def ahead(anchor: GeoAnchor, pose: np.ndarray) -> np.ndarray:
    """Latitude and longitude of a pose, and of a place 5 m ahead of it."""
    step = 5.0 * np.array([math.cos(pose[2]), math.sin(pose[2])])
    return anchor.to_geodetic([pose[:2], pose[:2] + step])


@pytest.mark.parametrize("other", [ASIDE, FAR, ANCHOR], ids=["beside", "far", "same"])
def test_a_pose_in_another_frame_is_the_same_place_and_direction_on_earth(
    other: GeoAnchor,
) -> None:
    rng = np.random.default_rng(1)
    poses = np.column_stack((rng.uniform(-300, 300, (20, 2)), rng.uniform(-4, 4, 20)))
    moved = same_place(poses, ANCHOR, other)
    assert (np.abs(moved[:, 2]) <= math.pi).all()
    for before, after in zip(poses, moved, strict=True):
        # 1e-7 degrees are a centimetre; a lever of 5 m turned by 2 mrad is off by as much
        np.testing.assert_allclose(ahead(other, after), ahead(ANCHOR, before), rtol=0, atol=1e-7)
    if other is ANCHOR:
        np.testing.assert_allclose(moved[:, :2], poses[:, :2], atol=1e-6)


def tracked(town: Map, **changes) -> Session:
    """A session that has tracked the vehicle for 20 m."""
    session = Session(town, fast_settings(**changes))
    session.handle(initial_pose())
    assert estimates(answers(session, odometry(21)))[-1].state is State.TRACKING
    return session


def change(session: Session, map_: Map) -> tuple[Output, ...]:
    return session.handle(MapEvent(ready=session.make_ready(map_)))


LATER = odometry(41, first_s=7.1, start=(21.0, 0.0, 0.0))


def test_a_tracked_vehicle_goes_on_where_it_is_on_earth(town, renewed) -> None:
    session = tracked(town)
    outputs = change(session, renewed)
    (note,) = notes(outputs, Code.MAP_CHANGED)
    assert note.severity is Severity.INFO
    assert f"id {renewed.id[:12]}" in note.text
    assert "went on at its place on Earth" in note.text
    (at_once,) = estimates(outputs)
    assert at_once.state is State.TRACKING
    later = estimates(answers(session, LATER))
    assert {found.state for found in later} == {State.TRACKING}
    for found in [at_once, *later]:
        along = (found.stamp_ns / SECOND - 5.0) * 10.0
        wanted = same_place(np.array([[-140.0 + along, 18.5, 0.0]]), ANCHOR, ASIDE)[0]
        assert np.hypot(*(found.T_map_base - wanted)[:2]) < 4.0
        assert found.travelled == pytest.approx(along)
    held = session.held()
    assert held is not None
    assert held.map_id == renewed.id


def test_what_was_thought_of_the_old_map_s_error_is_forgotten(town, renewed) -> None:
    session = tracked(town, map_error__sd=2.0)
    before = session.held()
    session.handle(MapEvent(ready=session.make_ready(renewed)))
    after = session.held()
    assert before is not None
    assert after is not None
    offsets = [held.belief.state.map_offset[0].numpy() for held in (before, after)]
    assert not np.isin(offsets[1][:, 0], offsets[0][:, 0]).any()
    assert offsets[1].std() == pytest.approx(2.0, rel=0.3)


@pytest.mark.parametrize("place", ["elsewhere", "floor"])
def test_a_vehicle_that_is_not_on_the_new_map_is_searched_there(
    town, floor, tmp_path: Path, place: str
) -> None:
    other = floor
    if place == "elsewhere":
        other = town_map(tmp_path, eastward=(2000.0, 2100.0, 2250.0), houses=())
    session = tracked(town)
    outputs = change(session, other)
    (note,) = notes(outputs, Code.MAP_CHANGED)
    assert note.severity is Severity.WARN
    assert "started over the whole of it" in note.text
    (found,) = estimates(outputs)
    assert found.state is not State.TRACKING
    cloud = snapshots(outputs)[0].poses
    bounds = other.bounds
    assert bounds.min_x - 20 < cloud[:, 0].min()
    assert cloud[:, 0].max() < bounds.max_x + 20
    held = session.held()
    assert held is not None
    assert held.map_id == other.id
    assert estimates(answers(session, LATER[:9]))


def test_a_vehicle_that_is_not_known_yet_is_searched_on_the_new_map(town, renewed) -> None:
    session = Session(town, fast_settings())
    answers(session, odometry(5))
    (note,) = notes(change(session, renewed), Code.MAP_CHANGED)
    assert note.severity is Severity.INFO
    assert "started over the whole of it" in note.text


def test_before_any_odometry_nothing_is_started_and_what_waits_is_forgotten(town, renewed) -> None:
    """A pose that was given on the old map means another place on the new one."""
    session = Session(town, fast_settings())
    session.handle(initial_pose())
    outputs = change(session, renewed)
    assert [note.code for note in outputs] == [Code.MAP_CHANGED]
    later = answers(session, odometry(5))
    assert not notes(later, Code.INITIAL_POSE)
    assert notes(later, Code.STARTED)
    assert np.ptp(snapshots(later)[0].poses[:, 0]) > 300


def test_a_belief_of_the_old_map_is_not_restored_on_the_new_one(town, renewed) -> None:
    session = tracked(town)
    saved = session.held()
    assert saved is not None
    change(session, renewed)
    (note,) = session.handle(RestoreEvent(saved=saved))
    assert note.code is Code.STATE_FILE
    assert "of another map" in note.text
    held = session.held()
    assert held is not None
    assert held.map_id == renewed.id
    assert estimates(session.handle(LATER[-1]))[-1].state is State.TRACKING


def test_images_are_compared_with_the_new_map(town, renewed) -> None:
    """A wall 9 m ahead is there on the old map, and not on the new one."""
    session = tracked(town, depth__enabled=True, runtime__camera_timeout=5.0)
    frames: list[FilterFrame] = []
    change(session, renewed)
    session.watch = frames.append
    (image,) = images([8.05])
    answers(session, [*LATER[:10], image, *LATER[10:12]])
    _, score = frames[-1].score.parts[-1]
    poses = torch.tensor([[[11.0, 65.0, 0.0], [-100.0, 18.5, 0.0]]])
    looks = [Cameras(each, session.settings, CPU).bind(image) for each in (renewed, town)]
    wanted, old = (look.log_likelihood(poses) for look in looks)
    torch.testing.assert_close(score(poses), wanted)
    assert not torch.allclose(wanted, old)


def test_the_same_events_give_the_same_bytes(town, renewed) -> None:
    def run() -> object:
        session = tracked(town)
        outputs = [*change(session, renewed), *answers(session, LATER)]
        return plain(outputs)

    assert run() == run()


def test_the_settings_in_force_are_kept(town, renewed) -> None:
    session = tracked(town)
    ready = session.make_ready(renewed)  # before the settings change
    wanted = with_values(session.settings, {"filter.update_distance": 1.0, "road.lateral_sd": 2.5})
    session.handle(SettingsEvent(settings=wanted))
    session.handle(MapEvent(ready=ready))
    later = estimates(answers(session, LATER[:9]))
    np.testing.assert_allclose(np.diff([found.travelled for found in later]), 1.0, atol=1e-6)


def test_a_smoother_begins_anew(town, renewed) -> None:
    session = tracked(
        town,
        smoother__enabled=True,
        smoother__lag=5.0,
        smoother__stride=2,
        smoother__particles=20,
    )
    told: list[object] = []
    session.watch = told.append
    (at_once,) = estimates(change(session, renewed))
    assert told[0] is None
    outputs = answers(session, LATER[:9])
    found = [output for output in outputs if isinstance(output, SmoothedTrajectory)]
    assert found
    assert all(one.stamps_ns.min() >= at_once.stamp_ns for one in found)


def test_the_first_claim_on_another_map_is_a_jump_from_nowhere(town, renewed) -> None:
    session, watch = Session(town, fast_settings()), JumpWatch(EstimateSettings())
    outputs = [*session.handle(initial_pose()), *answers(session, odometry(21))]
    outputs += [*change(session, renewed), *answers(session, LATER)]
    jumps = [jump for output in outputs if (jump := watch.see(output)) is not None]
    assert [jump.cause for jump in jumps] == [Cause.INITIAL_POSE, Cause.MAP_CHANGED]
    assert jumps[1].before is None
