"""What is claimed, and where a lost vehicle is looked for."""

from __future__ import annotations

import numpy as np

from mdps_ros.notes import Code
from mdps_ros.runtime.events import SettingsEvent
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.recovery.claims import Claims, Standing
from mdps_ros.runtime.recovery.search import Recovery
from mdps_ros.runtime.session import Session
from mdps_ros.settings import RecoverySettings, with_values
from test.runtime.town import answers, estimates, fast_settings, initial_pose, notes, odometry

HERE = np.array([10.0, -20.0, 1.5])


def states(begin: State, held: list[bool]) -> list[State]:
    """Updates come every 10 m."""
    standing, found = Standing(begin), []
    for number, mass in enumerate(held):
        standing = standing.after(mass, 10.0 * number, 25.0, True)
        found.append(standing.state)
    return found


def test_a_search_over_the_map_claims_at_once() -> None:
    assert states(State.GLOBAL, [False, True, False, True]) == [
        State.GLOBAL, State.TRACKING, State.AMBIGUOUS, State.TRACKING,
    ]  # fmt: skip


def test_a_vehicle_that_was_lost_is_claimed_only_where_it_stays_found() -> None:
    searching = State.RECOVERING
    assert states(searching, [True] * 4) == [searching] * 3 + [State.TRACKING]
    held = [True, True, False, True, True, True, True]
    assert states(searching, held) == [searching] * 6 + [State.TRACKING]


def test_the_region_grows_with_the_travel_and_is_searched_once() -> None:
    recovery = Recovery(RecoverySettings(radius=50.0))
    assert recovery.lost(5.0) is None  # nothing was ever known
    assert not recovery.pending
    recovery.trust(HERE, 100.0)
    region = recovery.lost(130.0)
    assert region is not None
    np.testing.assert_array_equal(region.centre, HERE[:2])
    assert region.radius == 80.0
    assert (recovery.nearby, recovery.pending) == (True, True)
    for odometer in (150.0, 170.0):
        assert recovery.lost(odometer) is None
        assert (recovery.nearby, recovery.pending) == (False, True)
    recovery.trust(HERE, 200.0)
    assert not recovery.pending


def test_what_is_found_can_be_lost_again() -> None:
    recovery = Recovery(RecoverySettings(radius=50.0))
    recovery.trust(HERE, 100.0)
    assert recovery.lost(130.0) is not None
    recovery.trust(HERE + 1.0, 160.0)
    region = recovery.lost(160.0)
    assert region is not None
    assert region.radius == 50.0


def test_another_start_or_no_radius_means_the_whole_map() -> None:
    recovery = Recovery(RecoverySettings(radius=50.0))
    recovery.trust(HERE, 100.0)
    recovery.forget()
    assert recovery.lost(130.0) is None
    recovery = Recovery(RecoverySettings(radius=0.0))
    recovery.trust(HERE, 100.0)
    assert recovery.lost(130.0) is None


def test_other_limits_count_for_the_next_update_and_the_last_place_stays_known(town) -> None:
    session = Session(town, fast_settings(filter__lost_fit=-50.0, recovery__radius=10.0))
    session.handle(initial_pose())
    assert estimates(answers(session, odometry(20)))[-1].state is State.TRACKING
    wanted = with_values(session.settings, {"filter.lost_fit": -0.0, "recovery.radius": 77.0})
    session.handle(SettingsEvent(settings=wanted))
    (note,) = notes(answers(session, odometry(4, first_s=7.0, start=(20, 0, 0))), Code.LOST)[:1]
    assert 77.0 <= note.data["radius_m"] < 84.0


def test_a_stricter_test_by_images_counts_at_once(town) -> None:
    claims = Claims(fast_settings(recovery__contradiction=12.0))
    claims._doubt._against = 5.0
    assert not claims._worse(0.0, 1.0)
    claims.adopt(fast_settings(recovery__contradiction=4.0))
    assert claims._worse(0.0, 1.0)
