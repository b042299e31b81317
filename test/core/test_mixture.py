"""Kernel mixtures: normalisation, invariances, blocks, moments of samples (specification: 3, 6)."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core import mixture
from mdps_ros.core.kernels import concentration, pose_kernel
from mdps_ros.core.protocols import IndexScheme
from mdps_ros.core.resampling import multinomial, stratified
from mdps_ros.core.types import MixtureBelief

F64 = torch.float64


def small_mixture() -> MixtureBelief:
    poses = torch.tensor(
        [[[0.0, 1.0, 3.1], [2.0, -1.0, -3.0], [-1.0, 0.5, 0.4], [0.3, 0.2, 1.0]]], dtype=F64
    )
    log_weights = torch.tensor([[0.1, 0.45, 0.25, 0.2]], dtype=F64).log()
    return MixtureBelief(poses, log_weights, pose_kernel(torch.tensor([0.6, 0.9, 0.3]).double()))


def some_points(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 2.0 * torch.randn(1, count, 3, generator=generator, dtype=F64)


def test_mixture_integrates_to_one() -> None:
    """Specification 3."""
    line = torch.arange(-6.0, 7.0, 0.2, dtype=F64)
    circle = torch.arange(24, dtype=F64) * (2 * math.pi / 24)
    grid = torch.cartesian_prod(line, line, circle).unsqueeze(0)
    total = mixture.log_prob(small_mixture(), grid).exp().sum() * 0.2**2 * (2 * math.pi / 24)
    assert abs(total.item() - 1) < 1e-3


def test_mixture_is_the_plain_sum_over_its_components() -> None:
    belief, points = small_mixture(), some_points(7, seed=1)
    by_component = torch.stack(
        [belief.kernel.log_prob(points, belief.poses[:, [i]].expand_as(points)) for i in range(4)],
        dim=-1,
    )
    expected = torch.logsumexp(by_component + belief.log_weights[:, None], -1)
    torch.testing.assert_close(mixture.log_prob(belief, points), expected)


def test_order_and_splitting_of_components_do_not_matter() -> None:
    """Specification 3."""
    belief, points = small_mixture(), some_points(9, seed=2)
    value = mixture.log_prob(belief, points)
    order = torch.tensor([2, 0, 3, 1])
    shuffled = belief._replace(
        poses=belief.poses[:, order], log_weights=belief.log_weights[:, order]
    )
    torch.testing.assert_close(mixture.log_prob(shuffled, points), value)
    doubled = torch.cat((belief.log_weights, belief.log_weights[:, :1]), 1)
    doubled[:, [0, 4]] -= math.log(2.0)
    split = belief._replace(
        poses=torch.cat((belief.poses, belief.poses[:, :1]), 1), log_weights=doubled
    )
    torch.testing.assert_close(mixture.log_prob(split, points), value)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    belief, points = small_mixture(), some_points(11, seed=3)
    whole = mixture.log_prob(belief, points)
    monkeypatch.setattr(mixture, "_BLOCK_PAIRS", 12)
    torch.testing.assert_close(mixture.log_prob(belief, points), whole)


def test_gradients_are_right_in_everything() -> None:
    """Specification 2."""
    belief, points = small_mixture(), some_points(3, seed=4)

    def value(*leaves: torch.Tensor) -> torch.Tensor:
        poses, log_weights, bandwidth, at = leaves
        return mixture.log_prob(MixtureBelief(poses, log_weights, pose_kernel(bandwidth)), at)

    leaves = (belief.poses, belief.log_weights, belief.kernel.bandwidth, points)
    assert torch.autograd.gradcheck(value, tuple(x.clone().requires_grad_() for x in leaves))


def test_far_points_and_dead_components_are_finite() -> None:
    belief = small_mixture()
    dead = belief._replace(
        log_weights=torch.tensor([[-math.inf, 0.0, -math.inf, -math.inf]], dtype=F64)
    )
    points = torch.tensor([[[1e4, -1e4, 0.0]]], dtype=F64, requires_grad=True)
    value = mixture.log_prob(dead, points)
    assert torch.isfinite(value).all()
    (gradient,) = torch.autograd.grad(value.sum(), points)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("spread_m", [5.0, 20.0, 100.0, 3000.0])
def test_single_precision_stays_close_however_wide_the_cloud(spread_m: float) -> None:
    """Narrow clouds go through a matrix product, wide ones through differences."""
    generator = torch.Generator().manual_seed(5)
    scale = torch.tensor([spread_m, spread_m, 3.0])
    poses = (torch.randn(1, 500, 3, generator=generator, dtype=F64) * scale).float()
    log_weights = torch.randn(1, 500, generator=generator, dtype=F64).log_softmax(-1)
    width = torch.tensor([1.5, 1.5, 0.01], dtype=F64)
    double = poses.double()
    exact = mixture.log_prob(MixtureBelief(double, log_weights, pose_kernel(width)), double)
    single = mixture.log_prob(
        MixtureBelief(poses, log_weights.float(), pose_kernel(width.float())), poses
    )
    assert (exact - single).abs().max() < 1e-3


def test_both_ways_to_the_exponents_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    belief, points = small_mixture(), some_points(11, seed=9)
    product = mixture.log_prob(belief, points)
    monkeypatch.setattr(mixture, "_ROUNDING", 0.0)
    differences = mixture.log_prob(belief, points)
    torch.testing.assert_close(product, differences, atol=1e-12, rtol=0)
    assert not torch.equal(product, differences), "only one of the two was taken"


def check_moments(belief: MixtureBelief, points: torch.Tensor) -> None:
    """Means, covariance (with + diag(h^2)) and resultant A(kappa) R within 5 standard errors."""
    count = points.shape[1]
    weights, width = belief.log_weights.exp()[0], belief.kernel.bandwidth
    centre = belief.poses[0, :, :2]
    mean = weights @ centre
    covariance = (centre.T * weights) @ centre - mean[:, None] * mean + width[:2].square().diag()
    drawn = points[0, :, :2]
    assert ((drawn.mean(0) - mean).abs() < 5 * drawn.std(0) / count**0.5).all()
    products = (drawn - mean)[:, :, None] * (drawn - mean)[:, None, :]
    assert ((products.mean(0) - covariance).abs() < 5 * products.std(0) / count**0.5).all()
    kappa = concentration(width[2])
    shrink = torch.special.i1e(kappa) / torch.special.i0e(kappa)
    yaw, drawn_yaw = belief.poses[0, :, 2], points[0, :, 2]
    for function in (torch.sin, torch.cos):
        values = function(drawn_yaw)
        error = (values.mean() - shrink * (weights * function(yaw)).sum()).abs()
        assert error < 5 * values.std() / count**0.5


@pytest.mark.parametrize("scheme", [multinomial, stratified])
def test_samples_have_the_moments_of_the_mixture(scheme: IndexScheme) -> None:
    """Specification 6: 200,000 draws."""
    belief, count = small_mixture(), 200_000
    points, index = mixture.sample(belief, count, scheme, torch.Generator().manual_seed(6))
    assert points.shape == (1, count, 3)
    assert index.shape == (1, count)
    check_moments(belief, points)


def test_samples_without_the_kernels_noise_have_not() -> None:
    """Specification 6."""
    belief = small_mixture()
    _, index = mixture.sample(belief, 200_000, multinomial, torch.Generator().manual_seed(6))
    with pytest.raises(AssertionError):
        check_moments(belief, belief.poses[:, index[0]])


def test_mixture_has_period_two_pi_in_points_and_centres() -> None:
    """Specification 2: 1e-9."""
    belief, points = small_mixture(), some_points(9, seed=8)
    value = mixture.log_prob(belief, points)
    turn = torch.tensor([0.0, 0.0, 2 * math.pi], dtype=F64)
    for turns in (-3, 1, 40):
        moved = mixture.log_prob(belief, points + turns * turn)
        torch.testing.assert_close(moved, value, atol=1e-9, rtol=0)
        turned = belief._replace(poses=belief.poses + turns * turn)
        torch.testing.assert_close(mixture.log_prob(turned, points), value, atol=1e-9, rtol=0)
