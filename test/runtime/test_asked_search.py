"""Starts over regions and around guesses, and what those who asked for a search are told."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.asking import OTHER_MAP, REPLACED, Asking
from mdps_ros.runtime.events import (
    Event,
    GlobalStartEvent,
    InitialPoseEvent,
    RestoreEvent,
    StartEvent,
    WithdrawEvent,
)
from mdps_ros.runtime.jumps import CAUSES
from mdps_ros.runtime.outputs import Output, PoseEstimate, State
from mdps_ros.runtime.recovery.asked_search import AskedSearch, Found
from mdps_ros.runtime.recovery.asked_start import AskedStart, Begun
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

WEST = np.array([[-200.0, -60.0], [-60.0, -60.0], [-60.0, 60.0], [-200.0, 60.0]])
"""About 90 m of the street on which ON_STREET lies, and of the one that crosses it at -150."""
NOTHING = np.array([[30.0, 50.0], [50.0, 50.0], [40.0, 70.0]])

PIECE = np.array([[-146.0, 10.0], [-138.0, 10.0], [-138.0, 30.0], [-146.0, 30.0]])
"""8 m of the first of them."""
LOST_SOON = {
    "filter__lost_fit": -2.0,
    "filter__lost_distance": 10.0,
    "recovery__radius": 0.0,
    "estimate__claim_mass": 1.0,
}


class Asked:
    """A session, a search in it, and what its follower said."""

    def __init__(self, session: Session, event: StartEvent, least: float = 0.0) -> None:
        self.session = session
        self.told: list[PoseEstimate] = []
        self.found: list[Found] = []
        self.asking = Asking()
        self.search = AskedSearch(event, least, self.told.append, self.found.append)
        self.asking.follow(self.search)

    def handle(self, events: Iterable[Event]) -> None:
        for event in events:
            self.said(event)

    def said(self, event: Event) -> tuple[Output, ...]:
        """What the session says, too."""
        outputs = self.session.handle(event)
        self.asking.answered(event, outputs)
        return outputs

    @property
    def outcome(self) -> Found:
        (found,) = self.found
        return found


def guess(sd: float = 8.0) -> InitialPoseEvent:
    covariance = np.diag([sd**2, sd**2, 0.1**2])
    return dataclasses.replace(
        initial_pose(ON_STREET + np.array([3.0, 1.0, 0.0]), covariance), told=False
    )


# -- starts ------------------------------------------------------------------------------------


def test_a_start_over_a_region_draws_there_alone(town) -> None:
    session = Session(town, fast_settings())
    answers(session, odometry(1))
    (note,) = notes(session.handle(GlobalStartEvent(region=WEST)), Code.STARTED)
    assert note.text == "restarted over a region of the map"
    cloud = snapshots(answers(session, odometry(5, first_s=6.0)))[0].poses
    # the lane's width and the turning share reach some metres beyond
    assert (cloud[:, 0] > -212).all()
    assert (cloud[:, 0] < -48).all()
    assert (cloud[:, 1] > -72).all()
    assert (cloud[:, 1] < 72).all()
    assert np.ptp(cloud[:, 0]) > 60


def test_a_region_without_a_road_leaves_the_belief_and_says_so(town) -> None:
    session = Session(town, fast_settings())
    answers(session, odometry(1))
    session.handle(initial_pose())
    (note,) = session.handle(GlobalStartEvent(region=NOTHING))
    assert note.code is Code.NO_START
    assert "give corners in the map's frame" in note.text
    (later, *_) = estimates(answers(session, odometry(3, first_s=5.1, step=2.0)))
    assert later.state is State.TRACKING


@pytest.mark.parametrize("told", [False, True])
def test_a_guess_is_claimed_only_when_images_have_confirmed_it(town, told: bool) -> None:
    """However narrow it is; a pose that was told is claimed at once."""
    session = Session(town, fast_settings(depth__enabled=True))
    answers(session, odometry(1))
    outputs = session.handle(dataclasses.replace(guess(sd=0.1), told=told))
    (note,) = notes(outputs, Code.INITIAL_POSE)
    assert (note.text == "searching around the pose that was guessed") is not told
    seen = answers(session, [*odometry(3, first_s=5.1, start=(1.0, 0.0, 0.0)), *images([5.2])])
    (estimate,) = estimates(seen)
    assert estimate.state is (State.TRACKING if told else State.GLOBAL)
    assert (estimate.modes[0].mass >= 0.9) is told


@pytest.mark.parametrize("yaw_sd", [0.1, 2.0])
def test_a_guess_of_the_past_is_moved_on_for_every_heading(town, yaw_sd: float) -> None:
    """20 m of motion on a circle about the guess, not beside its mean."""
    session = Session(town, fast_settings(road__enabled=False, map_error__sd=0.0))
    answers(session, odometry(21))
    covariance = np.diag([1e-6, 1e-6, yaw_sd**2])
    event = dataclasses.replace(initial_pose(ON_STREET, covariance, stamp_s=5.0), told=False)
    session.handle(event)
    still = odometry(2, first_s=7.1, start=(20.0, 0.0, 0.0), step=0.0)
    cloud = snapshots(answers(session, still))[0].poses
    radius = np.hypot(*(cloud[:, :2] - ON_STREET[:2]).T)
    assert np.abs(radius - 20.0).max() < 1.0
    spread = np.std(np.angle(np.exp(1j * np.arctan2(*(cloud[:, 1::-1] - ON_STREET[1::-1]).T))))
    assert spread == pytest.approx(min(yaw_sd, 1.6), rel=0.25)


# -- who asked ---------------------------------------------------------------------------------


def test_a_search_tells_of_its_own_estimates_and_ends_with_a_claim(town) -> None:
    event = GlobalStartEvent(region=PIECE, heading=(0.0, 0.1))
    asked = Asked(Session(town, fast_settings()), event)
    asked.handle(odometry(10))
    assert asked.told == []
    asked.handle([event])
    assert not asked.found
    asked.handle(odometry(10, first_s=6.0, start=(10.0, 0.0, 0.0)))
    assert all(e.stamp_ns > 5.9 * SECOND for e in asked.told)
    assert asked.outcome.found
    assert asked.outcome.estimate is asked.told[-1]
    states = [e.state for e in asked.told]
    assert states == [State.GLOBAL] * (len(states) - 1) + [State.TRACKING]


def test_a_guess_that_fits_is_found(town) -> None:
    event = guess(sd=1.0)
    asked = Asked(Session(town, fast_settings(recovery__confirmation=0.0)), event)
    asked.handle([*odometry(1), event])
    asked.handle(odometry(40, first_s=5.1, start=(1.0, 0.0, 0.0)))
    assert asked.outcome.found
    assert asked.outcome.estimate is not None
    assert asked.outcome.estimate.modes[0].mass >= 0.9
    assert "found the vehicle" in asked.outcome.text


def test_the_share_that_was_asked_for_is_waited_for(town) -> None:
    event = GlobalStartEvent()
    asked = Asked(Session(town, fast_settings()), event, least=0.95)
    asked.handle([*odometry(2), event, *odometry(1, first_s=5.2, start=(2.0, 0.0, 0.0))])
    (*_, last) = asked.told
    for mass, state, over in (
        (0.97, State.GLOBAL, False),  # not claimed
        (0.92, State.TRACKING, False),
        (0.96, State.TRACKING, True),
    ):
        mode = dataclasses.replace(last.modes[0], mass=mass)
        estimate = dataclasses.replace(last, modes=(mode,), state=state)
        assert asked.search.take(odometry(1)[0], (estimate,)) is over
    assert asked.outcome.found
    assert asked.search.estimate is estimate


def test_a_search_without_a_road_ends_with_the_reason(town) -> None:
    event = GlobalStartEvent(region=NOTHING)
    asked = Asked(Session(town, fast_settings()), event)
    asked.handle([*odometry(2), event])
    assert not asked.outcome.found
    assert asked.outcome.estimate is None
    assert "no road or free floor" in asked.outcome.text


@pytest.mark.parametrize(
    "other", [initial_pose(), GlobalStartEvent(), GlobalStartEvent(region=WEST)]
)
def test_another_request_ends_a_search(town, other: Event) -> None:
    event = GlobalStartEvent()
    asked = Asked(Session(town, fast_settings()), event)
    asked.handle([*odometry(2), event])
    asked.handle([other, *odometry(3, first_s=5.2, start=(2.0, 0.0, 0.0))])
    assert not asked.outcome.found
    assert asked.outcome.text.startswith("another belief took the place of this search")


def test_another_request_ends_a_guess_that_waits_for_odometry(town) -> None:
    event = guess()
    asked = Asked(Session(town, fast_settings()), event)
    asked.handle([event, initial_pose(), *odometry(3)])
    assert not asked.outcome.found
    assert "before there was odometry" in asked.outcome.text


def test_a_request_that_is_refused_ends_no_guess_that_waits(town) -> None:
    event = guess()
    asked = Asked(Session(town, fast_settings()), event)
    asked.handle([event, GlobalStartEvent(region=NOTHING)])
    assert not asked.found
    asked.handle(odometry(3))
    assert asked.told


def test_a_guess_that_was_withdrawn_does_not_begin(town) -> None:
    event, session = guess(), Session(town, fast_settings())
    asked = Asked(session, event)
    asked.handle([event, WithdrawEvent(request=initial_pose())])  # of somebody else
    assert tuple(session._starts._poses) == (event,)
    asked.handle([WithdrawEvent(request=event), *odometry(3)])
    assert not asked.told
    assert not notes(answers(session, odometry(3, first_s=6.0)), Code.INITIAL_POSE)


def test_what_a_guess_took_the_place_of_waits_again_when_it_is_withdrawn(town) -> None:
    """A saved belief, and below the guess a pose that was told: the newest that is left counts."""
    before = Session(town, fast_settings(road__enabled=False))
    answers(before, [*odometry(1), initial_pose(), *odometry(30, first_s=5.1)])
    saved = before.held()
    assert saved is not None
    event = guess()
    for waiting, code in (
        ((RestoreEvent(saved=saved),), Code.RESTORED),
        ((RestoreEvent(saved=saved), initial_pose()), Code.INITIAL_POSE),
    ):
        session = Session(town, fast_settings(road__enabled=False))
        answers(session, [*waiting, event, WithdrawEvent(request=event)])
        outputs = answers(session, odometry(2, first_s=9.0))
        begun = [o.code for o in outputs if isinstance(o, Note) and o.code in CAUSES]
        assert begun == [code]


def test_a_search_of_a_region_that_was_withdrawn_before_odometry_holds_nobody_there(town) -> None:
    event, session = (
        GlobalStartEvent(region=WEST, heading=(1.0, 0.1)),
        Session(town, fast_settings()),
    )
    answers(session, [event])
    west = session._localizer.belief.state.pose[0, :, 0].max()
    (note,) = answers(session, [WithdrawEvent(request=event)])
    assert note.code is Code.STARTED
    answers(session, odometry(2))
    assert session._localizer.belief.state.pose[0, :, 0].max() > west + 50.0
    assert not answers(session, [WithdrawEvent(request=event)])  # it has begun


def test_region_and_heading_of_a_search_do_not_come_back_where_time_goes_back(town) -> None:
    """Both were of then: a bag's next lap begins as the settings have it."""
    session = Session(town, fast_settings())
    event = GlobalStartEvent(region=WEST, heading=(1.0, 0.1))
    answers(session, [*odometry(2, first_s=50.0), event])
    pose = session._localizer.belief.state.pose[0]
    west = pose[:, 0].max()
    assert pose[:, 2].sin().min() > -0.5
    answers(session, odometry(2))
    pose = session._localizer.belief.state.pose[0]
    assert pose[:, 0].max() > west + 50.0
    assert pose[:, 2].sin().min() < -0.9


@pytest.mark.parametrize("event", [GlobalStartEvent(), guess()])
def test_a_tracked_vehicle_is_tracked_again_when_a_search_is_cancelled(town, event: Event) -> None:
    """What odometry said since the last update before the search is not lost."""
    session = Session(town, fast_settings())
    answers(session, [*odometry(1), initial_pose()])
    before = estimates(answers(session, odometry(30, first_s=5.1)))[-1]
    answers(session, [event, *odometry(15, first_s=8.1, start=(30.0, 0.0, 0.0))])
    assert session._updates.claims.state is not State.TRACKING
    (note,) = notes(answers(session, [WithdrawEvent(request=event, back=True)]), Code.RESTORED)
    assert "before the search" in note.text
    driven = odometry(20, first_s=9.6, start=(45.0, 0.0, 0.0))
    after = estimates(answers(session, driven))[-1]
    assert after.state is State.TRACKING
    way = driven[-1].T_odom_base[0] - 29.0
    assert np.hypot(*(after.T_map_base - before.T_map_base)[:2]) == pytest.approx(way, abs=0.6)


def test_going_back_is_as_if_there_had_been_no_search(town) -> None:
    """Spread after 81 m: one step for the whole way would not turn the vehicle (12 % off)."""
    many = {"filter__particles_min": 2000, "filter__particles_max": 2000}
    settings = fast_settings(road__enabled=False, **many)
    way = odometry(81, first_s=8.1, start=(30.0, 0.0, 0.0))
    spreads = []
    for search in (None, GlobalStartEvent()):
        session = Session(town, settings)
        answers(session, [*odometry(1), initial_pose(), *odometry(30, first_s=5.1)])
        answers(session, [*([] if search is None else [search]), *way[:-1]])
        if search is not None:
            answers(session, [WithdrawEvent(request=search, back=True)])
        assert estimates(answers(session, way[-1:]))
        spreads.append(session._localizer.belief.state.pose[0].std(0).numpy())
    np.testing.assert_allclose(spreads[1], spreads[0], rtol=0.08)


def test_nobody_goes_back_beyond_a_place_that_a_search_has_found(town) -> None:
    """Found by the first search, unsure again: the second one does not lead back beyond it."""
    session = Session(town, fast_settings())
    told = answers(session, [*odometry(1), initial_pose(), *odometry(30, first_s=5.1)])
    here = InitialPoseEvent(
        stamp_ns=0,
        T_map_base=estimates(told)[-1].T_map_base,
        covariance=np.diag([0.5, 0.5, 0.05]) ** 2,
        told=False,
    )
    answers(session, [here])
    assert session._starts._left is not None
    found = answers(session, odometry(15, first_s=8.1, start=(30.0, 0.0, 0.0)))
    assert notes(found, Code.CONVERGED)
    assert session._starts._left is None
    session._updates.claims.begin(State.RECOVERING)  # and lost again
    second = GlobalStartEvent()
    answers(session, [second, *odometry(5, first_s=9.6, start=(45.0, 0.0, 0.0))])
    assert not notes(answers(session, [WithdrawEvent(request=second, back=True)]), Code.RESTORED)


@pytest.mark.parametrize(
    ("between", "back"),
    [
        ((), False),  # it ran out of time: the search goes on
        ((initial_pose(),), True),
        (odometry(110, first_s=8.1, start=(30.0, 0.0, 0.0)), True),
    ],
    ids=["out of time", "told meanwhile", "far away"],
)
def test_nobody_goes_back_to_a_belief_that_is_not_wanted_or_worth_nothing(
    town, between: Sequence[Event], back: bool
) -> None:
    session, event = Session(town, fast_settings(road__enabled=False)), GlobalStartEvent()
    answers(session, [*odometry(1), initial_pose(), *odometry(30, first_s=5.1), event, *between])
    assert not answers(session, [WithdrawEvent(request=event, back=back)])


def test_of_several_estimates_at_once_the_newest_is_the_answer(town) -> None:
    """Images that waited for odometry are answered together; the hypotheses are of the last."""
    event = initial_pose()
    asked = Asked(Session(town, fast_settings()), event)
    asked.handle([*odometry(1), event, *odometry(30, first_s=5.1)])
    first, last = asked.told[0], asked.told[-1]
    found: list[Found] = []
    told: list[Any] = []
    again = AskedSearch(event, 0.0, told.append, found.append)
    begun = Note(Code.INITIAL_POSE, Severity.INFO, "")
    again.take(event, (begun, dataclasses.replace(first, state=State.TRACKING), last))
    assert told == [last]


def test_a_vehicle_that_fits_nowhere_in_the_region_is_said_not_to_be_there(town) -> None:
    """A drive in a circle of 8 m radius fits no street; the whole map would be searched anew."""
    event = GlobalStartEvent(region=WEST)
    settings = fast_settings(**LOST_SOON)
    asked = Asked(Session(town, settings), event)
    asked.handle([*odometry(1), event])
    asked.handle(odometry(200, first_s=5.1, turn=1.0 / 8.0))
    assert not asked.outcome.found
    assert asked.outcome.text.startswith("it is not where it was looked for")


def test_over_the_whole_map_a_search_goes_on_when_it_has_to_begin_anew(town) -> None:
    event = GlobalStartEvent()
    settings = fast_settings(**LOST_SOON)
    asked = Asked(Session(town, settings), event)
    asked.handle([*odometry(1), event])
    circle = odometry(200, first_s=5.1, turn=1.0 / 8.0)
    seen = [output for step in circle for output in asked.said(step)]
    assert notes(seen, Code.LOST)
    assert not asked.found


def test_a_search_is_ended_once_and_told_no_more(town) -> None:
    event = GlobalStartEvent()
    asked = Asked(Session(town, fast_settings()), event)
    asked.handle([*odometry(2), event])
    asked.asking.give_up("enough")
    asked.search.give_up("again")
    told = len(asked.told)
    asked.handle(odometry(5, first_s=5.2, start=(2.0, 0.0, 0.0)))
    assert asked.outcome.text == "enough"
    assert len(asked.told) == told
    asked.search.take(event, ())
    assert len(asked.found) == 1


def test_those_who_wait_for_one_event_can_be_told_that_it_will_not_come(town) -> None:
    first, second = GlobalStartEvent(), GlobalStartEvent()
    asked = Asked(Session(town, fast_settings()), first)
    other: list[Found] = []
    asked.asking.follow(AskedSearch(second, 0.0, lambda estimate: None, other.append))
    assert asked.asking.keep(first)
    assert asked.asking.keep(second)
    assert not asked.asking.keep(odometry(1)[0])
    assert asked.outcome.text == REPLACED
    assert asked.asking.hand_over() == (second,)
    assert asked.asking.hand_over() == ()
    assert other == []
    asked.handle([*odometry(2), second])
    asked.asking.give_up("the end")
    assert [found.text for found in other] == ["the end"]
    assert len(asked.found) == 1


def test_a_request_that_was_withdrawn_is_kept_no_more() -> None:
    asking, event = Asking(), GlobalStartEvent()
    asking.keep(event)
    asking.withdraw(GlobalStartEvent())  # another one
    assert asking.hand_over() == (event,)
    asking.keep(event)
    asking.withdraw(event)
    assert asking.hand_over() == ()


def test_what_names_a_place_is_not_kept_over_a_change_of_the_map() -> None:
    told: list[Found] = []
    for event, stays in (
        (GlobalStartEvent(region=WEST), False),
        (initial_pose(), False),
        (GlobalStartEvent(), True),
    ):
        asking = Asking()
        asking.follow(AskedSearch(event, 0.0, lambda estimate: None, told.append))
        asking.keep(event)
        asking.change_map()
        assert asking.hand_over() == ((event,) if stays else ())
    assert [found.text for found in told] == [OTHER_MAP] * 2


# -- starts that are answered --------------------------------------------------------------------


def test_a_start_is_answered_with_the_belief_or_with_what_it_waits_for(town) -> None:
    said: list[Begun | str] = []
    session, event = Session(town, fast_settings()), initial_pose()
    follower, other = AskedStart(event, said.append), initial_pose()
    assert not follower.take(other, session.handle(other))
    assert follower.take(event, session.handle(event))
    assert said == [Begun()]
    answers(session, odometry(1))
    assert AskedStart(event, said.append).take(event, session.handle(event))
    assert isinstance(said[1], Begun)
    assert said[1].text == "restarted around the initial pose"
    assert said[1].estimate is not None
    assert math.hypot(*(said[1].estimate.T_map_base - ON_STREET)[:2]) < 0.2
    follower = AskedStart(event, said.append)
    follower.give_up("the node stops")
    follower.give_up("again")
    follower.take(event, ())
    assert said[2:] == ["the node stops"]


def test_a_pose_from_before_all_odometry_says_that_it_counts_as_of_now(town) -> None:
    session = Session(town, fast_settings())
    answers(session, odometry(3, first_s=50.0))
    (note,) = notes(session.handle(initial_pose(stamp_s=20.0)), Code.INITIAL_POSE)
    assert "no odometry reaches back to its stamp" in note.text
    (note,) = notes(session.handle(initial_pose(stamp_s=50.1)), Code.INITIAL_POSE)
    assert note.text == "restarted around the initial pose"
