"""What an update costs, by a clock that is handed in."""

from __future__ import annotations

import itertools

import pytest

from mdps_ros.runtime.session import Session
from mdps_ros.runtime.stopwatch import Stopwatch
from test.runtime.town import answers, estimates, fast_settings, images, initial_pose, odometry


def test_stages_come_in_order_and_add_up() -> None:
    watch = Stopwatch()
    watch.clock = itertools.count(0.0, 2.0).__next__
    for name in ("first", "second", "first"):
        with watch.stage(name):
            pass
    assert list(watch.take().items()) == [("first", 4.0), ("second", 2.0)]
    assert watch.take() == {}
    with pytest.raises(ZeroDivisionError), watch.stage("broken"):
        raise ZeroDivisionError
    assert watch.take() == {"broken": 2.0}


def test_without_a_clock_nothing_is_timed() -> None:
    watch = Stopwatch()
    with watch.stage("any"):
        pass
    assert watch.take() == {}


def test_a_session_times_the_stages_of_an_update_once_it_has_a_clock(town) -> None:
    session = Session(town, fast_settings(depth__enabled=True))
    answers(session, [*odometry(1), initial_pose()])
    assert session.stopwatch.take() == {}
    session.stopwatch.clock = itertools.count().__next__
    drive = sorted([*odometry(30, first_s=5.1), *images([5.5])], key=lambda event: event.stamp_ns)
    assert estimates(answers(session, drive))
    stages = session.stopwatch.take()
    assert list(stages)[:2] == ["look at the image", "move and weigh"]
    assert {"smooth", "summarise"} <= set(stages)
    assert all(value >= 1 for value in stages.values())
