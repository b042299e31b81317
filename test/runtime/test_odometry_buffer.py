from __future__ import annotations

import math

import numpy as np
import pytest

from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer

SECOND = 1_000_000_000


def pose(x: float, y: float = 0.0, yaw: float = 0.0) -> np.ndarray:
    return np.array([x, y, yaw])


def filled(*samples: tuple[float, np.ndarray], span: float = 10.0) -> OdometryBuffer:
    buffer = OdometryBuffer(span)
    for seconds, value in samples:
        assert buffer.add(round(seconds * SECOND), value)
    return buffer


def test_a_new_buffer_has_nothing() -> None:
    buffer = OdometryBuffer(10.0)
    assert buffer.newest is None
    assert buffer.oldest_ns is None
    assert buffer.at(0) is None


def test_between_two_samples_it_interpolates_pose_and_travel() -> None:
    buffer = filled((1.0, pose(0.0)), (2.0, pose(3.0, 4.0, 0.5)), (4.0, pose(3.0, 10.0, 0.5)))
    sample = buffer.at(round(1.25 * SECOND))
    assert sample is not None
    np.testing.assert_allclose(sample.T_odom_base, [0.75, 1.0, 0.125])
    assert sample.travelled == pytest.approx(1.25)
    assert sample.stamp_ns == round(1.25 * SECOND)
    later = buffer.at(3 * SECOND)
    assert later is not None
    np.testing.assert_allclose(later.T_odom_base, [3.0, 7.0, 0.5])
    assert later.travelled == pytest.approx(5.0 + 3.0)


def test_at_a_sample_it_is_that_sample() -> None:
    first = pose(1.0, 2.0, 3.0)
    buffer = filled((1.0, first), (2.0, pose(5.0)))
    sample = buffer.at(SECOND)
    assert sample is not None
    np.testing.assert_array_equal(sample.T_odom_base, first)


@pytest.mark.parametrize(("before", "after"), [(3.1, -3.1), (-3.1, 3.1), (3.1, 3.1 + 4 * math.pi)])
def test_yaw_takes_the_short_way(before: float, after: float) -> None:
    buffer = filled((0.0, pose(0.0, 0.0, before)), (1.0, pose(0.0, 0.0, after)))
    turned = math.remainder(after - before, 2 * math.pi)
    for share in (0.25, 0.5, 0.9):
        sample = buffer.at(round(share * SECOND))
        assert sample is not None
        off = math.remainder(sample.T_odom_base[2] - before - share * turned, 2 * math.pi)
        assert off == pytest.approx(0.0, abs=1e-9)


def test_it_never_extrapolates() -> None:
    buffer = filled((1.0, pose(0.0)), (2.0, pose(1.0)))
    for stamp in (SECOND - 1, 2 * SECOND + 1, 0, 10**18, -1):
        assert buffer.at(stamp) is None


def test_one_sample_covers_only_its_own_stamp() -> None:
    buffer = filled((1.0, pose(7.0)))
    assert buffer.at(SECOND) is not None
    assert buffer.at(SECOND + 1) is None


@pytest.mark.parametrize("stamp", [2.0, 1.5, 1.0, 0.5])
def test_late_and_duplicate_samples_are_refused_and_change_nothing(stamp: float) -> None:
    buffer = filled((1.0, pose(0.0)), (2.0, pose(1.0)))
    assert not buffer.add(round(stamp * SECOND), pose(99.0))
    assert buffer.newest is not None
    np.testing.assert_array_equal(buffer.newest.T_odom_base, pose(1.0))
    middle = buffer.at(round(1.5 * SECOND))
    assert middle is not None
    assert middle.T_odom_base[0] == pytest.approx(0.5)
    assert buffer.add(3 * SECOND, pose(2.0))
    assert buffer.newest.travelled == pytest.approx(2.0)


def test_travel_is_the_length_of_the_path_and_not_of_the_turns() -> None:
    corners = [pose(0.0), pose(3.0, 0.0, 9.0), pose(3.0, 4.0, -9.0), pose(0.0, 0.0)]
    buffer = filled(*((float(i), corner) for i, corner in enumerate(corners)))
    assert buffer.newest is not None
    assert buffer.newest.travelled == pytest.approx(12.0)


def test_memory_is_bounded_and_the_span_is_kept() -> None:
    """200 s at 100 Hz with 2 s kept: never more than the span and a constant."""
    buffer, most = OdometryBuffer(2.0), 0
    for i in range(20_000):
        buffer.add(i * SECOND // 100, pose(0.01 * i))
        most = max(most, len(buffer._samples))
        assert buffer.newest is not None
        assert buffer.oldest_ns is not None
        kept = buffer.newest.stamp_ns - buffer.oldest_ns
        assert kept >= min(2 * SECOND, i * SECOND // 100)
    assert most < 200 + 300
    assert len(buffer._samples) == len(buffer._stamps)
    middle = buffer.at(buffer.newest.stamp_ns - SECOND // 200)
    assert middle is not None
    assert middle.travelled == pytest.approx(0.01 * 19_998.5)


def test_cleared_it_starts_anew_and_takes_older_stamps() -> None:
    buffer = filled((5.0, pose(1.0)), (6.0, pose(9.0)))
    buffer.clear()
    assert buffer.newest is None
    assert buffer.oldest_ns is None
    assert buffer.add(SECOND, pose(100.0))
    assert buffer.newest is not None
    assert buffer.newest.travelled == 0.0


def test_asking_changes_no_sample() -> None:
    first, second = pose(0.0, 0.0, 3.0), pose(1.0, 0.0, -3.0)
    buffer = filled((0.0, first), (1.0, second))
    buffer.at(SECOND // 2)
    np.testing.assert_array_equal(first, pose(0.0, 0.0, 3.0))
    np.testing.assert_array_equal(second, pose(1.0, 0.0, -3.0))
