"""A jump is told exactly when the claim changes by more than the motion explains."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.frames import compose, inverse
from mdps_ros.runtime.jumps import CAUSES, Cause, JumpWatch, PoseJump
from mdps_ros.runtime.outputs import Mode, PoseEstimate, State, TransformEstimate
from mdps_ros.runtime.session import Session
from mdps_ros.settings import EstimateSettings
from test.runtime.town import answers, fast_settings, initial_pose, odometry

REACH = EstimateSettings(mode_radius=5.0, mode_yaw=0.8)


def claim(watch: JumpWatch, T_map_base, T_odom_base, stamp_ns: int = 7) -> PoseJump | None:
    """What the watch says to a claim at this odometry."""
    pose = np.array(T_map_base, dtype=np.float64)
    estimate = PoseEstimate(
        stamp_ns=stamp_ns,
        T_map_base=pose,
        covariance=np.eye(3),
        modes=(Mode(T_map_base=pose, covariance=np.eye(3), mass=1.0),),
        state=State.TRACKING,
        particles=1,
        effective_particles=1.0,
        travelled=0.0,
        scale=(0.0, 0.0),
        yaw_bias=(0.0, 0.0),
        measurements=(),
    )
    assert watch.see(estimate) is None
    T_map_odom = compose(pose, inverse(np.array(T_odom_base, dtype=np.float64)))
    return watch.see(TransformEstimate(stamp_ns=stamp_ns, T_map_odom=T_map_odom))


def test_the_first_claim_is_a_start_without_a_before() -> None:
    jump = claim(JumpWatch(REACH), [1, 2, 3], [0, 0, 0])
    assert jump is not None
    assert (jump.cause, jump.before, jump.count) == (Cause.STARTED, None, 1)
    np.testing.assert_array_equal(jump.after, [1, 2, 3])


def test_motion_is_no_jump_and_a_correction_is_none() -> None:
    watch = JumpWatch(REACH)
    claim(watch, [0, 0, 0], [50, 9, 1])
    there = compose(np.zeros(3), compose(inverse(np.array([50, 9, 1.0])), np.array([80, 9, 2.0])))
    assert claim(watch, there, [80, 9, 2]) is None
    assert claim(watch, there + np.array([3.5, 3.5, 0]), [80, 9, 2]) is None
    assert claim(watch, there + np.array([3.5, 3.5, 0.7]), [80, 9, 2]) is None


@pytest.mark.parametrize("step", [(5.1, 0, 0), (0, 0, 0.9), (-4, 4, 0)])
def test_another_place_at_the_same_odometry_is_a_switch(step) -> None:
    watch = JumpWatch(REACH)
    claim(watch, [10, 20, 0.5], [3, 4, 0.1])
    moved = compose(np.array([3, 4, 0.1]), np.array([2.0, 0.0, 0.2]))
    expected = compose(np.array([10, 20, 0.5]), np.array([2.0, 0.0, 0.2]))
    jump = claim(watch, expected + np.array(step), moved, stamp_ns=99)
    assert jump is not None
    assert (jump.cause, jump.stamp_ns, jump.count) == (Cause.SWITCHED, 99, 2)
    np.testing.assert_allclose(jump.before, expected, atol=1e-12)
    np.testing.assert_allclose(jump.after, expected + np.array(step))


@pytest.mark.parametrize("code", list(CAUSES))
def test_a_new_belief_names_its_cause_however_small_the_step(code: Code) -> None:
    watch = JumpWatch(REACH)
    claim(watch, [0, 0, 0], [0, 0, 0])
    watch.see(Note(code, Severity.INFO, "x"))
    watch.see(Note(Code.IMAGE_DROPPED, Severity.WARN, "x"))
    jump = claim(watch, [0.1, 0, 0], [0, 0, 0])
    assert jump is not None
    assert jump.cause is CAUSES[code]
    assert claim(watch, [0.1, 0, 0], [0, 0, 0]) is None


def test_a_drive_with_a_new_pose_in_it_jumps_twice(town) -> None:
    session, watch = Session(town, fast_settings()), JumpWatch(REACH)
    track = odometry(60)
    outputs = answers(session, track[:1])
    outputs += session.handle(initial_pose())
    outputs += answers(session, track[1:30])
    outputs += session.handle(initial_pose(np.array([50.0, 18.5, 0.0])))
    outputs += answers(session, track[30:])
    jumps = [jump for jump in map(watch.see, outputs) if jump is not None]
    assert [jump.cause for jump in jumps] == [Cause.INITIAL_POSE, Cause.INITIAL_POSE]
    assert jumps[0].before is None
    before = jumps[1].before
    assert before is not None
    assert before[0] == pytest.approx(-140 + 29, abs=3)
    assert dataclasses.asdict(jumps[1])["count"] == 2


def test_another_reach_counts_for_the_next_claim() -> None:
    watch = JumpWatch(REACH)
    claim(watch, [0, 0, 0], [0, 0, 0])
    watch.adopt(EstimateSettings(mode_radius=9.0, mode_yaw=0.8))
    assert claim(watch, [8, 0, 0], [0, 0, 0]) is None
    watch.adopt(REACH)
    assert claim(watch, [16, 0, 0], [0, 0, 0]) is not None
