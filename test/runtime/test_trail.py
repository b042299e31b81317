"""The way of the vehicle: what the filter said, and what smoothers made of it since."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from mdps_ros.runtime.outputs import Mode, PoseEstimate, SmoothedTrajectory, State
from mdps_ros.runtime.watching import trail
from mdps_ros.runtime.watching.trail import Trail

ESTIMATE = PoseEstimate(
    stamp_ns=0,
    T_map_base=np.zeros(3),
    covariance=np.eye(3),
    modes=(Mode(T_map_base=np.zeros(3), covariance=np.eye(3), mass=0.75),),
    state=State.TRACKING,
    particles=10,
    effective_particles=5.0,
    travelled=1.0,
    scale=(0.0, 0.0),
    yaw_bias=(0.0, 0.0),
    measurements=(),
)


def filtered(*stamps: int) -> Trail:
    made = Trail()
    for stamp in stamps:
        made.add(dataclasses.replace(ESTIMATE, stamp_ns=stamp, T_map_base=np.full(3, stamp)))
    return made


def smoothed(stamps: list[int], shift: float, revision: int = 1) -> SmoothedTrajectory:
    count = len(stamps)
    return SmoothedTrajectory(
        stamps_ns=np.array(stamps),
        T_map_base=np.array(stamps, float)[:, None] + shift + np.zeros(3),
        covariance=np.tile(np.eye(3), (count, 1, 1)),
        mass=np.full(count, 0.5),
        smoothed=np.arange(count) < count - 1,
        final=np.arange(count) == 0,
        revision=revision,
        belief=1,
    )


def test_poses_between_two_times_come_oldest_first() -> None:
    way = filtered(10, 20, 30, 40)
    assert [pose.stamp_ns for pose in way.between(15, 30, False)] == [20, 30]
    assert [pose.stamp_ns for pose in way.between(0, 0, False)] == [10, 20, 30, 40]
    assert way.between(41, 0, False) == ()
    assert way.between(30, 20, False) == ()
    (first, *_) = way.between(10, 10, False)
    assert (first.mass, first.smoothed, first.final) == (0.75, False, True)
    assert Trail().between(0, 0, True) == ()


def test_the_last_word_of_the_smoother_counts_and_else_the_filter_s() -> None:
    way = filtered(10, 20, 30, 40)
    way.smooth(smoothed([10, 20, 30], shift=0.5))
    way.smooth(smoothed([20, 30, 40], shift=0.25, revision=2))
    way.add(dataclasses.replace(ESTIMATE, stamp_ns=50))
    poses = way.between(0, 0, True)
    assert [pose.stamp_ns for pose in poses] == [10, 20, 30, 40, 50]
    assert [float(pose.T_map_base[0]) for pose in poses] == [10.5, 20.25, 30.25, 40.25, 0.0]
    assert [pose.smoothed for pose in poses] == [True, True, True, False, False]
    assert [float(p.T_map_base[0]) for p in way.between(0, 40, False)] == [10, 20, 30, 40]


def test_it_tells_how_far_hindsight_moved_a_pose() -> None:
    way = filtered(10, 20, 30)
    told = way.smooth(smoothed([5, 10, 20, 30], shift=3.0))
    assert math.isnan(told[0].moved)  # the filter's word of that frame is gone
    assert [pose.moved for pose in told[1:]] == [math.hypot(3.0, 3.0)] * 2 + [0.0]
    assert [pose.moved for pose in way.between(10, 20, True)] == [math.hypot(3.0, 3.0)] * 2
    assert [pose.moved for pose in way.between(10, 20, False)] == [0.0, 0.0]


def test_what_a_smoother_has_still_to_see_is_not_final() -> None:
    way = Trail(smoothing=True)
    for stamp in (10, 20, 30, 40):
        way.add(dataclasses.replace(ESTIMATE, stamp_ns=stamp))
    way.smooth(smoothed([20, 30], shift=0.5))  # 20 is final; 10 was left out
    assert [p.final for p in way.between(0, 0, True)] == [True, True, False, False]
    assert all(p.final for p in way.between(0, 0, False))


def test_a_walk_that_ends_after_all_was_forgotten_leaves_nothing() -> None:
    way = filtered(10, 20, 30)
    way.forget()
    way.add(dataclasses.replace(ESTIMATE, stamp_ns=5))
    way.smooth(smoothed([10, 20, 30], shift=0.5))
    assert [p.stamp_ns for p in way.between(0, 0, True)] == [5]


def test_poses_do_not_keep_their_trajectories() -> None:
    way = filtered(10, 20)
    (first, second) = way.smooth(smoothed([10, 20], shift=0.5))
    assert first.T_map_base.base is None
    assert second.covariance.base is None


def test_what_is_remembered_is_bounded_and_can_be_forgotten(monkeypatch) -> None:
    monkeypatch.setattr(trail, "MOST", 3)
    way = filtered(10, 20, 30, 40, 50)
    assert [pose.stamp_ns for pose in way.between(0, 0, False)] == [30, 40, 50]
    way.smooth(smoothed([30, 40, 50, 60], shift=0.0))
    assert [pose.stamp_ns for pose in way.between(0, 0, True)] == [30, 40, 50, 60]
    way.forget()
    assert way.between(0, 0, True) == ()
