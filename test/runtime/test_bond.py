"""The protocol of a bond, step by step; times in seconds are the test's own."""

from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.runtime.bond import PARTING_PERIOD_S, PARTING_S, SILENCE_S, Bond, Phase

PERIOD = 0.25


def formed(now=10.0):
    bond = Bond(PERIOD, now)
    assert bond.say(now) is True
    assert not bond.hear(True, now)
    assert bond.phase is Phase.FORMED
    return bond


def said(bond, begin, end, step=0.01):
    """(time, what) of all that is said between two times."""
    count = round((end - begin) / step)
    moments = [round(begin + number * step, 6) for number in range(count)]
    words = [(moment, bond.say(moment)) for moment in moments]
    return [(moment, word) for moment, word in words if word is not None]


def test_heartbeats_come_once_a_period_and_the_first_one_at_once():
    bond = Bond(PERIOD, 10.0)
    assert [moment for moment, _ in said(bond, 10.0, 11.0)] == [10.0, 10.25, 10.5, 10.75]
    assert bond.wait_s(10.9) == pytest.approx(0.1)
    assert bond.phase is Phase.WAITING


def test_a_partner_that_is_heard_forms_the_bond_and_keeps_it_for_some_time():
    bond = formed()
    assert bond.say(10.0 + SILENCE_S - 0.1) is True
    assert bond.phase is Phase.FORMED
    assert bond.say(10.0 + SILENCE_S + 0.3) is True  # it goes on
    assert bond.phase is Phase.WAITING
    bond.hear(True, 15.0)
    assert bond.phase is Phase.FORMED


def test_a_partner_that_goes_is_answered_once_and_waited_for_again():
    bond = formed()
    assert bond.hear(False, 11.0)
    assert bond.phase is Phase.WAITING
    assert not bond.hear(False, 11.05)
    assert bond.say(11.1) is True


def test_the_farewell_of_somebody_before_us_does_not_matter():
    bond = Bond(PERIOD, 10.0)
    assert not bond.hear(False, 10.0)
    assert bond.phase is Phase.WAITING


def test_a_farewell_is_repeated_until_it_is_answered():
    bond = formed()
    bond.part(11.0)
    words = said(bond, 11.0, 11.12)
    assert [word for _, word in words] == [False] * 3
    np.testing.assert_allclose([m for m, _ in words], [11.0, 11.05, 11.1], atol=0.011)
    assert not bond.hear(True, 11.12)  # it has not understood yet
    assert bond.phase is Phase.PARTING
    bond.hear(False, 11.13)
    assert bond.phase is Phase.OVER
    assert bond.say(12.0) is None
    assert bond.wait_s(12.0) is None


def test_a_farewell_that_nobody_answers_ends_by_itself():
    bond = formed()
    bond.part(11.0)
    words = said(bond, 11.0, 11.0 + 2.0 * PARTING_S)
    assert {word for _, word in words} == {False}
    assert words[-1][0] == pytest.approx(11.0 + PARTING_S, abs=2.0 * PARTING_PERIOD_S)
    assert bond.phase is Phase.OVER


def test_where_nobody_ever_came_one_farewell_is_enough():
    bond = Bond(PERIOD, 10.0)
    assert bond.say(10.0) is True
    bond.part(10.1)
    assert said(bond, 10.1, 11.0) == [(10.1, False)]
    assert bond.phase is Phase.OVER
    bond.part(12.0)  # safe to repeat
    assert bond.say(12.0) is None
