from __future__ import annotations

import numpy as np
import pytest

from mdps_ros.maps.warp import SmoothWarp, smooth_warp

SD, LENGTH = 1.5, 15.0
DISTANCES = np.array([0.0, 7.5, 15.0, 30.0, 300.0])
STANDARD_ERRORS = 4.5


def products(length, draws=1500):
    """(draws, 2, 5) displacement at the origin times displacement at five distances."""
    generator = np.random.default_rng(1)
    bearing = generator.uniform(0.0, 2.0 * np.pi, draws)
    found = np.empty((draws, 2, len(DISTANCES)))
    for draw, angle in enumerate(bearing):
        points = DISTANCES[:, None] * [np.cos(angle), np.sin(angle)] + [400.0, -250.0]
        moved = smooth_warp(SD, length, generator)(points)
        found[draw] = (moved[0] * moved).T
    return found


def off_by(found, expected):
    """Standard errors between the mean of the products and what it should be."""
    error = found.std(axis=0) / np.sqrt(len(found))
    return np.abs(found.mean(axis=0) - expected) / error


def test_the_warp_has_the_covariance_asked_for():
    expected = SD**2 * np.exp(-0.5 * (DISTANCES / LENGTH) ** 2)
    assert off_by(products(LENGTH), expected).max() < STANDARD_ERRORS
    # A field of another length, or of another spread, is told from it.
    assert off_by(products(1.5 * LENGTH), expected).max() > 1.5 * STANDARD_ERRORS
    assert off_by(products(LENGTH), 1.3 * expected).max() > 1.5 * STANDARD_ERRORS


def test_the_axes_move_on_their_own():
    generator = np.random.default_rng(2)
    moved = np.array([smooth_warp(1.0, LENGTH, generator)(np.zeros((1, 2)))[0] for _ in range(900)])
    assert abs(np.mean(moved[:, 0] * moved[:, 1])) < STANDARD_ERRORS / np.sqrt(900)


def test_one_warp_spreads_as_much_over_a_city_as_asked():
    points = np.random.default_rng(3).uniform(-20_000.0, 20_000.0, (10_000, 2))
    moved = smooth_warp(SD, LENGTH, np.random.default_rng(4))(points)
    np.testing.assert_allclose(moved.std(axis=0), SD, rtol=0.04)
    np.testing.assert_allclose(moved.mean(axis=0), 0.0, atol=0.08)


def test_a_point_moves_alike_alone_and_among_many():
    warp = smooth_warp(SD, LENGTH, np.random.default_rng(5))
    points = np.random.default_rng(6).uniform(-500.0, 500.0, (9_000, 2))
    np.testing.assert_allclose(warp(points)[8_500:8_501], warp(points[8_500:8_501]), atol=1e-9)
    assert warp(np.zeros((0, 2))).shape == (0, 2)


def test_the_generator_decides():
    points = np.array([[3.0, 4.0]])
    one, same, other = (smooth_warp(1.0, 15.0, np.random.default_rng(k))(points) for k in (7, 7, 8))
    assert (one == same).all()
    assert one != pytest.approx(other)


def test_a_pose_is_drawn_with_the_heading_of_the_warped_road():
    """The derivative of one plane wave is known."""
    warp = SmoothWarp(1.0, np.array([[[0.0, 0.0]], [[0.05, 0.0]]]), np.array([[0.0], [0.3]]))
    poses = np.array([[2.0, 5.0, 0.0], [2.0, 5.0, np.pi / 2], [2.0, 5.0, np.pi]])
    drawn = warp.drawn(poses)
    slope = -np.sqrt(2.0) * 0.05 * np.sin(0.05 * 2.0 + 0.3)  # of y along x
    np.testing.assert_allclose(drawn[:, :2], poses[:, :2] + warp(poses[:, :2]))
    turns = np.array([np.arctan(slope), 0.0, np.arctan(slope)])
    np.testing.assert_allclose(np.sin(drawn[:, 2] - poses[:, 2]), np.sin(turns), atol=1e-6)
