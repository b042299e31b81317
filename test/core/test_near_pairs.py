"""Leaving out far pairs against all pairs."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mdps_ros.core import mixture, near_pairs
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.types import MixtureBelief

F64 = torch.float64


def all_pairs(points: Tensor, centres: Tensor, log_weights: Tensor) -> Tensor:
    square = (points[:, None] - centres).square().sum(-1)
    return torch.logsumexp(log_weights - 0.5 * square, -1)


def cloud(count: int, spread: float, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    scale = torch.tensor([spread, 0.6 * spread, 2.0, 2.0], dtype=F64)
    return scale * torch.randn(count, 4, generator=generator, dtype=F64)


def weights(count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3.0 * torch.randn(count, generator=generator, dtype=F64)).log_softmax(-1)


def check(spread: float) -> None:
    centres, log_weights = cloud(700, spread, 0), weights(700, 1)
    log_weights[:50] = -math.inf
    # points of the cloud itself, others, and some far away from all
    points = torch.cat((centres[:300], cloud(150, spread, 2), cloud(5, 30.0 * spread, 3)))
    found = near_pairs.log_sums(points, centres, log_weights)
    torch.testing.assert_close(
        found, all_pairs(points, centres, log_weights), rtol=1e-12, atol=1e-9
    )


@pytest.mark.parametrize("spread", [0.5, 8.0, 80.0, 800.0])
def test_nothing_that_matters_is_left_out(spread: float) -> None:
    check(spread)


def test_a_bound_that_is_too_tight_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = near_pairs._bounds

    def tenfold(asked: Any, held: Any, log_weights: Tensor) -> Tensor:
        return log_weights - 100.0 * (log_weights - inner(asked, held, log_weights))

    monkeypatch.setattr(near_pairs, "_bounds", tenfold)
    with pytest.raises(AssertionError):
        check(8.0)


def test_most_pairs_of_a_wide_cloud_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = []
    inner = near_pairs._block_sums

    def count(points: Tensor, centres: Tensor, log_weights: Tensor) -> Tensor:
        pairs.append(points.shape[0] * points.shape[1] * centres.shape[1])
        return inner(points, centres, log_weights)

    monkeypatch.setattr(near_pairs, "_block_sums", count)
    centres = cloud(2000, 300.0, 0)
    near_pairs.log_sums(centres, centres, weights(2000, 1))
    assert sum(pairs) < 0.25 * 2000**2


def test_gradients_are_those_of_all_pairs() -> None:
    leaves = (cloud(80, 20.0, 0), cloud(90, 20.0, 1), weights(90, 2))
    asked = [[x.clone().requires_grad_() for x in leaves] for _ in range(2)]
    functions = (near_pairs.log_sums, all_pairs)
    own, wanted = (
        torch.autograd.grad(function(*inputs).sum(), inputs)
        for function, inputs in zip(functions, asked, strict=True)
    )
    for mine, theirs in zip(own, wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("spread_m", [10.0, 15.0, 50.0, 1000.0])
def test_single_precision_is_within_1e_4_nats(spread_m: float) -> None:
    """The stated error of `mixture.log_prob` on clouds of up to 1 km, by whichever way it takes."""
    generator = torch.Generator().manual_seed(5)
    scale = torch.tensor([spread_m, spread_m, 1.0])
    poses = scale * torch.randn(1, 1500, 3, generator=generator)
    log_weights = torch.randn(1, 1500, generator=generator).log_softmax(-1)
    width = torch.tensor([1.5, 1.5, 0.05])
    double = MixtureBelief(poses.double(), log_weights.double(), pose_kernel(width.double()))
    exact = mixture.log_prob(double, poses.double())
    single = mixture.log_prob(MixtureBelief(poses, log_weights, pose_kernel(width)), poses)
    assert (single - exact).abs().max() < 1e-4
