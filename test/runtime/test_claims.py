"""What is claimed, and where a lost vehicle is looked for."""

from __future__ import annotations

import numpy as np

from mdps_ros.runtime.claims import Standing
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.recovery import Recovery
from mdps_ros.settings import RecoverySettings

HERE = np.array([10.0, -20.0, 1.5])


def states(begin: State, held: list[bool]) -> list[State]:
    """Updates come every 10 m."""
    standing, found = Standing(begin), []
    for number, mass in enumerate(held):
        standing = standing.after(mass, 10.0 * number, 25.0)
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
