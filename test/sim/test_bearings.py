from __future__ import annotations

import math

import numpy as np
import pytest

from mdps_ros.sim.bearings import BearingsWorld, observe, simulate

WORLD = BearingsWorld()


@pytest.fixture(scope="module")
def drives():
    return simulate(400, 60, np.random.default_rng(1))


def wrap(angle):
    return np.angle(np.exp(1j * angle))


def true_bearings(poses):
    return np.arctan2(poses[..., 1], poses[..., 0] + 5.0)


def test_states_are_three_quarters_of_a_second_apart():
    assert WORLD.spacing_s == 0.75


def test_cars_drive_one_or_two_metres_a_second_with_equal_probability(drives):
    assert set(np.unique(drives.speeds)) == {1.0, 2.0}
    share = (drives.speeds[:, 0] == 1.0).mean()
    assert abs(share - 0.5) < 4.0 * 0.5 / math.sqrt(400)


def test_a_step_is_no_longer_than_the_fastest_speed_allows(drives):
    length = np.linalg.norm(np.diff(drives.poses[..., :2], axis=1), axis=-1)
    assert length.max() <= 2.0 * 0.75 + 1e-9
    straight = np.abs(wrap(np.diff(drives.poses[..., 2], axis=1))) < 1e-9
    same = np.diff(drives.speeds, axis=1) == 0.0
    steady = straight & same
    assert steady.mean() > 0.3
    np.testing.assert_allclose(length[steady], 0.75 * drives.speeds[:, 1:][steady], rtol=0.05)


def test_heading_turns_by_at_most_thirty_degrees_in_each_of_three_steps(drives):
    turn = np.abs(wrap(np.diff(drives.poses[..., 2], axis=1)))
    assert turn.max() <= math.radians(90.0) + 1e-9
    assert turn.max() > math.radians(80.0)


def test_cars_stay_near_the_world_and_reach_its_borders(drives):
    assert np.abs(drives.poses[..., :2]).max() < 13.0
    assert (np.abs(drives.poses[..., :2]).max(axis=(1, 2)) > 8.0).mean() > 0.95


def test_fifteen_percent_of_the_bearings_are_outliers(drives):
    count = drives.outliers.size
    assert abs(drives.outliers.mean() - 0.15) < 4.0 * math.sqrt(0.15 * 0.85 / count)


def test_good_bearings_have_the_resultant_length_of_kappa_50_and_no_bias(drives):
    error = wrap(drives.bearings - true_bearings(drives.poses))[~drives.outliers]
    standard_error = 0.1425 / math.sqrt(error.size)
    assert abs(error.mean()) < 4.0 * standard_error
    assert np.cos(error).mean() == pytest.approx(0.98995, abs=0.0005)  # I1(50) / I0(50)


def test_outliers_know_nothing_of_the_pose(drives):
    error = wrap(drives.bearings - true_bearings(drives.poses))[drives.outliers]
    length = np.abs(np.exp(1j * error).mean())
    assert length < 4.0 / math.sqrt(error.size)


def test_bearings_of_a_world_without_outliers_are_all_close():
    world = BearingsWorld(outlier_share=0.0)
    poses = np.zeros((1000, 3))
    bearings, outliers = observe(poses, np.random.default_rng(2), world)
    assert not outliers.any()
    assert np.abs(bearings).max() < 5.5 / math.sqrt(50.0)


def test_equal_seeds_give_equal_drives_and_others_do_not():
    first, same, other = (simulate(3, 5, np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.poses, same.poses)
    np.testing.assert_array_equal(first.bearings, same.bearings)
    assert not np.allclose(first.poses, other.poses)


def test_nothing_to_simulate_is_an_error():
    with pytest.raises(ValueError, match="give at least one each"):
        simulate(0, 5, np.random.default_rng(0))
