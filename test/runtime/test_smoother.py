"""Smoothing while driving: what comes out when, and whether hindsight is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from mdps_ros.core.types import Belief
from mdps_ros.core.weights import DegenerateWeightsError, effective_size
from mdps_ros.models.map_error import on_map
from mdps_ros.models.prior import PosePrior
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.frames import compose
from mdps_ros.runtime.localizer import Localizer, Motion
from mdps_ros.runtime.outputs import Output, SmoothedTrajectory, State
from mdps_ros.runtime.session import Session
from mdps_ros.runtime.smoothing import smoother as runtime_smoother
from mdps_ros.runtime.smoothing import walk as walk_module
from mdps_ros.runtime.smoothing.frames import FilterFrame, WeighedScores, drawn, thinned
from mdps_ros.runtime.smoothing.setup import Station, pass_setup
from mdps_ros.runtime.smoothing.smoother import Smoother, top_hypothesis
from mdps_ros.runtime.smoothing.walk import SmoothedFrame, walk_back
from mdps_ros.settings import MapErrorSettings
from test.runtime.town import (
    SECOND,
    answers,
    estimates,
    fast_settings,
    initial_pose,
    odometry,
    plain,
)

CPU = torch.device("cpu")
SMOOTHING = {
    "smoother__enabled": True,
    "smoother__lag": 2.0,
    "smoother__stride": 4,
    "smoother__particles": 60,
}


def trajectories(outputs: Sequence[Output]) -> list[SmoothedTrajectory]:
    return [output for output in outputs if isinstance(output, SmoothedTrajectory)]


def drive(place, events: list[OdometryEvent], **changes) -> list[Output]:
    session = Session(place, fast_settings(**SMOOTHING | changes))
    session.handle(initial_pose())
    return answers(session, events)


@pytest.fixture(scope="module")
def outputs(town) -> list[Output]:
    return drive(town, odometry(70))


def test_every_update_becomes_final_once_and_in_order(outputs) -> None:
    found, stamps = trajectories(outputs), [e.stamp_ns for e in estimates(outputs)]
    assert len(found) == len(stamps) // 4
    assert [trajectory.revision for trajectory in found] == list(range(1, len(found) + 1))
    final = np.concatenate([trajectory.stamps_ns[trajectory.final] for trajectory in found])
    np.testing.assert_array_equal(final, stamps[: len(final)])
    assert len(final) > len(stamps) - 16
    for trajectory in found:
        assert (np.diff(trajectory.stamps_ns) > 0).all()
        age = trajectory.stamps_ns[-1] - trajectory.stamps_ns
        np.testing.assert_array_equal(trajectory.final, age >= 2 * SECOND)


def test_a_trajectory_comes_right_after_the_update_it_ends_with(outputs) -> None:
    newest = None
    for output in outputs:
        if isinstance(output, SmoothedTrajectory):
            assert output.stamps_ns[-1] == newest
        elif hasattr(output, "stamp_ns"):
            newest = output.stamp_ns


def test_trajectories_are_sound(outputs) -> None:
    for trajectory in trajectories(outputs):
        count = len(trajectory.stamps_ns)
        assert trajectory.T_map_base.shape == (count, 3)
        assert trajectory.covariance.shape == (count, 3, 3)
        assert (np.linalg.eigvalsh(trajectory.covariance)[:, 0] > 0.0).all()
        assert ((trajectory.mass > 0.0) & (trajectory.mass < 1.0 + 1e-5)).all()
        assert trajectory.smoothed[:-1].all()
        assert not trajectory.smoothed[-1]


def test_the_newest_pose_is_the_filters(outputs) -> None:
    said = {estimate.stamp_ns: estimate for estimate in estimates(outputs)}
    for trajectory in trajectories(outputs):
        newest = said[int(trajectory.stamps_ns[-1])]
        assert np.abs(trajectory.T_map_base[-1] - newest.T_map_base).max() < 0.3


def test_smoothing_leaves_the_filter_as_it_is(town, outputs) -> None:
    without = drive(town, odometry(70), smoother__enabled=False)
    assert not trajectories(without)
    assert plain(estimates(without)) == plain(estimates(outputs))


def test_equal_drives_give_equal_trajectories_to_the_bit(town, outputs) -> None:
    again = drive(town, odometry(70))
    assert plain(trajectories(again)) == plain(trajectories(outputs))


def test_no_frame_is_made_where_nobody_smooths(town, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    honest = Localizer.frame

    def counted(self, stamp_ns: int) -> FilterFrame:
        made.append(stamp_ns)
        return honest(self, stamp_ns)

    monkeypatch.setattr(Localizer, "frame", counted)
    assert estimates(drive(town, odometry(9), smoother__enabled=False))
    assert made == []
    said = estimates(drive(town, odometry(9)))
    assert made == [estimate.stamp_ns for estimate in said]


def test_who_takes_the_smoother_gets_every_frame_and_every_new_belief(town, outputs) -> None:
    session = Session(town, fast_settings(**SMOOTHING))
    smoother, seen = session.take_smoother(), []
    assert smoother is not None
    session.watch = seen.append
    session.handle(initial_pose())
    said = answers(session, odometry(70))
    assert not trajectories(said)
    assert seen[0] is None
    assert [frame.stamp_ns for frame in seen[1:]] == [e.stamp_ns for e in estimates(said)]
    found = [one for one in map(smoother.watch, seen) if one is not None]
    assert plain(found) == plain(trajectories(outputs))
    assert Session(town, fast_settings()).take_smoother() is None


@pytest.mark.parametrize("told", [True, False], ids=["told", "guessed"])
def test_frames_tell_whether_the_filter_searches(town, told: bool) -> None:
    session, seen = Session(town, fast_settings()), []
    session.watch = seen.append
    spread = np.diag([0.25, 0.25, 0.01] if told else [64.0, 64.0, 0.01])
    start = replace(initial_pose(), covariance=spread, told=told)
    said = estimates(answers(session, [*odometry(1), start, *odometry(20, first_s=5.1)]))
    frames = [frame for frame in seen if frame is not None]
    state = State.TRACKING if told else State.GLOBAL
    for frame, estimate in zip(frames[-10:], said[-10:], strict=True):
        assert frame.stamp_ns == estimate.stamp_ns
        assert estimate.state is state
        assert frame.searching == (not told)
        assert frame.confirmed == told


@pytest.mark.parametrize("claimed", [True, False])
def test_hindsight_goes_on_behind_a_search_in_vain_and_not_behind_a_claim(
    town, claimed: bool
) -> None:
    session, seen = Session(town, fast_settings(**SMOOTHING)), []
    smoother = session.take_smoother()
    assert smoother is not None
    session.watch = seen.append
    spread = np.diag([0.25, 0.25, 0.01] if claimed else [64.0, 64.0, 0.01])
    start = replace(initial_pose(), covariance=spread, told=claimed)
    answers(session, [*odometry(1), start, *odometry(20, first_s=5.1)])
    assert session._updates.claims.state is (State.TRACKING if claimed else State.GLOBAL)
    before = len(seen)
    session._updates._search(session._odometry.newest)
    answers(session, odometry(20, first_s=7.1, start=(20.0, 0.0, 0.0)))
    after = seen[before:]
    assert (after[0] is None) == claimed
    first, *rest = [frame for frame in after if frame is not None]
    assert first.anew != claimed
    assert not any(frame.anew for frame in rest)
    told = [found for found in map(smoother.watch, seen) if found is not None]
    assert [found.belief for found in told] == sorted(found.belief for found in told)
    assert told[-1].belief == told[0].belief + 1
    assert (told[-1].stamps_ns[0] < first.stamp_ns) == (not claimed)


def test_a_trajectory_tells_its_belief(town, outputs) -> None:
    assert {trajectory.belief for trajectory in trajectories(outputs)} == {1}
    session = Session(town, fast_settings(**SMOOTHING))
    session.handle(initial_pose())
    answers(session, odometry(11))
    session.handle(initial_pose())
    later = trajectories(answers(session, odometry(20, first_s=6.1, start=(11.0, 0.0, 0.0))))
    assert {trajectory.belief for trajectory in later} == {2}
    revisions = [trajectory.revision for trajectory in later]
    assert revisions == list(range(revisions[0], revisions[0] + len(revisions)))
    assert revisions[0] > 1


def test_a_shorter_lag_ends_sooner_and_a_walk_that_is_given_up_changes_nothing(
    round_corner,
) -> None:
    frames, _ = round_corner
    settings = fast_settings(**SMOOTHING)
    one, other = (Smoother(settings, settings.map_error, CPU) for _ in range(2))
    for frame in frames[:16]:
        spaced = frame._replace(stamp_ns=frame.stamp_ns * SECOND // 5)
        due = [one.remember(spaced), other.remember(spaced)]
    assert due == [True, True]
    calls = iter([True, True, False])
    assert one.revise(go_on=lambda: next(calls)) is None
    whole, half = one.revise(), other.revise(0.5)
    assert whole is not None
    assert half is not None
    np.testing.assert_array_equal(whole.T_map_base, half.T_map_base)
    assert whole.final.sum() == 6  # 2 s and older
    assert half.final.sum() == 11


def test_a_new_start_forgets_what_came_before(town) -> None:
    session = Session(town, fast_settings(**SMOOTHING))
    session.handle(initial_pose())
    answers(session, odometry(11))
    session.handle(initial_pose())
    later = trajectories(answers(session, odometry(20, first_s=6.1, start=(11.0, 0.0, 0.0))))
    assert later
    assert later[0].stamps_ns[0] >= 6.0 * SECOND


START = np.array([-50.0, 19.2, 0.0])


def corner() -> list[np.ndarray]:
    """Steps of 2 m: 42 m east along a street, then left round a corner and 20 m north."""
    turn = [0.0] * 21 + [np.pi / 10] * 5 + [0.0] * 10
    return [np.array([2.0, 0.0, angle]) for angle in turn]


def frames_round_the_corner(town) -> tuple[list[FilterFrame], np.ndarray]:
    """Frames of a filter that hardly knows how far along the street it starts, and the truth."""
    made = Localizer(town, fast_settings(filter__particles_max=4000, filter__kld_error=0.02), CPU)
    made.start(PosePrior(START, np.diag([6.0, 0.5, 0.02]) ** 2))
    frames, truth, pose = [], [], START
    for index, step in enumerate(corner()):
        made.advance(Motion(step, 2.0, 0.2), None)
        pose = compose(pose, step)
        frames.append(made.frame(index))
        truth.append(pose)
    return frames, np.array(truth)


@pytest.fixture(scope="module")
def round_corner(town) -> tuple[list[FilterFrame], np.ndarray]:
    return frames_round_the_corner(town)


def walk(frames: list[FilterFrame], seed: int = 5, **changes) -> list[SmoothedFrame]:
    settings = fast_settings(smoother__particles=300, **changes)
    generator = torch.Generator().manual_seed(seed)
    setup = pass_setup(settings, settings.map_error, CPU)
    stations = [Station(frame, setup) for frame in frames]
    return list(walk_back(stations, setup, generator))[::-1]


def along_street(pose, log_weights) -> tuple[float, float]:
    """Mean and deviation of x."""
    weights = log_weights.exp()
    mean = (weights * pose[:, 0]).sum()
    return float(mean), float((weights * (pose[:, 0] - mean).square()).sum().sqrt())


def test_a_corner_tells_where_the_vehicle_was_before_it(round_corner) -> None:
    frames, truth = round_corner
    found = walk(frames)
    assert [frame.stamp_ns for frame in found] == list(range(len(frames)))
    for index in (5, 10, 15):
        filtered = frames[index].filtered
        _, before = along_street(filtered.state.pose[0], filtered.log_weights[0])
        mean, after = along_street(found[index].pose, found[index].log_weights)
        assert before > 3.5
        assert after < 0.6 * before
        assert abs(mean - truth[index, 0]) < 2.5 * after


def test_without_the_corner_hindsight_knows_no_more(round_corner) -> None:
    """The same frames, what was measured at the corner taken away."""
    frames, _ = round_corner
    silent = WeighedScores(())
    blind = [
        frame._replace(score=silent, filtered=frame.predicted) if index > 18 else frame
        for index, frame in enumerate(frames[:24])
    ]
    found = walk(blind)
    _, before = along_street(blind[10].filtered.state.pose[0], blind[10].filtered.log_weights[0])
    _, after = along_street(found[10].pose, found[10].log_weights)
    assert after > 0.75 * before


@pytest.mark.parametrize("count", [500, 5000], ids=["few", "many, which are thinned"])
def test_a_walk_that_lost_its_way_begins_anew(round_corner, count: int) -> None:
    """A filter that was moved far away between two frames: the past is not spoilt."""
    frames, truth = round_corner
    frames = [frame.thinned(count) for frame in frames]
    far = [
        frame._replace(predicted=_moved(frame.predicted), filtered=_moved(frame.filtered))
        if index >= 30
        else frame
        for index, frame in enumerate(frames)
    ]
    found = walk(far)
    filters_own = [frame.stamp_ns for frame in found if not frame.smoothed]
    assert filters_own == [29, len(found) - 1]
    mean, deviation = along_street(found[10].pose, found[10].log_weights)
    assert abs(mean - truth[10, 0]) < 3.0 * deviation


def test_a_filter_that_is_sure_does_not_meet_a_future_elsewhere(round_corner) -> None:
    """All its particles are alike to a future far away: none of them stands out as wrong."""
    frames = [frame.thinned(500) for frame in round_corner[0][:12]]
    filtered = frames[10].filtered
    state = filtered.state.gather_particles(torch.zeros(filtered.log_weights.shape).long())
    found = walk([*frames[:10], frames[10]._replace(filtered=filtered._replace(state=state))])
    assert found[9].smoothed
    lost = _moved(filtered._replace(state=state))
    frames[10] = frames[10]._replace(filtered=lost, predicted=lost)
    # the walk begins anew there, and is lost for the frame before
    assert [frame.stamp_ns for frame in walk(frames) if not frame.smoothed] == [9, 10, 11]


def lost_ways(frame: FilterFrame, tries: int) -> int:
    """How often 40 places that a wide belief foresees do not meet the belief itself."""
    settings = fast_settings(smoother__particles=40)
    setup = replace(pass_setup(settings, settings.map_error, CPU), most=1)
    lost = 0
    for seed in range(tries):
        generator = torch.Generator().manual_seed(seed)
        future = walk_module._begin([Station(frame, setup)], setup, generator)
        assert future.particle_count == 40
        few = thinned(frame.filtered, 200)
        try:
            walk_module._reweighed(few, future, setup)
        except DegenerateWeightsError:
            lost += 1
    return lost


def test_few_particles_on_a_long_street_meet(round_corner, monkeypatch: pytest.MonkeyPatch) -> None:
    """They lie farther apart than the filter's kernel is wide, not than their own."""
    frame = round_corner[0][10]
    turned = frame.filtered.state.pose.clone()
    generator = torch.Generator().manual_seed(2)
    turned[..., 2] += 0.1 * torch.randn(turned.shape[:2], generator=generator)
    state = frame.filtered.state._replace(pose=turned)
    frame = frame._replace(filtered=frame.filtered._replace(state=state))
    assert lost_ways(frame, 30) == 0
    settings = fast_settings()
    narrow = pass_setup(settings, settings.map_error, CPU).kernel
    by = walk_module.kernel_exponents
    monkeypatch.setattr(walk_module, "kernel_exponents", lambda _, *poses: by(narrow, *poses))
    assert lost_ways(frame, 30) > 3


def _moved(belief):
    pose = belief.state.pose + torch.tensor([70.0, 0.0, 0.0])
    return belief._replace(state=belief.state._replace(pose=pose))


def test_a_measurement_that_allows_no_place_ends_the_walk_not_the_run(round_corner) -> None:
    frames = list(round_corner[0])
    nowhere = WeighedScores(((1.0, lambda poses: torch.full(poses.shape[:2], -torch.inf)),))
    frames[20] = frames[20]._replace(score=nowhere)
    found = walk(frames)
    filters_own = {frame.stamp_ns for frame in found if not frame.smoothed}
    # at its own time the filter's particles, which knew better, may still meet the future
    assert filters_own - {20} == {19, len(frames) - 1}


def spread_out(belief):
    """The same particles all over the town: a filter that has just begun."""
    generator = torch.Generator().manual_seed(9)
    places = 400.0 * torch.rand(1, 4000, 2, generator=generator) - 200.0
    yaw = 6.28 * torch.rand(1, 4000, 1, generator=generator)
    index = torch.arange(4000).unsqueeze(0) % belief.particle_count
    state = belief.state.gather_particles(index)._replace(pose=torch.cat((places, yaw), -1))
    return belief._replace(state=state, log_weights=torch.full((1, 4000), -np.log(4000.0)))


def begun_at(frames: list[FilterFrame], first: int) -> list[FilterFrame]:
    """Frames of a filter that knows nothing before the first of these."""
    return [
        frame._replace(predicted=spread_out(frame.predicted), filtered=spread_out(frame.filtered))
        if index < first
        else frame
        for index, frame in enumerate(frames)
    ]


def test_where_the_past_knew_nothing_the_future_speaks_alone(round_corner) -> None:
    frames, truth = round_corner
    begun = begun_at(frames, 12)
    for index in (4, 10):
        found = walk(begun)[index]
        assert found.smoothed
        mean, deviation = along_street(found.pose, found.log_weights)
        assert deviation < 4.0
        assert abs(mean - truth[index, 0]) < 3.0 * deviation


def test_a_search_that_missed_the_vehicle_does_not_hold_hindsight_up(round_corner) -> None:
    """Until frame 20 the filter searches 70 m off, and then it claims the right place."""
    frames, truth = round_corner
    missed = [
        frame._replace(
            predicted=_moved(frame.predicted),
            filtered=_moved(frame.filtered),
            searching=True,
            confirmed=False,
        )
        if index < 20
        else frame
        for index, frame in enumerate(frames)
    ]
    found = walk(missed)
    assert all(frame.confirmed for frame in found)
    for index in (4, 10, 18):
        assert found[index].smoothed
        mean, deviation = along_street(found[index].pose, found[index].log_weights)
        assert deviation < 4.0
        assert abs(mean - truth[index, 0]) < 3.0 * deviation
    # a walk that itself begins in a search is no better than the filter, nor than a claim
    for others in (
        [frame._replace(searching=True) for frame in missed],
        [frame._replace(searching=False) for frame in missed],
    ):
        mean, _ = along_street(*walk(others)[10][1:3])
        assert abs(mean - truth[10, 0]) > 50.0


def test_what_a_search_has_not_confirmed_is_told_as_less_than_a_claim(round_corner) -> None:
    """8 / 9 of the mass that a claim needs; all of it where the vehicle was found later."""
    estimate = fast_settings().estimate
    unsure = {"searching": True, "confirmed": False}
    searching = [frame._replace(**unsure) for frame in round_corner[0][24:]]
    found = [*searching[:-1], searching[-1]._replace(searching=False, confirmed=True)]
    before, after = (
        [top_hypothesis(frame, estimate).mass for frame in walk(frames)]
        for frames in (searching, found)
    )
    assert min(after) > estimate.claim_mass
    for mass, whole in zip(before[:-1], after[:-1], strict=True):
        assert 0.7 < mass <= 0.8
        assert whole > mass


def test_a_place_that_stands_for_itself_alone_is_not_told_as_certain(
    round_corner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A measurement of 1 cm leaves one particle; its kernel is 0.4 m wide along each axis."""
    frames, truth = round_corner
    begun = begun_at(frames, 12)

    def sharp(poses: torch.Tensor) -> torch.Tensor:
        return -0.5 * ((poses[..., 0] - float(truth[10, 0])) / 0.01).square()

    begun[10] = begun[10]._replace(score=WeighedScores(((1.0, sharp),)))
    found = walk(begun, map_error__sd=0.0)[10]
    assert found.smoothed
    _, deviation = along_street(found.pose, found.log_weights)
    assert 0.3 < deviation < 0.5
    monkeypatch.setattr(walk_module, "_told", lambda found, *_: (found.pose, found.log_weights))
    found = walk(begun, map_error__sd=0.0)[10]
    assert along_street(found.pose, found.log_weights)[1] < 0.05


def test_no_claim_is_made_of_a_filter_that_knows_nothing(round_corner) -> None:
    frames = begun_at(round_corner[0][:8], 8)
    for frame, found in zip(frames, walk(frames), strict=True):
        assert not found.smoothed
        assert torch.equal(found.pose, frame.filtered.state.pose[0])


def test_thinning_keeps_the_belief_and_small_ones_as_they_are(round_corner) -> None:
    belief = round_corner[0][8].filtered
    assert thinned(belief, belief.particle_count) is belief
    few = thinned(belief, 200)
    assert 100 < few.particle_count <= 200
    for one, other in zip(
        along_street(belief.state.pose[0], belief.log_weights[0]),
        along_street(few.state.pose[0], few.log_weights[0]),
        strict=True,
    ):
        assert one == pytest.approx(other, abs=0.2)
    assert few.log_weights.exp().sum() == pytest.approx(1.0, abs=1e-5)


def test_a_place_that_is_drawn_often_counts_once(round_corner) -> None:
    """Of a belief in three places, none effective beyond them, 100 draws are three places still."""
    state, log_weights = round_corner[0][8].filtered
    certain = torch.full_like(log_weights, -50.0)
    certain[0, [3, 70, 300]] = torch.tensor([0.6, 0.3, 0.1]).log()
    belief = Belief(state, certain.log_softmax(-1))
    few = thinned(belief, 100)
    assert few.particle_count == 3
    torch.testing.assert_close(few.log_weights.exp()[0], torch.tensor([0.6, 0.3, 0.1]))
    assert torch.equal(few.state.pose[0], state.pose[0, [3, 70, 300]])
    exact = effective_size(belief.log_weights).item()
    assert effective_size(few.log_weights).item() == pytest.approx(exact, rel=1e-4)
    copies = drawn(belief, 100)  # what told such a belief as certain
    assert effective_size(copies.log_weights).item() == pytest.approx(100.0)


def test_a_frame_holds_what_the_filter_weighed_by(round_corner) -> None:
    for frame in round_corner[0][1:30:7]:
        score = frame.score(on_map(frame.predicted.state))
        weighed = torch.log_softmax(frame.predicted.log_weights + score, -1)
        torch.testing.assert_close(weighed, frame.filtered.log_weights, atol=1e-4, rtol=1e-4)
        assert not torch.allclose(weighed, frame.predicted.log_weights, atol=1e-2)


def test_there_is_no_frame_before_the_first_update(town) -> None:
    made = Localizer(town, fast_settings(), CPU)
    made.start(PosePrior(START, np.eye(3)))
    with pytest.raises(RuntimeError, match="advance the localizer"):
        made.frame(0)


def test_scores_of_a_time_add_up_and_those_that_abstain_do_not_count() -> None:
    poses = torch.zeros(1, 4, 3)
    ones = torch.ones(1, 4)
    scores = WeighedScores(((0.5, lambda _: ones), (1.0, lambda _: None), (2.0, lambda _: ones)))
    assert torch.equal(scores(poses), 2.5 * ones)
    assert WeighedScores(())(poses) is None
    assert WeighedScores(((1.0, lambda _: None),))(poses) is None


def test_memory_is_bounded_where_the_lag_is_not(town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime_smoother, "FRAMES_MAX", 10)
    settings = fast_settings(**SMOOTHING | {"smoother__lag": 600.0, "smoother__particles": 20})
    made = Localizer(town, fast_settings(filter__particles_max=200), CPU)
    made.start(PosePrior(START, np.diag([1.0, 0.5, 0.02]) ** 2))
    made.advance(Motion(np.array([2.0, 0.0, 0.0]), 2.0, 0.2), None)
    smoother = Smoother(settings, MapErrorSettings(sd=0.0), CPU)
    frame = made.frame(0)._replace(score=WeighedScores(()))
    found = [smoother.add(frame._replace(stamp_ns=stamp)) for stamp in range(24)]
    lengths = [len(trajectory.stamps_ns) for trajectory in found if trajectory is not None]
    assert lengths == [4, 8, 12, 14, 14, 14]
