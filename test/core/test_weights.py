"""Normalisation and what it refuses."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core import weights
from mdps_ros.core.weights import DegenerateWeightsError

F64 = torch.float64


def test_normalise_returns_the_log_sum() -> None:
    log_weights, log_evidence = weights.normalise(torch.tensor([[1.0, 2.0, -math.inf]]).double())
    exact = math.log(math.exp(1) + math.exp(2))
    assert log_evidence.item() == pytest.approx(exact)
    assert log_weights[0].exp().sum().item() == pytest.approx(1.0)
    assert log_weights[0, 2] == -math.inf


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_normalise_survives_huge_and_tiny_values(dtype: torch.dtype) -> None:
    log_weights, log_evidence = weights.normalise(
        torch.tensor([[-1e4, -1e4], [1e4, 0.0]], dtype=dtype)
    )
    torch.testing.assert_close(log_weights[0], torch.full((2,), -math.log(2.0), dtype=dtype))
    assert torch.isfinite(log_evidence).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_broken_weight_is_named(bad: float) -> None:
    log_weights = torch.zeros(3, 5)
    log_weights[1, 4] = bad
    with pytest.raises(DegenerateWeightsError, match="batch row 1, particle 4"):
        weights.normalise(log_weights)


def test_a_row_without_mass_is_named() -> None:
    log_weights = torch.zeros(3, 5)
    log_weights[2] = -math.inf
    with pytest.raises(DegenerateWeightsError, match="all weights of batch row 2"):
        weights.normalise(log_weights)


def test_all_but_one_dead_is_legal() -> None:
    log_weights = torch.full((1, 4), -math.inf)
    log_weights[0, 2] = -700.0
    normalised, log_evidence = weights.normalise(log_weights)
    assert normalised[0].tolist() == [-math.inf, -math.inf, 0.0, -math.inf]
    assert log_evidence.item() == -700.0
    assert weights.effective_size(normalised).item() == 1.0


def test_effective_size_of_known_weights() -> None:
    assert weights.effective_size(weights.uniform(1, 8, torch.zeros(1))).item() == pytest.approx(8)
    uneven = torch.tensor([[0.5, 0.25, 0.25]], dtype=F64).log()
    assert weights.effective_size(uneven).item() == pytest.approx(1 / 0.375)


def test_moments_of_known_weights() -> None:
    values = torch.tensor([[[0.0, 1.0], [4.0, 3.0]]], dtype=F64)
    mean, covariance = weights.moments(values, torch.tensor([[0.25, 0.75]], dtype=F64).log())
    torch.testing.assert_close(mean, torch.tensor([[3.0, 2.5]], dtype=F64))
    expected = 0.1875 * torch.tensor([[[16.0, 8.0], [8.0, 4.0]]], dtype=F64)
    torch.testing.assert_close(covariance, expected)


def test_effective_sizes_of_many_and_of_uneven_weights_are_those_of_float64() -> None:
    """Squares of a millionth and of e^-60 in float32, beside the largest weight."""
    generator = torch.Generator().manual_seed(0)
    for rows in (
        torch.zeros(1, 1_000_000),
        10.0 * torch.randn(2, 5000, generator=generator),
        torch.tensor([[0.0, -60.0, -math.inf], [-80.0, -80.0, -math.inf]]),
    ):
        log_weights, _ = weights.normalise(rows)
        wanted = 1.0 / (2.0 * rows.double().log_softmax(-1)).exp().sum(-1)
        found = weights.effective_size(log_weights)
        torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=0)


def test_masses_are_those_of_float64_and_zero_where_nobody_could_tell() -> None:
    log_weights = torch.linspace(-170.0, 0.0, 5000).unsqueeze(0)
    exact = log_weights.double().exp()
    found = weights.masses(log_weights).double()
    assert float(((found - exact).abs() / exact)[found > 0.0].max()) < 1e-6
    assert float(exact[found == 0.0].max()) <= 2e-35
    least = torch.finfo(torch.float32).tiny  # of the numbers that a processor takes in its stride
    assert not ((found > 0.0) & (found < least)).any()
    bare = log_weights.exp()
    assert ((bare > 0.0) & (bare < least)).any()


def test_masses_hand_on_what_is_no_number() -> None:
    values = torch.tensor([[math.nan, math.inf, -math.inf]] * 40)  # longer than a vector register
    for found in (weights.masses(values), weights.masses(values.double())):
        assert torch.isnan(found[:, 0]).all()
        assert torch.isposinf(found[:, 1]).all()
        assert (found[:, 2] == 0.0).all()


def test_masses_have_the_gradient_of_exp() -> None:
    log_weights = torch.tensor([[-0.5, -3.0, -90.0, -math.inf]], dtype=torch.float64)
    log_weights.requires_grad_()
    weights.masses(log_weights).sum().backward()
    gradient = log_weights.grad
    assert gradient is not None
    torch.testing.assert_close(gradient, log_weights.detach().exp(), atol=1e-35, rtol=1e-12)
