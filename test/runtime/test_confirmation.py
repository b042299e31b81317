"""Where a search has ended, images confirm the place before it is claimed."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample
from mdps_ros.runtime.outputs import Mode, PoseEstimate, State, TransformEstimate
from mdps_ros.runtime.recovery.claims import Claims
from mdps_ros.runtime.recovery.confirmation import Confirmation
from mdps_ros.runtime.summary import Summary
from mdps_ros.settings import RecoverySettings, Settings, with_values

LIMITS = RecoverySettings(confirmation=4.0, confirm_distance=40.0)


def claims_after(support: list[float], asked: list[bool], step_m: float = 5.0) -> list[bool]:
    """What a search whose place holds the mass all the time may claim, update by update."""
    wanted, answers = Confirmation(open=True), []
    for number, (evidence, image) in enumerate(zip(support, asked, strict=True)):
        if image:
            wanted.look()
        answers.append(wanted.after(True, evidence, number * step_m, LIMITS))
    return answers


def test_a_place_is_claimed_once_images_have_said_enough_and_stays_claimed() -> None:
    support = [0.0, 2.0, 3.9, 4.0, 1.0]
    assert claims_after(support, [True] * 5) == [False, False, False, True, True]


def test_roads_alone_claim_at_once() -> None:
    assert claims_after([0.0, 0.0], [False, False]) == [True, True]


def test_travel_counts_only_where_images_have_fallen_silent() -> None:
    asked = [True] * 10 + [False]
    assert claims_after([1.0] * 11, asked) == [False] * 10 + [True]
    asked = [True] * 4 + [False] * 6
    assert claims_after([1.0] * 10, asked) == [False] * 8 + [True] * 2  # 40 m


def test_what_was_told_needs_no_confirmation() -> None:
    wanted = Confirmation(open=False)
    wanted.look()
    assert wanted.after(True, -9.0, 0.0, LIMITS)


def summary(mass: float) -> Summary:
    """Of a belief with one hypothesis, at the origin."""
    mode = Mode(T_map_base=np.zeros(3), covariance=np.eye(3), mass=mass)
    return Summary(np.zeros(3), np.eye(3), (mode,), 100, 50.0, (0.0, 0.0), (0.0, 0.0), 0.0)


class Speaking:
    """Evidence that grows by a step per image, in place of an image's."""

    def __init__(self, per_image: float) -> None:
        self.per_image, self.support, self.against = per_image, 0.0, 0.0

    def look(self, *_: object, alarms: bool = True) -> None:
        self.support += self.per_image

    def forget(self) -> None:
        self.support = 0.0

    lapse = forget


def drive(
    told: bool, masses: list[float], per_image: float = 1.5, claim_mass: float = 0.9
) -> list[tuple[State, float]]:
    """State and told mass at updates every 5 m, with an image each."""
    wanted = {"estimate.claim_mass": claim_mass, "recovery.confirmation": LIMITS.confirmation}
    settings = with_values(Settings(), wanted)
    claims, found = Claims(settings), []
    claims._doubt = Speaking(per_image)
    claims.begin(told=told)
    for number, mass in enumerate(masses):
        claims.look(None, None, 1.0, None)
        now = OdometrySample(number, np.zeros(3), 5.0 * number)
        outputs = claims.report(now, summary(mass), 0.0, 5.0 * number, ("camera",))
        estimate = next(o for o in outputs if isinstance(o, PoseEstimate))
        tracked = any(isinstance(o, TransformEstimate) for o in outputs)
        assert tracked == (estimate.state is State.TRACKING)
        found.append((estimate.state, estimate.modes[0].mass))
    return found


def test_a_found_place_is_told_with_less_mass_until_it_is_confirmed() -> None:
    less = (State.GLOBAL, pytest.approx(0.8))
    # the first update claims nothing yet, so its image is not asked: 0, 1.5, 3, 4.5 nats
    assert drive(False, [1.0] * 5) == [
        less,
        less,
        less,
        (State.TRACKING, 1.0),
        (State.TRACKING, 1.0),
    ]


@pytest.mark.parametrize("claim_mass", [0.5, 0.7, 0.95])
def test_no_claim_is_told_before_it_is_confirmed_whatever_it_needs(claim_mass: float) -> None:
    told = drive(False, [1.0] * 4, claim_mass=claim_mass)
    assert all(mass < claim_mass for state, mass in told if state is State.GLOBAL)
    assert told[-1] == (State.TRACKING, 1.0)


def test_a_place_that_was_told_is_claimed_at_once() -> None:
    assert drive(True, [1.0, 1.0]) == [(State.TRACKING, 1.0)] * 2


def test_what_spoke_for_one_place_does_not_speak_for_the_next() -> None:
    states = [state for state, _ in drive(False, [1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 1.0])]
    assert states == [State.GLOBAL] * 6 + [State.TRACKING]


def test_a_mass_that_claims_nothing_is_told_as_it_is() -> None:
    assert drive(False, [0.7, 0.85]) == [(State.GLOBAL, 0.7), (State.GLOBAL, 0.85)]


def test_a_claim_that_was_confirmed_may_split_and_come_back_at_once() -> None:
    states = [state for state, _ in drive(False, [1.0, 1.0, 1.0, 1.0, 0.5, 1.0])]
    assert states[3:] == [State.TRACKING, State.AMBIGUOUS, State.TRACKING]


def test_nothing_is_asked_for_where_it_is_switched_off() -> None:
    off = dataclasses.replace(LIMITS, confirmation=0.0)
    wanted = Confirmation(open=True)
    wanted.look()
    assert wanted.after(True, 0.0, 0.0, off)
