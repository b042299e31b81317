"""Gradients of one draw (specification: 7-9, 11), against quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.gradients import (
    ComponentWeighted,
    ImportanceWeighted,
    Soft,
    StopGradient,
    Truncated,
)
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.protocols import IndexScheme, Resampler
from mdps_ros.core.resampling import IndexResampler, MixtureResampler, multinomial, stratified

from .oracles import F64

CENTRES = (-2.0, 0.5, 3.0)
WEIGHTS = (0.2, 0.5, 0.3)
REPETITIONS = 20_000
DRAWS = 50


def smooth_function(z: Tensor) -> Tensor:
    return z.sin() + 0.1 * z.square()


def periodic_function(z: Tensor) -> Tensor:
    return (z + 0.3).sin() + 0.4 * (2.0 * z).cos()


def kernel(bandwidth: Tensor, circular: bool = False) -> ProductKernel:
    return ProductKernel(bandwidth, (circular,))


class Samples(NamedTuple):
    """Gradient per repetition (R, parameters): centres, weights, bandwidth; and the new pose."""

    gradient: Tensor
    pose: Tensor
    log_weights: Tensor


def sampled_gradients(
    resampler_type: Callable[[MixtureResampler], Resampler],
    bandwidth: float,
    *,
    circular: bool = False,
    scheme: IndexScheme = stratified,
    function: Callable[[Tensor], Tensor] = smooth_function,
) -> Samples:
    """d/d(x, w, h) of the mean of `function` over a draw, in each row of a batch."""
    centres = torch.tensor(CENTRES, dtype=F64).expand(REPETITIONS, 3).unsqueeze(-1).clone()
    log_weights = torch.tensor(WEIGHTS, dtype=F64).log().expand(REPETITIONS, 3).clone()
    width = torch.full((REPETITIONS, 1), bandwidth, dtype=F64)
    leaves = [leaf.requires_grad_() for leaf in (centres, log_weights, width)]
    resampler = resampler_type(MixtureResampler(kernel(width, circular), scheme))
    drawn = resampler(centres, log_weights, DRAWS, torch.Generator().manual_seed(21))
    estimate = (drawn.log_weights.exp() * function(drawn.state[..., 0])).sum()
    by_centre, by_log_weight, by_width = torch.autograd.grad(estimate, leaves)
    by_weight = by_log_weight / torch.tensor(WEIGHTS, dtype=F64)
    gradient = torch.cat((by_centre[..., 0], by_weight, by_width), -1)
    return Samples(gradient, drawn.state, drawn.log_weights.detach())


def expectation(parameters: Tensor, circular: bool, function: Callable[[Tensor], Tensor]) -> float:
    """E_m[function] by quadrature, written out plainly."""
    centres, weights, width = parameters[:3], parameters[3:6], parameters[6]
    if circular:
        z = torch.arange(20_000, dtype=F64) * (2 * math.pi / 20_000)
        step = 2 * math.pi / 20_000
        kappa = 1.0 / (width + 1e-8)
        shape = torch.exp(kappa * ((z[:, None] - centres).cos() - 1.0))
        density = shape / (2 * math.pi * torch.special.i0e(kappa))
    else:
        z = torch.linspace(-16, 17, 40_001, dtype=F64)
        step = 33 / 40_000
        density = torch.exp(-0.5 * ((z[:, None] - centres) / width) ** 2) / (
            width * math.sqrt(2 * math.pi)
        )
    return float((density @ weights * function(z)).sum() * step)


def exact_gradient(
    bandwidth: float, circular: bool, function: Callable[[Tensor], Tensor]
) -> Tensor:
    """Central differences of the quadrature."""
    base = torch.tensor([*CENTRES, *WEIGHTS, bandwidth], dtype=F64)
    step = 1e-4 * torch.eye(7, dtype=F64)
    differences = [
        expectation(base + row, circular, function) - expectation(base - row, circular, function)
        for row in step
    ]
    return torch.tensor(differences, dtype=F64) / 2e-4


def check_unbiased(
    resampler_type: Callable[[MixtureResampler], Resampler],
    bandwidth: float,
    circular: bool,
    scheme: IndexScheme,
) -> None:
    """|z| < 4 for each of the seven parameters (20,000 repetitions)."""
    function = periodic_function if circular else smooth_function
    samples = sampled_gradients(
        resampler_type, bandwidth, circular=circular, scheme=scheme, function=function
    )
    standard_error = samples.gradient.std(0) / REPETITIONS**0.5
    error = samples.gradient.mean(0) - exact_gradient(bandwidth, circular, function)
    assert (error.abs() < 4 * standard_error + 1e-7).all(), error / standard_error


@pytest.mark.parametrize("resampler_type", [ImportanceWeighted, ComponentWeighted])
@pytest.mark.parametrize("scheme", [multinomial, stratified], ids=["multinomial", "stratified"])
@pytest.mark.parametrize(("bandwidth", "circular"), [(0.3, False), (1.0, False), (0.2, True)])
def test_mixture_gradient_is_unbiased(
    resampler_type: Callable[[MixtureResampler], Resampler],
    scheme: IndexScheme,
    bandwidth: float,
    circular: bool,
) -> None:
    """Specification 8."""
    check_unbiased(resampler_type, bandwidth, circular, scheme)


def test_truncated_gradient_is_not_unbiased() -> None:
    """Specification 8."""

    def attached_but_unweighted(resampler: MixtureResampler) -> Resampler:
        def draw(state: Tensor, log_weights: Tensor, count: int, generator: torch.Generator):
            drawn = resampler(state, log_weights, count, generator)
            zero = 0.0 * (state.sum() + log_weights.sum() + resampler.kernel.bandwidth.sum())
            return drawn._replace(log_weights=drawn.log_weights + zero)

        return draw

    with pytest.raises(AssertionError):
        check_unbiased(attached_but_unweighted, 0.3, False, stratified)


@pytest.mark.parametrize("circular", [False, True])
def test_weight_derivatives_are_the_analytic_ones(circular: bool) -> None:
    """Specification 8: d w_j / d(x, w, h) in closed form, with responsibilities r_ij."""
    width = torch.tensor([0.4], dtype=F64, requires_grad=True)
    centres = torch.tensor(CENTRES, dtype=F64).reshape(1, 3, 1).requires_grad_()
    weights = torch.tensor([WEIGHTS], dtype=F64, requires_grad=True)
    resampler = ImportanceWeighted(MixtureResampler(kernel(width, circular)))
    drawn = resampler(centres, weights.log(), 1, torch.Generator().manual_seed(22))
    gradient = torch.autograd.grad(drawn.log_weights.exp().sum(), (centres, weights, width))
    difference = drawn.state[0, 0, 0] - torch.tensor(CENTRES, dtype=F64)
    if circular:
        kappa = 1.0 / (width.detach() + 1e-8)
        density = torch.exp(kappa * difference.cos()) / torch.special.i0(kappa) / (2 * math.pi)
        slope = kappa * difference.sin()
        ratio = torch.special.i1e(kappa) / torch.special.i0e(kappa)
        by_width = -(kappa**2) * (difference.cos() - ratio)
    else:
        h = width.detach()
        density = torch.exp(-0.5 * (difference / h) ** 2) / (h * math.sqrt(2 * math.pi))
        slope = difference / h**2
        by_width = ((difference / h) ** 2 - 1) / h
    total = (weights.detach()[0] * density).sum()
    share = weights.detach()[0] * density / total
    torch.testing.assert_close(gradient[0][0, :, 0], share * slope, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(gradient[1][0], density / total, atol=1e-8, rtol=1e-8)
    torch.testing.assert_close(gradient[2][0], (share * by_width).sum(), atol=1e-8, rtol=1e-8)


@pytest.mark.parametrize("resampler_type", [ImportanceWeighted, ComponentWeighted])
def test_importance_weights_are_one_and_samples_are_detached(
    resampler_type: Callable[[MixtureResampler], Resampler],
) -> None:
    """Specification 7."""
    samples = sampled_gradients(resampler_type, 0.3)
    assert not samples.pose.requires_grad
    assert torch.equal(samples.log_weights, torch.full_like(samples.log_weights, -math.log(DRAWS)))


def test_without_gradients_the_density_is_not_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*arguments: object) -> Tensor:
        raise AssertionError("the density was evaluated")

    monkeypatch.setattr(mixture, "log_prob", never)
    resampler = ImportanceWeighted(MixtureResampler(kernel(torch.tensor([0.3], dtype=F64))))
    state = torch.zeros(1, 4, 1, dtype=F64)
    even = torch.full((1, 4), -math.log(4.0), dtype=F64)
    resampler(state, even, 4, torch.Generator().manual_seed(23))
    with torch.no_grad():
        resampler(state.requires_grad_(), even, 4, torch.Generator().manual_seed(23))
    with pytest.raises(AssertionError, match="evaluated"):
        resampler(state.requires_grad_(), even, 4, torch.Generator().manual_seed(23))


# bandwidth: std of d/d(centre 2), d/d(weight 2) for multinomial and stratified; of d/d(bandwidth)
VARIANCE_TABLE = {
    1.0: ((0.046, 0.045), (0.118, 0.109), 0.24),
    0.3: ((0.211, 0.200), (0.089, 0.056), 0.55),
    0.1: ((0.516, 0.521), (0.074, 0.020), 1.45),
    0.03: ((1.69, 1.68), (0.072, 0.006), 4.73),
}


@pytest.mark.parametrize("bandwidth", list(VARIANCE_TABLE))
def test_gradient_spread_is_that_of_the_specification(bandwidth: float) -> None:
    """Specification 9: the table of 2.3, two or three digits; 20,000 repetitions, 5 %."""
    by_centre, by_weight, by_bandwidth = VARIANCE_TABLE[bandwidth]
    for column, scheme in enumerate((multinomial, stratified)):
        spread = sampled_gradients(ImportanceWeighted, bandwidth, scheme=scheme).gradient.std(0)
        assert spread[1].item() == pytest.approx(by_centre[column], rel=0.05, abs=6e-4)
        assert spread[4].item() == pytest.approx(by_weight[column], rel=0.05, abs=6e-4)
        assert spread[6].item() == pytest.approx(by_bandwidth, rel=0.05)


def test_soft_resampling_at_its_ends() -> None:
    """Specification 11."""
    log_weights = torch.tensor([[0.1, 0.6, 0.3, 0.0]], dtype=F64).log().requires_grad_()
    state = torch.arange(4, dtype=F64).reshape(1, 4, 1)
    uniform = Soft(1.0, multinomial)(state, log_weights, 40_000, torch.Generator().manual_seed(24))
    counts = torch.bincount(uniform.ancestors[0], minlength=4) / 40_000
    assert ((counts - 0.25).abs() < 5 * math.sqrt(0.25 * 0.75 / 40_000)).all()
    expected = log_weights[0, uniform.ancestors[0]] + math.log(4.0) - math.log(40_000)
    torch.testing.assert_close(uniform.log_weights[0], expected)
    plain = Soft(0.0)(state, log_weights, 8, torch.Generator().manual_seed(25))
    torch.testing.assert_close(plain.log_weights.exp(), torch.full((1, 8), 1 / 8, dtype=F64))
    (gradient,) = torch.autograd.grad(
        (plain.log_weights.exp() * plain.state[..., 0]).sum(), log_weights
    )
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_soft_resampling_keeps_expectations() -> None:
    """Specification 11: means of 1 and x over 20,000 rows, 5 s.e.; equal weights would fail."""
    log_weights = torch.tensor([0.1, 0.6, 0.3, 0.0], dtype=F64).log().expand(20_000, 4)
    state = torch.tensor([1.0, -2.0, 4.0, 9.0], dtype=F64).reshape(1, 4, 1).expand(20_000, 4, 1)
    drawn = Soft(0.3)(state, log_weights, 6, torch.Generator().manual_seed(26))
    for values, exact in ((torch.ones(20_000, 6, dtype=F64), 1.0), (drawn.state[..., 0], 0.1)):
        sums = (drawn.log_weights.exp() * values).sum(-1)
        assert abs(sums.mean() - exact) < 5 * sums.std() / 20_000**0.5
        if exact != 1.0:
            assert abs(values.mean() - exact) > 5 * values.mean(-1).std() / 20_000**0.5


def test_stop_gradient_is_unbiased_in_the_weights() -> None:
    """Specification 11."""
    log_weights = torch.tensor(WEIGHTS, dtype=F64).log().expand(REPETITIONS, 3).clone()
    log_weights.requires_grad_()
    state = torch.tensor(CENTRES, dtype=F64).reshape(1, 3, 1).expand(REPETITIONS, 3, 1)
    resampler = StopGradient(multinomial)
    drawn = resampler(state, log_weights, DRAWS, torch.Generator().manual_seed(27))
    assert torch.equal(
        drawn.log_weights.detach(), torch.full_like(drawn.log_weights, -math.log(DRAWS))
    )
    values = smooth_function(drawn.state[..., 0])
    (gradient,) = torch.autograd.grad((drawn.log_weights.exp() * values).sum(), log_weights)
    exact = torch.tensor(WEIGHTS, dtype=F64) * smooth_function(torch.tensor(CENTRES, dtype=F64))
    error = (gradient.mean(0) - exact).abs()
    assert (error < 4 * gradient.std(0) / REPETITIONS**0.5).all()


def test_truncated_resampling_detaches() -> None:
    """Specification 11."""
    state = torch.randn(1, 5, 1, generator=torch.Generator().manual_seed(28)).requires_grad_()
    log_weights = torch.zeros(1, 5).log_softmax(-1).requires_grad_()
    for inner in (IndexResampler(), StopGradient(), Soft(0.5)):
        drawn = Truncated(inner)(state, log_weights, 5, torch.Generator().manual_seed(29))
        assert not drawn.state.requires_grad
        assert not drawn.log_weights.requires_grad
