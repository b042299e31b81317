"""A vehicle that is carried off is missed, looked for and found again; one that is not is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from mdps_ros.notes import Code, Severity
from mdps_ros.runtime.outputs import Output, State, TransformEstimate
from test.runtime.kidnaps import World, drive, errors, floor_world, join, run, street_world
from test.runtime.town import fast_settings, notes

SETTINGS = {
    "filter__particles_max": 12_000,
    "filter__particles_min": 300,
    "filter__start_spacing": 0.5,
    "filter__lost_fit": -2.5,
    "depth__enabled": True,
    "depth__points": 128,
}
FLOOR = SETTINGS | {
    "filter__start_spacing": 1.0,
    "depth__decorrelation": 6.0,
    "recovery__radius": 60.0,
}
RIGHT_M = 5.0


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> World:
    return street_world(tmp_path_factory.mktemp("streets"))


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> World:
    return floor_world(tmp_path_factory.mktemp("floor"))


def check_recovery(outputs: Sequence[Output], said: list, carried_ns: int) -> None:
    """Right, then carried off, then lost, then right and claimed again; never both."""
    states = [(estimate.state, error) for estimate, error in said]
    before = [error for estimate, error in said if estimate.stamp_ns < carried_ns]
    assert max(before) < RIGHT_M
    alarms = [i for i, (state, _) in enumerate(states) if state is State.LOST]
    assert said[alarms[0]][0].stamp_ns > carried_ns
    assert len(notes(outputs, Code.LOST)) == len(alarms)
    found = [i for i in range(alarms[-1], len(states)) if states[i][0] is State.TRACKING]
    assert len(found) > 10
    assert max(error for state, error in states[alarms[0] :] if state is State.TRACKING) < RIGHT_M
    assert np.median([error for _, error in states[-10:]]) < 2.0
    claimed = {o.stamp_ns for o in outputs if isinstance(o, TransformEstimate)}
    assert claimed == {e.stamp_ns for e, _ in said if e.state is State.TRACKING}


def test_a_vehicle_carried_300_m_through_a_town_is_found_again(streets) -> None:
    first = drive(streets, 150.0, 0)
    second = drive(streets, 450.0, 1000, (first.drive.poses[-1, :2], 300.0))
    joined = join([first, second])
    outputs = run(streets, joined, fast_settings(**SETTINGS, runtime__seed=0))
    said = errors(outputs, joined)
    check_recovery(outputs, said, joined.begins_ns[1])
    lost = notes(outputs, Code.LOST)[0]
    assert lost.severity is Severity.WARN
    assert lost.data["radius_m"] >= 100.0
    searching = [e for e, _ in said if e.state is State.RECOVERING]
    assert searching
    assert max(e.modes[0].mass for e in searching) > 0.9  # found, but not believed at once


def test_a_vehicle_carried_over_a_floor_without_streets_is_found_again(floor) -> None:
    first = drive(floor, 150.0, 4)
    second = drive(floor, 700.0, 1004, (first.drive.poses[-1, :2], 80.0))
    joined = join([first, second])
    outputs = run(floor, joined, fast_settings(**FLOOR, runtime__seed=4))
    check_recovery(outputs, errors(outputs, joined), joined.begins_ns[1])


@pytest.mark.parametrize("world", ["streets", "floor"])
def test_vehicles_that_are_where_they_are_claimed_to_be_are_not_called_lost(
    world: str, request: pytest.FixtureRequest
) -> None:
    """No alarm in 5 drives of 150 m: at most 45 % of such drives have one, at 95 % confidence.

    1 - 0.05^(1 / 5) = 0.45 (Clopper and Pearson, Biometrika 26, 1934).
    """
    place = request.getfixturevalue(world)
    settings = (FLOOR if world == "floor" else SETTINGS) | {"filter__particles_max": 1500}
    for seed in range(5):
        joined = join([drive(place, 150.0, 50 + seed)])
        outputs = run(place, joined, fast_settings(**settings, runtime__seed=seed))
        assert not notes(outputs, Code.LOST)
        said = errors(outputs, joined)
        assert len(said) > 30
        assert np.median([error for _, error in said]) < 2.0
