"""Regions are searched beside the filter, and an answer is called reliable only where it is."""

from __future__ import annotations

import dataclasses
import itertools
import math
import threading

import numpy as np
import pytest
import torch

from mdps_ros.models.prior import GUESS_MOST, MovedPrior, PosePrior, sample_prior, start_count
from mdps_ros.runtime.cameras import Look
from mdps_ros.runtime.events import InitialPoseEvent
from mdps_ros.runtime.frames import between, compose
from mdps_ros.runtime.ground import lay_ground
from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample
from mdps_ros.runtime.recovery import alignment
from mdps_ros.runtime.recovery.aligner import BUSY, NOTHING_SEEN, STOPPED, Aligner
from mdps_ros.runtime.session import Session
from mdps_ros.runtime.watching.recent import REACH_M, UPDATES, Recent, Seen
from test.runtime.town import (
    SECOND,
    answers,
    fast_settings,
    images,
    initial_pose,
    odometry,
    plain,
)

CPU = torch.device("cpu")
TRUTH = np.array([-1.0, 3.0, 0.3])  # in the free room of the floor map
SD = np.array([0.3, 0.3, 0.05])
LONG_S = 60.0


def gaussian(pose, sd=SD):
    """Log-likelihood of a look that knows the pose so well, above a floor."""

    def score(poses):
        off = poses.double() - torch.as_tensor(pose)
        off = torch.cat(
            (off[..., :2], torch.remainder(off[..., 2:] + math.pi, math.tau) - math.pi), -1
        )
        inside = -0.5 * ((off / torch.as_tensor(sd)) ** 2).sum(-1)
        return torch.logaddexp(inside, torch.full_like(inside, -12.0)).float()

    return score


def look(score, name="depth"):
    return Look(name, score, 10.0)


def sample(seconds, pose=(0.0, 0.0, 0.0), travelled=0.0):
    return OdometrySample(round(seconds * SECOND), np.array(pose, float), travelled)


def still(*scores):
    """Looks from one place, all independent."""
    return tuple(
        Seen(sample(10.0 + 0.1 * i), None if score is None else look(score), 1.0)
        for i, score in enumerate(scores)
    )


def guess(mean=TRUTH, sd=(0.5, 0.5, 0.1), stamp_ns=0):
    return InitialPoseEvent(
        stamp_ns=stamp_ns, T_map_base=np.array(mean, float), covariance=np.diag(np.square(sd))
    )


def settings(**given):
    quiet = {
        "filter__particles_max": 20_000,
        "filter__particles_min": 1000,
        "filter__kld_error": 0.01,
        "filter__bandwidth_position": 0.02,
    }
    return fast_settings(**quiet | given)


def align(asked, updates, map, given, device):
    return alignment.align(asked, updates, lay_ground(map, given, device), given, device)


def test_the_answer_is_the_product_of_guess_and_look(floor):
    """Gaussian times Gaussian: the mean and covariance are known exactly."""
    mean, sd = TRUTH + np.array([0.3, -0.2, 0.05]), np.array([0.5, 0.5, 0.1])
    found = align(guess(mean, sd), still(gaussian(TRUTH)), floor, settings(), CPU)
    precision = 1.0 / sd**2 + 1.0 / SD**2
    expected = (mean / sd**2 + TRUTH / SD**2) / precision
    np.testing.assert_allclose(found.T_map_base, expected, atol=0.03)
    np.testing.assert_allclose(np.diag(found.covariance) * precision, 1.0, atol=0.15)
    assert (found.images, found.stamp_ns) == (1, 10 * SECOND)
    assert len(found.modes) >= 1


def test_equal_questions_get_equal_answers(floor):
    first, second = (
        align(guess(), still(gaussian(TRUTH), gaussian(TRUTH)), floor, settings(), CPU)
        for _ in range(2)
    )
    assert first.T_map_base.tolist() == second.T_map_base.tolist()
    assert first.evidence == second.evidence


def test_two_looks_at_a_place_in_the_region_are_reliable(floor):
    found = align(guess(), still(*[gaussian(TRUTH)] * 3), floor, settings(), CPU)
    assert found.reliable
    assert found.modes[0].mass > 0.9
    assert found.evidence > found.wanted == pytest.approx(math.log(9.0))
    assert "images speak for it" in found.text


def test_the_first_look_counts_between_places_as_the_others_do(floor):
    """Nothing was seen before it, so that it is independent; but it may not know what is alike."""
    scored = {}
    for part in (1.0, 0.5):
        told = look(gaussian(TRUTH))._replace(between=part)
        seen = (Seen(sample(10.0), told, 0.3 * part),)
        scored[part] = align(guess(), seen, floor, settings(), CPU).evidence
    assert scored[0.5] == pytest.approx(0.5 * scored[1.0])


def test_two_places_that_fit_alike_are_not_reliable(floor):
    twin = TRUTH + np.array([0.0, 0.0, math.pi])
    one, other = gaussian(TRUTH), gaussian(twin)
    scores = [lambda poses: torch.logaddexp(one(poses), other(poses))] * 3
    wide = guess(sd=(0.5, 0.5, 3.0))
    found = align(wide, still(*scores), floor, settings(), CPU)
    assert not found.reliable
    assert found.modes[0].mass == pytest.approx(0.5, abs=0.15)
    assert found.evidence > found.wanted  # that it is one of the two is sure
    assert "other places of the region fit as well" in found.text


def test_looks_that_say_nothing_are_not_reliable_however_narrow_the_guess(floor):
    flat = still(*[lambda poses: torch.zeros(poses.shape[:2])] * 10)
    found = align(guess(sd=(0.1, 0.1, 0.02)), flat, floor, settings(), CPU)
    assert found.modes[0].mass > 0.9
    assert found.evidence == pytest.approx(0.0, abs=1e-6)
    assert not found.reliable
    assert "drive on" in found.text


def test_a_region_without_the_vehicle_is_not_reliable(floor):
    elsewhere = guess(TRUTH + np.array([30.0, 0.0, 0.0]), sd=(0.5, 0.5, 0.1))
    found = align(elsewhere, still(*[gaussian(TRUTH)] * 3), floor, settings(), CPU)
    assert found.evidence < 0.5
    assert not found.reliable


def test_evidence_is_that_of_predictions_so_that_one_look_cannot_praise_itself(floor):
    """A wide region that one look shrinks to a point: nothing was predicted yet."""
    wide = guess(sd=(8.0, 8.0, 2.0))
    once = align(wide, still(gaussian(TRUTH)), floor, settings(), CPU)
    assert not once.reliable
    again = align(wide, still(*[gaussian(TRUTH)] * 3), floor, settings(), CPU)
    assert again.evidence > once.evidence + 3.0


def test_without_images_or_roads_there_is_no_evidence(floor):
    found = align(guess(), still(None, None), floor, settings(), CPU)
    assert (found.images, found.evidence, found.reliable) == (0, 0.0, False)
    assert "without an image" in found.text


def test_roads_alone_are_no_evidence_as_a_parallel_street_fits_as_well(town):
    """A narrow guess on a street of the grid, whose other streets nobody looked at."""
    seen = tuple(Seen(sample(10.0 + i, (3.0 * i, 0.0, 0.0), 3.0 * i), None, 0.0) for i in range(10))
    found = align(guess((-100.0, 18.5, 0.0), (1.0, 1.0, 0.1)), seen, town, settings(), CPU)
    assert found.modes[0].mass > 0.9
    assert not found.reliable


def on_the_way(count=6, step=(1.0, 0.0, 0.1), first=TRUTH):
    """Updates along an arc, each with a look that knows the true pose; and the last true pose."""
    seen, odom, true = [], np.array([5.0, -7.0, 2.0]), np.array(first)
    for index in range(count):
        seen.append(Seen(sample(10.0 + index, odom, 1.0 * index), look(gaussian(true)), 1.0))
        last = true
        odom, true = compose(odom, np.array(step)), compose(true, np.array(step))
    return tuple(seen), last


def test_the_answer_is_the_pose_at_the_newest_update(floor):
    updates, last = on_the_way()
    found = align(guess(last, (1.0, 1.0, 0.3)), updates, floor, settings(), CPU)
    assert found.stamp_ns == updates[-1].now.stamp_ns
    off = between(last, found.T_map_base)
    assert abs(off[:2]).max() < 0.3
    assert abs(off[2]) < 0.05
    assert found.reliable


def test_a_guess_of_an_earlier_time_is_moved_on_by_the_odometry(floor):
    updates, last = on_the_way()
    then = updates[2].now.stamp_ns + SECOND // 2
    back = compose(TRUTH, np.array([1.0, 0.0, 0.1]))
    back = compose(back, np.array([1.0, 0.0, 0.1]))
    half = compose(back, np.array([0.5, 0.0, 0.05]))
    found = align(guess(half, (0.3, 0.3, 0.1), then), updates, floor, settings(), CPU)
    assert math.dist(found.T_map_base[:2], last[:2]) < 0.3
    without = align(guess(half, (0.3, 0.3, 0.1)), updates, floor, settings(), CPU)
    assert math.dist(without.T_map_base[:2], last[:2]) > 0.5


def test_a_moved_guess_is_turned_with_each_heading():
    """With an unknown heading the draws lie on a ring, which no Gaussian does."""
    prior = MovedPrior(
        PosePrior(np.array([5.0, 5.0, 0.0]), np.diag([1e-6, 1e-6, 100.0])),
        np.array([10.0, 0.0, 0.0]),
    )
    poses = sample_prior(prior, 1, 2000, torch.Generator().manual_seed(1))[0].double()
    away = poses[:, :2] - 5.0
    np.testing.assert_allclose(away.norm(dim=1), 10.0, atol=0.01)
    np.testing.assert_allclose(
        torch.atan2(away[:, 1], away[:, 0]).cos(), poses[:, 2].cos(), atol=0.01
    )
    assert abs(away.mean(0)).max() < 1.0


@pytest.mark.parametrize(
    ("sd", "count"),
    [((0.0, 0.0, 0.0), 1), ((1.0, 1.0, 0.1), 216), ((100.0, 100.0, 3.0), GUESS_MOST)],
)
def test_a_wide_guess_gets_more_particles(sd, count):
    prior = MovedPrior(PosePrior(np.zeros(3), np.diag(np.square(sd))), np.zeros(3))
    assert start_count(prior, 0.08) == pytest.approx(count, abs=1)


def test_only_the_newest_updates_of_the_way_are_remembered():
    recent = Recent()
    for index in range(UPDATES + 4):
        recent.add(Seen(sample(index, travelled=3.0 * index), None, 0.0))
    assert len(recent.updates) == UPDATES
    recent.add(Seen(sample(99.0, travelled=3.0 * (UPDATES + 3) + REACH_M - 3.5), None, 0.0))
    assert [seen.now.stamp_ns // SECOND for seen in recent.updates] == [
        UPDATES + 2,
        UPDATES + 3,
        99,
    ]
    recent.forget()
    assert recent.updates == ()


def drive(first=0, last=60):
    """A drive with a depth image every half second, which is used."""
    events = [*odometry(60), *images([5.25, 5.75, 6.25, 6.75, 7.25, 7.75])]
    return sorted(events, key=lambda event: event.stamp_ns)[first:last]


def test_a_session_remembers_its_updates_and_forgets_them_when_time_goes_back(town):
    session = Session(town, fast_settings(depth__enabled=True))
    answers(session, [*drive(last=10), initial_pose(), *drive(first=10, last=30)])
    seen = session.recent
    assert [update.look is not None for update in seen].count(True) >= 3
    assert all(b.now.stamp_ns > a.now.stamp_ns for a, b in itertools.pairwise(seen))
    answers(session, odometry(1, first_s=1.0))
    assert session.recent == ()


def test_a_session_is_not_touched_by_a_search(town):
    def said(with_search):
        session = Session(town, fast_settings(depth__enabled=True))
        outputs = answers(session, [*drive(last=10), initial_pose(), *drive(first=10, last=30)])
        if with_search:
            found = align(guess(), session.recent, town, fast_settings(), CPU)
            assert found.images >= 3
        return plain([*outputs, *answers(session, drive(first=30))])

    assert said(with_search=False) == said(with_search=True)


def ground(map):
    return lay_ground(map, settings(), CPU)


class Desk:
    """Takes answers of an aligner."""

    def __init__(self, floor):
        self.answers, self.news, self.failures = [], threading.Event(), []
        self.aligner = Aligner(
            ground(floor), settings(), lambda *failure: self.failures.append(failure)
        )
        self.aligner.start()

    def tell(self, answer):
        self.answers.append(answer)
        self.news.set()


def ask_when_free(desk):
    """An answer is given a moment before the thread is free for the next question."""
    while True:
        desk.aligner.ask(guess(), desk.tell)
        assert desk.news.wait(LONG_S)
        desk.news.clear()
        if desk.answers[-1] != BUSY:
            return


def test_the_aligner_answers_aside_and_one_question_at_a_time(floor):
    desk, began, go = Desk(floor), threading.Event(), threading.Event()
    desk.aligner.ask(guess(), desk.tell)
    assert desk.answers == [NOTHING_SEEN]

    def slow(poses):
        began.set()
        assert go.wait(LONG_S)
        return gaussian(TRUTH)(poses)

    desk.news.clear()
    desk.aligner.keep(still(slow))
    desk.aligner.ask(guess(), desk.tell)
    assert began.wait(LONG_S)
    desk.aligner.ask(guess(), desk.tell)
    assert desk.answers[-1] == BUSY
    desk.news.clear()
    go.set()
    assert desk.news.wait(LONG_S)
    desk.aligner.stop()
    np.testing.assert_allclose(desk.answers[-1].T_map_base, TRUTH, atol=0.1)
    desk.aligner.keep(still(gaussian(TRUTH)))  # as when a request is withdrawn meanwhile
    desk.aligner.ask(guess(), desk.tell)
    assert desk.answers[-1] == NOTHING_SEEN


def test_a_search_ends_before_its_next_update_when_the_node_is_deactivated(floor):
    desk, began, go, asked = Desk(floor), threading.Event(), threading.Event(), []

    def slow(poses):
        began.set()
        assert go.wait(LONG_S)
        return gaussian(TRUTH)(poses)

    def late(poses):
        asked.append(poses)
        return gaussian(TRUTH)(poses)

    desk.aligner.keep(still(slow, late))
    desk.aligner.ask(guess(), desk.tell)
    assert began.wait(LONG_S)
    stopper = threading.Thread(target=desk.aligner.stop)
    stopper.start()
    while desk.aligner._open:  # until the stop has begun
        pass
    go.set()
    stopper.join(LONG_S)
    assert (desk.answers, asked) == ([STOPPED], [])


def test_a_search_that_fails_is_answered_and_told_and_the_next_one_works(floor):
    desk = Desk(floor)

    def broken(poses):
        raise RuntimeError("no such cell")

    desk.aligner.keep(still(broken))
    desk.aligner.ask(guess(), desk.tell)
    assert desk.news.wait(LONG_S)
    assert "no such cell" in desk.answers[0]
    ((_, error),) = desk.failures
    assert str(error) == "no such cell"
    desk.news.clear()
    desk.aligner.keep(still(gaussian(TRUTH)))
    ask_when_free(desk)
    desk.aligner.stop()
    np.testing.assert_allclose(desk.answers[-1].T_map_base, TRUTH, atol=0.1)


def test_other_settings_hold_from_the_next_question_on(floor):
    desk = Desk(floor)
    sure = dataclasses.replace(settings().estimate, claim_mass=0.999)
    desk.aligner.adopt(dataclasses.replace(settings(), estimate=sure))
    desk.aligner.keep(still(gaussian(TRUTH)))
    desk.aligner.ask(guess(), desk.tell)
    assert desk.news.wait(LONG_S)
    desk.aligner.stop()
    assert desk.answers[0].wanted == pytest.approx(math.log(999.0))


def test_what_was_seen_on_one_map_is_not_asked_on_another(floor, town):
    desk = Desk(floor)
    desk.aligner.keep(still(gaussian(TRUTH)))
    assert Desk(floor).aligner.ask(guess(), desk.tell) == floor.id
    desk.answers.clear()
    desk.aligner.change_map(ground(town))
    assert desk.aligner.ask(guess(), desk.tell) == town.id
    assert desk.answers == [NOTHING_SEEN]
    desk.aligner.stop()
