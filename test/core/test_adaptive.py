"""The particle number by KLD-sampling."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from mdps_ros.core.adaptive import KldCount, kld_count, occupied_cells
from mdps_ros.core.cells import PoseGrid

GRID = PoseGrid(1.0, math.radians(10.0))


@pytest.mark.parametrize("cells", [2, 10, 100, 5000])
def test_number_is_the_chi_square_quantile(cells: int) -> None:
    """Wilson-Hilferty is within 1 % of the exact quantile (6 % at one degree of freedom)."""
    number = kld_count(torch.tensor([cells]), 0.05, stats.norm.ppf(0.99)).item()
    exact = stats.chi2.ppf(0.99, cells - 1) / (2 * 0.05)
    assert number == pytest.approx(exact, rel=0.06 if cells == 2 else 0.01)


def test_one_cell_needs_one_particle() -> None:
    assert kld_count(torch.tensor([1]), 0.05, 2.33).item() == 1.0


def grid_cloud(cells: int, repeats: int) -> torch.Tensor:
    """`repeats` particles in the middle of each of `cells` cells."""
    index = torch.arange(cells).repeat_interleave(repeats)
    yaw = (index % 7 + 0.5) * math.radians(10.0) - math.pi
    return torch.stack((index + 0.5, -2.0 * index - 0.5, yaw), -1).unsqueeze(0)


def test_occupied_cells_are_counted_wherever_yaw_is_wrapped() -> None:
    poses = grid_cloud(40, 25)
    log_weights = torch.full((1, 1000), -math.log(1000))
    turned = poses + torch.tensor([0.0, 0.0, 2 * math.pi])
    both = torch.cat((poses, turned), 1)
    assert occupied_cells(poses, log_weights, GRID).item() == 40
    assert occupied_cells(both, torch.full((1, 2000), -math.log(2000)), GRID).item() == 40


def test_cells_of_no_weight_are_not_counted() -> None:
    poses = grid_cloud(40, 25)
    log_weights = torch.full((1, 1000), -50.0)
    log_weights[0, :100] = 0.0
    log_weights = log_weights.log_softmax(-1)
    assert occupied_cells(poses, log_weights, GRID).item() == 4


def test_number_is_kept_between_its_bounds_and_serves_the_widest_row() -> None:
    narrow, wide = grid_cloud(1, 1000), grid_cloud(40, 25)
    log_weights = torch.full((1, 1000), -math.log(1000))
    rule = KldCount(GRID, 0.05, 2.326, 300, 600)
    assert rule(narrow, log_weights) == 300
    expected = math.ceil(kld_count(torch.tensor([40]), 0.05, 2.326).item())
    assert expected > 600
    assert rule(wide, log_weights) == 600
    free = KldCount(GRID, 0.05, 2.326, 10, 100_000)
    both = torch.cat((narrow, wide))
    assert free(both, log_weights.expand(2, -1)) == expected
