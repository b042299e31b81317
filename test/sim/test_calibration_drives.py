"""The drives obey the motion model that the filter assumes, and the fixes their scenario."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mdps_ros.sim.calibration_drives import CalibrationScenario, simulate_calibration_drives

SHORT = CalibrationScenario(duration_s=20.0, outages_s=((4.0, 8.0),))
QUIET = CalibrationScenario(
    duration_s=20.0, slip_sd_mps=0.0, forward_noise_m=0.0, forward_noise_share=0.0,
    lateral_noise_m=0.0, yaw_noise_rad=0.0,
)  # fmt: skip


def test_odometry_of_a_quiet_drive_is_wrong_by_scale_and_bias_alone() -> None:
    drives = simulate_calibration_drives(QUIET, 6, np.random.default_rng(1))
    step = np.diff(drives.poses, axis=1)
    true_distance = np.hypot(step[..., 0], step[..., 1])
    np.testing.assert_allclose(
        drives.distance * (1.0 + drives.scale[:, None]), true_distance, atol=1e-12
    )
    error = drives.turn - step[..., 2]
    np.testing.assert_allclose(error, np.broadcast_to(0.1 * drives.gyro_bias[:, None], error.shape))
    ratio = drives.distance.sum(1) / true_distance.sum(1)
    assert set(np.round(ratio, 6)) == {0.97, 1.03}
    np.testing.assert_allclose(np.abs(drives.gyro_bias), math.radians(0.3))


def test_noise_of_the_odometry_has_the_size_of_the_scenario() -> None:
    """40 drives of 200 samples: within 5 standard errors of a variance."""
    drives = simulate_calibration_drives(SHORT, 40, np.random.default_rng(2))
    step = np.diff(drives.poses, axis=1)
    turn_error = drives.turn - step[..., 2] - 0.1 * drives.gyro_bias[:, None]
    ratio = np.square(turn_error / SHORT.yaw_noise_rad).mean()
    assert abs(ratio - 1.0) < 5.0 * math.sqrt(2.0 / turn_error.size)
    middle = drives.poses[:, :-1, 2] + 0.5 * step[..., 2]
    ahead = np.cos(middle) * step[..., 0] + np.sin(middle) * step[..., 1]
    spread = SHORT.forward_noise_m + SHORT.forward_noise_share * ahead
    error = ahead - drives.distance * (1.0 + drives.scale[:, None])
    ratio = np.square(error / spread).mean()
    assert abs(ratio - 1.0) < 5.0 * math.sqrt(2.0 / error.size)


def test_fixes_come_once_a_second_outside_the_outages() -> None:
    drives = simulate_calibration_drives(SHORT, 2, np.random.default_rng(3))
    there = np.isfinite(drives.fixes).all((2, 3))
    expected = [t % 10 == 0 and not 40 <= t < 80 for t in range(200)]
    np.testing.assert_array_equal(there, [expected, expected])


@pytest.mark.parametrize("outliers", [0.0, 0.3])
def test_fixes_scatter_as_the_scenario_says(outliers: float) -> None:
    scenario = CalibrationScenario(outlier_share=outliers, outages_s=())
    drives = simulate_calibration_drives(scenario, 50, np.random.default_rng(4))
    error = (drives.fixes[:, ::10, 0] - drives.poses[:, ::10, :2]).ravel()
    variance = (1 - outliers) * 0.5**2 + outliers * 5.0**2
    fourth = 3.0 * ((1 - outliers) * 0.5**4 + outliers * 5.0**4)
    standard_error = math.sqrt((fourth - variance**2) / error.size)
    assert abs(np.square(error).mean() - variance) < 5.0 * standard_error


def test_ghost_lies_beside_the_truth_and_its_place_in_the_pair_tells_nothing() -> None:
    scenario = CalibrationScenario(ghost_offset_m=4.0, outlier_share=0.0, outages_s=())
    drives = simulate_calibration_drives(scenario, 50, np.random.default_rng(5))
    poses = drives.poses[:, ::10]
    error = drives.fixes[:, ::10] - poses[:, :, None, :2]
    sideways = (
        -np.sin(poses[..., None, 2]) * error[..., 0] + np.cos(poses[..., None, 2]) * error[..., 1]
    )
    first_is_ghost = np.abs(sideways[..., 0]) > np.abs(sideways[..., 1])
    assert abs(first_is_ghost.mean() - 0.5) < 5.0 * 0.5 / math.sqrt(first_is_ghost.size)
    ghost = np.where(first_is_ghost, sideways[..., 0], sideways[..., 1])
    assert abs(np.abs(ghost).mean() - 4.0) < 5.0 * 0.5 / math.sqrt(ghost.size)
    flips = (np.sign(ghost[:, 1:]) != np.sign(ghost[:, :-1])).mean()
    assert abs(flips - 0.3) < 5.0 * math.sqrt(0.21 / ghost[:, 1:].size)
