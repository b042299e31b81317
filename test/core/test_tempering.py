"""Tempering against clouds whose effective size is known in closed form."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core import weights
from mdps_ros.core.tempering import bearable_share


def gaussian_cloud(count: int = 20_001) -> tuple[torch.Tensor, torch.Tensor]:
    """Equal weights on a grid over (-50, 50), and log-likelihood -x^2 / 2."""
    x = torch.linspace(-50.0, 50.0, count, dtype=torch.float64)[None]
    return weights.uniform(1, count, x), -0.5 * x**2


def test_the_share_leaves_just_the_effective_size_asked_for() -> None:
    """Weights exp(-s x^2 / 2) at density rho have the effective size 2 rho sqrt(pi / s)."""
    log_weights, score = gaussian_cloud()
    density = 200.0
    for size in (1000.0, 2000.0):
        share = float(bearable_share(log_weights, score, 1.0, size)[0])
        assert share == pytest.approx(4 * math.pi * (density / size) ** 2, rel=1e-3)


def test_a_cloud_that_bears_all_gets_all() -> None:
    log_weights, score = gaussian_cloud()
    assert float(bearable_share(log_weights, score, 0.4, 100.0)[0]) == 0.4


@pytest.mark.parametrize("most", [0.1, 0.3, 1 / 3, 0.7])
def test_all_of_a_measurement_leaves_no_remainder_even_in_single_precision(most: float) -> None:
    """A remainder of a rounding would be taken for a second part, with a fresh draw before it."""
    log_weights, score = (part.float() for part in gaussian_cloud())
    share = float(bearable_share(log_weights, score, most, 10.0)[0])
    assert most - share == 0.0
    assert float(torch.tensor(most)) != most  # float32 would have left one


def test_a_cloud_too_small_still_makes_progress() -> None:
    log_weights, score = gaussian_cloud()
    assert float(bearable_share(log_weights, score, 0.4, 1e6)[0]) == pytest.approx(0.04)


def test_rows_are_told_apart_and_zero_likelihoods_are_legal() -> None:
    log_weights, score = gaussian_cloud()
    cut = score.clone()
    cut[:, ::2] = -math.inf
    rows = bearable_share(log_weights.expand(2, -1), torch.cat([score, cut]), 1.0, 1000.0)
    half = 4 * math.pi * (100.0 / 1000.0) ** 2
    assert rows.tolist() == pytest.approx([0.5026548, half], rel=1e-2)
