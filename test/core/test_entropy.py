"""The entropy of a belief over cells, against sums in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from mdps_ros.core.cells import PoseGrid
from mdps_ros.core.estimates import cell_entropy

GRID = PoseGrid(1.0, math.radians(10.0))


def even(count: int) -> torch.Tensor:
    return torch.full((1, count), -math.log(count), dtype=torch.float64)


@pytest.mark.parametrize("cells", [1, 2, 37])
def test_equally_likely_cells_have_the_logarithm_of_their_number(cells: int) -> None:
    """However many particles a cell holds; the entropy of the weights alone would be ln 50 more."""
    x = torch.arange(cells, dtype=torch.float64).repeat_interleave(50) + 0.5
    poses = torch.stack((x, -x, torch.full_like(x, 0.1)), -1).unsqueeze(0)
    assert cell_entropy(poses, even(len(x)), GRID).item() == pytest.approx(
        math.log(cells), abs=1e-9
    )


def test_weights_count_and_rows_are_apart() -> None:
    x = torch.tensor([[0.5, 7.5], [0.5, 7.5]], dtype=torch.float64)
    poses = torch.stack((x, x, torch.zeros_like(x)), -1)
    log_weights = torch.tensor([[0.9, 0.1], [1.0, 0.0]], dtype=torch.float64).log()
    found = cell_entropy(poses, log_weights, GRID)
    assert found.tolist() == pytest.approx([stats.entropy([0.9, 0.1]), 0.0], abs=1e-12)


def test_a_gaussian_has_the_entropy_of_its_masses_in_the_cells() -> None:
    """Of 200,000 draws; a bias of (cells - 1) / 2 N (Miller, 1955) is below 0.003 nats."""
    sd, count = (2.0, 3.0, 0.3), 200_000
    generator = torch.Generator().manual_seed(5)
    draws = torch.randn(1, count, 3, dtype=torch.float64, generator=generator)
    poses = draws * torch.tensor(sd, dtype=torch.float64)
    exact = 0.0
    for spread, cell in zip(sd, (1.0, 1.0, math.radians(10.0)), strict=True):
        edges = torch.arange(-60, 61, dtype=torch.float64).numpy() * cell
        below = stats.norm.cdf(edges / spread)
        exact += stats.entropy(below[1:] - below[:-1])
    found = cell_entropy(poses, even(count), GRID).item()
    # few cells share a slot; joined by exclusive or, their hashes made it 0.2 less
    assert found == pytest.approx(exact, abs=0.02)
