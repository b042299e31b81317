"""Velocities become odometry, exactly on arcs."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.inputs.twist import TwistOdometry


def at(seconds: float) -> Any:
    sec, nanosec = divmod(round(seconds * 1e9), 10**9)
    return SimpleNamespace(stamp=SimpleNamespace(sec=sec, nanosec=nanosec), frame_id="base_link")


def twist(x: float, y: float, yaw: float) -> Any:
    linear = SimpleNamespace(x=x, y=y, z=0.0)
    return SimpleNamespace(linear=linear, angular=SimpleNamespace(x=0.0, y=0.0, z=yaw))


def pose(found: OdometryEvent | Note) -> np.ndarray:
    assert isinstance(found, OdometryEvent)
    return found.T_odom_base


@pytest.mark.parametrize("rate_hz", [5, 50])
def test_a_steady_turn_is_a_circle(rate_hz: int) -> None:
    """Radius 10 m, once around in 2 pi s: exact at any rate."""
    made = TwistOdometry()
    period = 1.0 / rate_hz
    steps = round(math.pi * rate_hz)
    for i in range(steps + 1):
        found = pose(made.event(at(100 + i * period), twist(10.0, 0.0, 1.0)))
    angle = steps * period
    expected = [10 * math.sin(angle), 10 * (1 - math.cos(angle)), math.remainder(angle, math.tau)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_speeding_up_takes_the_mean_and_sideways_counts() -> None:
    made = TwistOdometry()
    assert not pose(made.event(at(1.0), twist(0.0, 0.0, 0.0))).any()
    found = pose(made.event(at(1.5), twist(4.0, -1.0, 0.0)))
    np.testing.assert_allclose(found, [1.0, -0.25, 0.0])


def test_late_and_repeated_messages_change_nothing_but_a_new_run_starts_anew() -> None:
    made = TwistOdometry()
    made.event(at(10.0), twist(2.0, 0.0, 0.0))
    before = pose(made.event(at(11.0), twist(2.0, 0.0, 0.0)))
    for late in (11.0, 10.5, 10.01):
        np.testing.assert_array_equal(pose(made.event(at(late), twist(9.0, 0, 0))), before)
    np.testing.assert_allclose(pose(made.event(at(12.0), twist(2.0, 0, 0))), [4.0, 0, 0])
    assert not pose(made.event(at(3.0), twist(2.0, 0, 0))).any()


@pytest.mark.parametrize("values", [(math.nan, 0, 0), (0, math.inf, 0), (0, 0, 1e9)])
def test_a_velocity_that_is_none_is_a_note(values: tuple[float, float, float]) -> None:
    made = TwistOdometry()
    made.event(at(1.0), twist(1.0, 0, 0))
    found = made.event(at(2.0), twist(*values))
    assert isinstance(found, Note)
    assert found.code is Code.BAD_MESSAGE
    np.testing.assert_allclose(pose(made.event(at(3.0), twist(1.0, 0, 0))), [2.0, 0, 0])
