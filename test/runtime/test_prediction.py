"""Between two estimates the pose follows the odometry, and its covariance the motion model."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch

from mdps_ros.models import motion
from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import OdometryEvent
from mdps_ros.runtime.frames import compose, inverse
from mdps_ros.runtime.jumps import CAUSES
from mdps_ros.runtime.outputs import PoseEstimate, State, TransformEstimate
from mdps_ros.runtime.prediction import PredictedPose, Predictor
from mdps_ros.runtime.session import Session
from mdps_ros.settings import MotionSettings
from test.runtime.town import SECOND, fast_settings, initial_pose, odometry

MOTION = MotionSettings(scale_walk=0.0, yaw_bias_walk=0.0, quality_distance=1e6)
START = np.array([10.0, 20.0, 0.7])
ODOM = np.array([-3.0, 4.0, -1.1])


def estimate(state: State = State.TRACKING) -> PoseEstimate:
    covariance = np.array([[0.3, 0.1, 0.01], [0.1, 0.4, -0.01], [0.01, -0.01, 0.01]])
    return PoseEstimate(
        stamp_ns=5 * SECOND,
        T_map_base=START,
        covariance=covariance,
        modes=(),
        state=state,
        particles=1,
        effective_particles=1.0,
        travelled=0.0,
        scale=(0.0, MOTION.scale_sd),
        yaw_bias=(0.0, MOTION.yaw_bias_sd),
        measurements=(),
    )


def tracking(rate_hz: float = 50.0) -> Predictor:
    predictor = Predictor(MOTION, rate_hz)
    predictor.see(estimate())
    T_map_odom = compose(START, inverse(ODOM))
    predictor.see(TransformEstimate(stamp_ns=5 * SECOND, T_map_odom=T_map_odom))
    return predictor


def sample(step: tuple[float, float, float], after_s: float) -> OdometryEvent:
    stamp = round((5 + after_s) * SECOND)
    return OdometryEvent(stamp_ns=stamp, T_odom_base=compose(ODOM, np.array(step)))


def test_it_follows_the_odometry() -> None:
    pose = tracking().predict(sample((2.0, 0.5, 0.3), 0.4))
    assert pose is not None
    assert pose.stamp_ns == round(5.4 * SECOND)
    np.testing.assert_allclose(pose.T_map_base, compose(START, np.array([2.0, 0.5, 0.3])))


def test_without_motion_nearly_nothing_grows() -> None:
    pose = tracking().predict(sample((0.0, 0.0, 0.0), 0.0))
    assert pose is not None
    np.testing.assert_allclose(pose.covariance, estimate().covariance, atol=1e-9)


@pytest.mark.parametrize("step", [(20.0, 0.0, 0.0), (0.0, 0.0, 1.0), (3.0, -1.0, 0.4)])
def test_the_covariance_is_that_of_particles_that_the_filter_moves(step) -> None:
    """The particles' own moments, within five standard errors and the linearisation."""
    pose = tracking().predict(sample(step, 2.0))
    assert pose is not None
    count, draw = 200_000, torch.Generator().manual_seed(0)
    start = np.random.default_rng(0).multivariate_normal(
        START, estimate().covariance, count, method="cholesky"
    )
    state = motion.start_state(torch.from_numpy(start)[None].float(), MOTION, draw)
    control = motion.Control(
        increment=torch.tensor([step], dtype=torch.float64),
        distance=torch.tensor([math.hypot(*step[:2])]),
        dt=torch.tensor([2.0]),
    )
    moved = motion.propagate(state, control, MOTION, draw).pose[0].double().numpy()
    truth = np.cov(moved.T)
    scale = np.sqrt(np.diag(truth))
    error = (pose.covariance - truth) / np.outer(scale, scale)
    assert np.abs(error).max() < 5 / math.sqrt(count) + 0.02


@pytest.mark.parametrize(
    ("odometry_hz", "rate_hz", "expected"),
    [(100, 50.0, 50), (60, 50.0, 50), (20, 50.0, 20), (100, 7.0, 7), (100, 0.0, 0)],
)
def test_the_rate_is_bounded_and_kept(odometry_hz: int, rate_hz: float, expected: int) -> None:
    predictor = tracking(rate_hz)
    events = [sample((0.0, 0.0, 0.0), i / odometry_hz) for i in range(10 * odometry_hz)]
    poses = [pose for pose in map(predictor.predict, events) if pose is not None]
    assert abs(len(poses) - 10 * expected) <= 1
    stamps = [pose.stamp_ns for pose in poses]
    assert set(stamps) <= {event.stamp_ns for event in events}
    assert stamps == sorted(set(stamps))


def test_late_and_repeated_samples_are_passed_over_but_a_new_run_is_not() -> None:
    predictor = tracking(1000.0)
    at = [predictor.predict(sample((0, 0, 0), after)) for after in (2.0, 2.0, 1.9, 2.1, 0.5, 0.6)]
    assert [pose is not None for pose in at] == [True, False, False, True, True, True]


def test_it_never_predicts_from_an_estimate_that_is_ahead() -> None:
    assert tracking().predict(sample((0, 0, 0), -0.1)) is None


@pytest.mark.parametrize("code", list(CAUSES))
def test_another_belief_ends_it_until_the_next_claim(code: Code) -> None:
    predictor = tracking()
    predictor.see(Note(Code.IMAGE_DROPPED, Severity.WARN, "x"))
    assert predictor.predict(sample((0, 0, 0), 0.1)) is not None
    predictor.see(Note(code, Severity.INFO, "x"))
    assert predictor.predict(sample((0, 0, 0), 0.2)) is None


def test_only_a_claim_is_predicted() -> None:
    predictor = tracking()
    predictor.see(estimate(State.AMBIGUOUS))
    assert predictor.predict(sample((0, 0, 0), 0.1)) is None


def test_on_a_drive_it_joins_one_estimate_to_the_next(town) -> None:
    """At the stamp of an estimate the prediction made of the one before is near it."""
    session, predictor = Session(town, fast_settings()), Predictor(MOTION, 1000.0)
    track = odometry(60, turn=0.002)
    session.handle(track[0])
    outputs = [*session.handle(initial_pose())]
    seen: list[PredictedPose] = []
    for event in track[1:]:
        for output in outputs:
            predictor.see(output)
            if isinstance(output, PoseEstimate) and seen:
                assert np.hypot(*(seen[-1].T_map_base - output.T_map_base)[:2]) < 1.0
                assert seen[-1].stamp_ns == output.stamp_ns
        pose = predictor.predict(event)
        assert pose is not None
        assert dataclasses.astuple(event)[0] == pose.stamp_ns
        assert np.linalg.eigvalsh(pose.covariance)[0] > 0
        seen.append(pose)
        outputs = [*session.handle(event)]
    assert len(seen) == 59


def test_another_rate_and_noise_count_from_the_next_sample_on() -> None:
    predictor = tracking(rate_hz=5.0)
    first = [predictor.predict(sample((i * 0.1, 0, 0), i * 0.02)) is not None for i in range(20)]
    assert sum(first) == 2
    predictor.adopt(dataclasses.replace(MOTION, forward_noise=3.0), 25.0)
    found = [predictor.predict(sample((i * 0.1, 0, 0), i * 0.02)) for i in range(20, 40)]
    assert sum(pose is not None for pose in found) == 10
    noisy, quiet = found[0], tracking().predict(sample((2.0, 0.0, 0.0), 0.4))
    assert noisy is not None
    assert quiet is not None
    assert noisy.covariance.trace() > 5.0 + quiet.covariance.trace()
    predictor.adopt(MOTION, 0.0)
    assert predictor.predict(sample((9.0, 0.0, 0.0), 2.0)) is None
