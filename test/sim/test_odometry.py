from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdps_ros.sim.drive import Drive
from mdps_ros.sim.odometry import (
    OdometryErrors,
    increments,
    integrate,
    interpolate_poses,
    measure_odometry,
)

ERRORS = OdometryErrors()
NONE = OdometryErrors(
    scale_sd=0.0, gyro_bias_sd_radps=0.0, distance_noise=0.0, lateral_noise=0.0, yaw_noise=0.0
)
DURATION_S, SPEED, RUNS = 50.0, 8.0, 300


def straight_drive() -> Drive:
    t = np.arange(0.0, DURATION_S + 1e-9, 0.02)
    heading = 0.7
    poses = np.stack(
        [
            3 + SPEED * t * np.cos(heading),
            5 + SPEED * t * np.sin(heading),
            np.full_like(t, heading),
        ],
        axis=1,
    )
    return Drive(
        stamps_ns=np.round(t * 1e9).astype(np.int64) + 10**18,
        poses=poses,
        speed=np.full_like(t, SPEED),
        yaw_rate=np.zeros_like(t),
    )


def curved_drive() -> Drive:
    t = np.arange(0.0, 20.0, 0.02)
    yaw = 2.9 + 0.4 * t  # beyond pi
    x, y = 20 * np.sin(yaw), -20 * np.cos(yaw)
    return Drive(
        stamps_ns=np.round(t * 1e9).astype(np.int64),
        poses=np.stack([x, y, yaw], axis=1),
        speed=np.full_like(t, 8.0),
        yaw_rate=np.full_like(t, 0.4),
    )


def final_errors(errors: OdometryErrors) -> np.ndarray:
    """(RUNS, 3) distance along, yaw, and sum of squared yaw steps of a straight drive."""
    drive = straight_drive()
    rows = []
    for seed in range(RUNS):
        odometry = measure_odometry(drive, errors, np.random.default_rng(seed))
        motion = increments(odometry.poses)
        rows.append(
            (motion[:, 0].sum() - DURATION_S * SPEED, motion[:, 2].sum(), motion[:, 1].sum())
        )
    return np.array(rows)


def check_statistics(errors: OdometryErrors) -> None:
    """Spread of the final errors against the formula of the default magnitudes, 5 s.e."""
    found = final_errors(errors).std(axis=0)
    distance = DURATION_S * SPEED
    expected = np.array(
        [
            np.hypot(ERRORS.scale_sd * distance, ERRORS.distance_noise * np.sqrt(distance)),
            np.hypot(
                ERRORS.gyro_bias_sd_radps * DURATION_S, ERRORS.yaw_noise * np.sqrt(DURATION_S)
            ),
            ERRORS.lateral_noise * np.sqrt(distance),
        ]
    )
    standard_error = expected / np.sqrt(2 * RUNS)
    assert (np.abs(found - expected) < 5 * standard_error).all(), (found, expected)


def test_errors_have_the_documented_spread():
    check_statistics(ERRORS)


@pytest.mark.parametrize(
    "broken",
    [
        {"scale_sd": 0.0},
        {"gyro_bias_sd_radps": 0.0},
        {"yaw_noise": 5 * ERRORS.yaw_noise},
        {"lateral_noise": 2 * ERRORS.lateral_noise},
    ],
)
def test_the_spread_check_notices_wrong_magnitudes(broken):
    with pytest.raises(AssertionError):
        check_statistics(replace(ERRORS, **broken))


def test_scale_and_bias_are_drawn_once_per_drive():
    only = replace(NONE, scale_sd=0.05, gyro_bias_sd_radps=0.02)
    odometry = measure_odometry(straight_drive(), only, np.random.default_rng(1))
    motion = increments(odometry.poses)
    np.testing.assert_allclose(np.hypot(motion[:, 0], motion[:, 1]).std(), 0.0, atol=1e-9)
    np.testing.assert_allclose(motion[:, 2].std(), 0.0, atol=1e-12)
    assert abs(motion[0, 2]) > 1e-5


def test_odometry_without_errors_is_the_truth_from_its_start():
    drive = curved_drive()
    odometry = measure_odometry(drive, NONE, np.random.default_rng(0))
    np.testing.assert_array_equal(odometry.poses[0], 0.0)
    truth = interpolate_poses(drive.stamps_ns, drive.poses, odometry.stamps_ns)
    np.testing.assert_allclose(increments(odometry.poses), increments(truth), atol=1e-12)
    assert odometry.twist[:, 0].mean() == pytest.approx(8.0, rel=1e-3)
    assert odometry.twist[:, 2].mean() == pytest.approx(0.4, rel=1e-6)


def test_integrating_increments_gives_the_poses_back():
    poses = curved_drive().poses
    start = np.append(poses[0, :2], poses[0, 2])
    again = integrate(increments(poses))
    cos, sin = np.cos(start[2]), np.sin(start[2])
    turned = again[:, :2] @ np.array([[cos, sin], [-sin, cos]]) + start[:2]
    np.testing.assert_allclose(turned, poses[:, :2], atol=1e-9)
    np.testing.assert_allclose(again[:, 2] + start[2], poses[:, 2], atol=1e-9)


def test_stamps_keep_nanoseconds_and_the_rate():
    odometry = measure_odometry(straight_drive(), ERRORS, np.random.default_rng(0))
    assert odometry.stamps_ns[0] == 10**18
    np.testing.assert_array_equal(np.diff(odometry.stamps_ns), 50_000_000)


def test_the_reported_covariance_covers_the_error():
    drive = straight_drive()
    ends = []
    for seed in range(RUNS):
        odometry = measure_odometry(drive, ERRORS, np.random.default_rng(seed))
        ends.append(odometry.poses[-1] - [DURATION_S * SPEED, 0.0, 0.0])
    mean_square = (np.array(ends) ** 2).mean(axis=0)
    reported = np.diag(odometry.covariance[-1])
    assert mean_square[2] == pytest.approx(reported[2], rel=5 * np.sqrt(2 / RUNS))
    # x and y share one variance, because the direction of travel in the odometry frame varies.
    assert (mean_square[:2] < reported[:2] * (1 + 5 * np.sqrt(2 / RUNS))).all()
    assert mean_square[:2].sum() == pytest.approx(reported[:2].mean(), rel=0.5)
