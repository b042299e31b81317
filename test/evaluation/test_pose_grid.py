"""Bayes' rule on a grid of poses against the same rule written out pose by pose."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mdps_ros.core.mapdata import Bounds
from mdps_ros.evaluation.pose_grid import PoseGrid, Step, grid_over, taps

GRID = PoseGrid(corner=(-4.0, 10.0), cell=2.0, rows=11, columns=13, headings=8)


def random_share(seed: int, *, inner: bool = False) -> torch.Tensor:
    share = torch.rand(8, 11, 13, generator=torch.Generator().manual_seed(seed)) ** 4
    if inner:
        share[:, :4] = share[:, 7:] = share[:, :, :5] = share[:, :, 8:] = 0.0
    return share / share.sum()


def gaussian(offset: float, sd: float) -> float:
    low, high = ((offset + side) / sd / math.sqrt(2.0) for side in (-0.5, 0.5))
    return 0.5 * (math.erf(high) - math.erf(low))


def weight(offset: float, shift: float, sd: float) -> float:
    """Of a cell `offset` cells away: the two whole shifts about `shift`, each blurred."""
    whole = math.floor(shift)
    part = shift - whole
    return (1 - part) * gaussian(offset - whole, sd) + part * gaussian(offset - whole - 1, sd)


def written_out(share: torch.Tensor, step: Step) -> np.ndarray:
    """Sum over all pairs of poses."""
    found = np.zeros(share.shape)
    for k, row, column in np.ndindex(*share.shape):
        yaw = k * math.tau / 8
        east = (math.cos(yaw) * step.forward - math.sin(yaw) * step.left) / 2.0
        north = (math.sin(yaw) * step.forward + math.cos(yaw) * step.left) / 2.0
        turn = step.turn / (math.tau / 8)
        x = [weight(c - column, east, step.sd / 2.0) for c in range(13)]
        y = [weight(r - row, north, step.sd / 2.0) for r in range(11)]
        around = range(-16, 24)
        z = np.zeros(8)
        for target in around:
            z[target % 8] += weight(target - k, turn, step.turn_sd / (math.tau / 8))
        found += float(share[k, row, column]) * np.einsum("k,r,c->krc", z, y, x)
    return found


@pytest.mark.parametrize("step", [Step(3.1, 0.4, 0.3, 0.5, 0.2), Step(-1.0, 0.0, -1.2, 0.8, 0.05)])
def test_a_step_is_the_sum_over_all_pairs_of_poses(step: Step) -> None:
    share = random_share(1)
    np.testing.assert_allclose(GRID.moved(share, step), written_out(share, step), atol=2e-6)


def test_a_step_to_the_other_side_is_not() -> None:
    share = random_share(1)
    step, mirrored = Step(3.1, 0.4, 0.3, 0.5, 0.2), Step(3.1, -0.4, 0.3, 0.5, 0.2)
    assert np.abs(GRID.moved(share, step).numpy() - written_out(share, mirrored)).max() > 1e-4


def test_a_whole_step_without_errors_moves_one_cell_and_no_other() -> None:
    share = torch.zeros(8, 11, 13)
    share[2, 5, 6] = 1.0  # heading north
    moved = GRID.moved(share, Step(4.0, 2.0, math.tau / 4, 0.0, 0.0))
    assert moved[4, 7, 5] == pytest.approx(1.0)
    assert moved.sum() == pytest.approx(1.0)


def test_a_narrow_belief_moves_as_on_the_whole_grid() -> None:
    """Only a part of the grid is looked at, and that must not show."""
    share, step = random_share(3, inner=True), Step(1.3, 0.0, 0.1, 0.3, 0.1)
    moved = GRID.moved(share, step)
    np.testing.assert_allclose(moved, written_out(share, step), atol=2e-6)
    assert moved.sum() == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(("shift", "sd"), [(0.3, 0.7), (-2.6, 1.4)])
def test_taps_have_the_mean_and_variance_of_interpolation_and_blur(shift: float, sd: float) -> None:
    weights, reach = taps(torch.tensor([shift]), sd)
    offset = torch.arange(-reach, reach + 1.0)
    mean = float((weights[0] * offset).sum())
    variance = float((weights[0] * (offset - mean).square()).sum())
    part = shift - math.floor(shift)
    assert mean == pytest.approx(shift, abs=1e-4)
    # 1/12 is what any density gains by being cut into cells
    assert variance == pytest.approx(sd**2 + 1 / 12 + part * (1 - part), rel=1e-3)


def test_a_measurement_multiplies_each_pose_by_its_likelihood() -> None:
    def score(poses: torch.Tensor) -> torch.Tensor:
        return poses[:, 0].sin() - 0.1 * poses[:, 1] + poses[:, 2].cos()

    share = random_share(5)
    expected = np.zeros(share.shape)
    for k, row, column in np.ndindex(*share.shape):
        x, y, yaw = -4.0 + 2.0 * (column + 0.5), 10.0 + 2.0 * (row + 0.5), k * math.tau / 8
        likelihood = math.exp(math.sin(x) - 0.1 * y + math.cos(yaw))
        expected[k, row, column] = float(share[k, row, column]) * likelihood
    found = GRID.weighed(share, score)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-6)


def test_draws_fall_into_the_cells_whose_centres_are_nearest() -> None:
    poses = torch.tensor([[-3.9, 10.1, -0.3], [-2.1, 11.9, 0.39], [21.9, 31.9, 6.2], [99.0, 0, 0]])
    share = GRID.histogram(poses)
    assert share[0, 0, 0] == pytest.approx(2 / 3)
    assert share[0, 10, 12] == pytest.approx(1 / 3)
    centres, weights = GRID.held(share)
    assert centres.tolist() == [[-3.0, 11.0, 0.0], [21.0, 31.0, 0.0]]
    assert weights.tolist() == pytest.approx([2 / 3, 1 / 3])


def test_a_grid_covers_its_bounds() -> None:
    grid = grid_over(Bounds(-10.0, 5.0, 11.0, 25.0), 2.0, 36)
    assert (grid.columns, grid.rows) == (11, 10)
    assert grid.corner == (-10.0, 5.0)
