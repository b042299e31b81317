"""Odometry from transforms: what moves, what carries the base, what is passed over."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mdps_ros.notes import Note
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.inputs.transform_odometry import TransformOdometry


def transform(parent: str, child: str, stamp_s: float, x: float, yaw: float = 0.0) -> Any:
    sec = int(stamp_s)
    stamp = SimpleNamespace(sec=sec, nanosec=round((stamp_s - sec) * 1e9))
    return SimpleNamespace(
        header=SimpleNamespace(frame_id=parent, stamp=stamp),
        child_frame_id=child,
        transform=SimpleNamespace(
            translation=SimpleNamespace(x=x, y=2.0, z=0.3),
            rotation=SimpleNamespace(x=0.0, y=0.0, z=math.sin(yaw / 2), w=math.cos(yaw / 2)),
        ),
    )


def reader(parents: dict[str, str], T_below: np.ndarray | None = None) -> TransformOdometry:
    return TransformOdometry("odom", "base_link", lambda: parents, lambda frame: T_below)


def test_the_base_right_below_the_odometry_frame() -> None:
    found = list(reader({}).events([transform("odom", "base_link", 5.5, 3.0, 0.4)]))
    ((event, velocity),) = found
    assert isinstance(event, OdometryEvent)
    assert event.stamp_ns == 5_500_000_000
    np.testing.assert_allclose(event.T_odom_base, [3.0, 2.0, 0.4], atol=1e-12)
    assert (velocity == 0.0).all()


def test_a_frame_that_carries_the_base_is_followed_once_the_tree_is_known() -> None:
    parents: dict[str, str] = {}
    T_footprint_base = np.eye(4)
    T_footprint_base[0, 3] = 1.0
    odometry = reader(parents, T_footprint_base)
    moving = [transform("odom", "footprint", 1.0, 3.0, math.pi / 2)]
    assert list(odometry.events(moving)) == []
    parents |= {"base_link": "middle", "middle": "footprint", "footprint": "odom", "odom": "map"}
    ((event, _),) = odometry.events(moving)
    np.testing.assert_allclose(event.T_odom_base, [3.0, 3.0, math.pi / 2], atol=1e-12)


def test_other_transforms_are_passed_over() -> None:
    odometry = reader({"base_link": "footprint", "footprint": "odom", "other": "odom"}, np.eye(4))
    others = [
        transform("map", "odom", 1.0, 3.0),
        transform("odom", "other", 1.0, 3.0),
        transform("base_link", "wheel", 1.0, 3.0),
    ]
    assert list(odometry.events(others)) == []
    assert list(reader({"base_link": "a", "a": "base_link"}).events(others)) == []  # a loop


def test_velocities_are_those_between_two_transforms_in_the_vehicles_frame() -> None:
    odometry = reader({})
    first = transform("/odom", "/base_link", 1.0, 3.0, math.pi)
    second = transform("odom", "base_link", 1.5, 2.0, math.pi)
    (_, (event, velocity)) = odometry.events([first, second])
    np.testing.assert_allclose(velocity, [2.0, 0.0, 0.0], atol=1e-12)
    ((again, still),) = odometry.events([second])
    assert again.stamp_ns == event.stamp_ns
    assert (still == 0.0).all()


@pytest.mark.parametrize("field", ["x", "w"])
def test_numbers_that_are_none_are_named(field: str) -> None:
    broken = transform("odom", "base_link", 1.0, 3.0)
    part = broken.transform.translation if field == "x" else broken.transform.rotation
    setattr(part, field, math.nan)
    ((note, _),) = reader({}).events([broken])
    assert isinstance(note, Note)
    assert "odom -> base_link" in note.text
