"""Kernels: densities, periodicity, gradients, exact sampling (specification: 1, 2, 6)."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core import kernels
from mdps_ros.core.kernels import ProductKernel, concentration

F64 = torch.float64


@pytest.mark.parametrize("bandwidth", [0.001, 0.01, 0.05, 1.0, 1000.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(F64, 1e-8), (torch.float32, 1e-4)])
def test_von_mises_integrates_to_one(
    bandwidth: float, dtype: torch.dtype, tolerance: float
) -> None:
    """Specification 1."""
    grid = torch.linspace(-math.pi, math.pi, 4097, dtype=dtype)[:-1]
    kappa = concentration(torch.tensor(bandwidth, dtype=dtype))
    density = kernels.von_mises_log_prob(grid, kappa).exp()
    assert abs(density.double().mean().item() * 2 * math.pi - 1) < tolerance


def test_gaussian_integrates_to_one() -> None:
    """Specification 1."""
    grid = torch.linspace(-8, 8, 4001, dtype=F64)
    density = kernels.gaussian_log_prob(grid, torch.tensor(0.7, dtype=F64)).exp()
    assert abs(torch.trapezoid(density, grid).item() - 1) < 1e-8


@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_sharp_von_mises_is_finite_opposite_its_centre(dtype: torch.dtype) -> None:
    """Specification 1."""
    value = kernels.von_mises_log_prob(
        torch.tensor(math.pi, dtype=dtype), torch.tensor(1000.0, dtype=dtype)
    )
    expected = -2000 - 0.5 * math.log(2 * math.pi) + 0.5 * math.log(1000)
    assert abs(value.item() - expected) < 1e-3 * 2000


def pose_kernel() -> ProductKernel:
    return kernels.pose_kernel(torch.tensor([0.5, 0.8, 0.02], dtype=F64))


def test_product_kernel_is_the_product_of_its_dimensions() -> None:
    generator = torch.Generator().manual_seed(0)
    points, centres = torch.randn(2, 3, 4, 3, generator=generator, dtype=F64)
    difference = points - centres
    width = pose_kernel().bandwidth
    expected = (
        kernels.gaussian_log_prob(difference[..., 0], width[0])
        + kernels.gaussian_log_prob(difference[..., 1], width[1])
        + kernels.von_mises_log_prob(difference[..., 2], concentration(width[2]))
    )
    torch.testing.assert_close(pose_kernel().log_prob(points, centres), expected)
    per_row = kernels.pose_kernel(width.expand(3, 3))
    torch.testing.assert_close(per_row.log_prob(points, centres), expected)


def check_period(kernel: ProductKernel) -> None:
    """Whole turns change the log-density by less than 1e-9, and so does a step over the cut."""
    centre = torch.tensor([[[0.1, 0.2, math.pi - 0.01]]], dtype=F64)
    turn = torch.tensor([0.0, 0.0, 2 * math.pi], dtype=F64)
    point = torch.tensor([[[0.3, 0.1, 3.0]]], dtype=F64)
    value = kernel.log_prob(point, centre)
    for turns in (-2, 1, 5):
        torch.testing.assert_close(
            kernel.log_prob(point + turns * turn, centre), value, atol=1e-9, rtol=0
        )
    before = torch.tensor([[[0.3, 0.1, math.pi - 1e-12]]], dtype=F64)
    after = torch.tensor([[[0.3, 0.1, -math.pi + 1e-12]]], dtype=F64)
    torch.testing.assert_close(
        kernel.log_prob(before, centre), kernel.log_prob(after, centre), atol=1e-9, rtol=0
    )


def test_product_kernel_has_period_two_pi_and_is_continuous_at_the_cut() -> None:
    """Specification 2."""
    check_period(pose_kernel())


def test_a_kernel_that_takes_the_angle_for_a_length_has_no_period() -> None:
    """Specification 2."""
    with pytest.raises(AssertionError):
        check_period(ProductKernel(pose_kernel().bandwidth, (False, False, False)))


def test_gradient_at_the_centre_is_kappa_sine() -> None:
    """Specification 2."""
    centre = torch.tensor([[[0.1, 0.2, 3.1]]], dtype=F64, requires_grad=True)
    point = torch.tensor([[[0.3, 0.1, -3.0]]], dtype=F64)
    pose_kernel().log_prob(point, centre).sum().backward()
    kappa = concentration(torch.tensor(0.02, dtype=F64))
    expected = torch.tensor([0.2 / 0.25, -0.1 / 0.64, kappa * math.sin(-3.0 - 3.1)], dtype=F64)
    torch.testing.assert_close(centre.grad[0, 0], expected)


def test_gradient_reaches_the_bandwidth() -> None:
    """Specification 4."""
    log_excess = torch.tensor([0.1, -0.2, -4.0], dtype=F64, requires_grad=True)
    points = torch.tensor([[[0.3, 0.1, 0.2]]], dtype=F64)

    def value(rho: torch.Tensor) -> torch.Tensor:
        return kernels.pose_kernel(rho.exp() + 0.01).log_prob(points, torch.zeros_like(points))

    assert torch.autograd.gradcheck(value, (log_excess,))


@pytest.mark.parametrize("kappa", [1e-3, 0.5, 5.0, 1000.0])
@pytest.mark.parametrize("dtype", [F64, torch.float32])
def test_von_mises_sampler_has_the_distribution_of_its_density(
    kappa: float, dtype: torch.dtype
) -> None:
    """Specification 6: chi-square over 40 bins of 400,000 draws; 5 sigma of its degrees."""
    count = 400_000
    generator = torch.Generator().manual_seed(7)
    draws = kernels.sample_von_mises(torch.tensor(kappa, dtype=dtype), (4, count // 4), generator)
    assert draws.dtype == dtype
    half = min(math.pi, 4.0 / math.sqrt(kappa))
    edges = torch.linspace(-half, half, 41, dtype=F64)
    fine = torch.linspace(-half, half, 40 * 64 + 1, dtype=F64)
    middle = 0.5 * (fine[1:] + fine[:-1])
    density = kernels.von_mises_log_prob(middle, torch.tensor(kappa, dtype=F64)).exp()
    expected = density.reshape(40, 64).mean(-1) * (2 * half / 40) * count
    observed = torch.histogram(draws.double().reshape(-1), bins=edges).hist
    chi_square = ((observed - expected).square() / expected)[expected > 5].sum().item()
    degrees = int((expected > 5).sum())
    assert chi_square < degrees + 5 * math.sqrt(2 * degrees), chi_square


def test_wrapped_normal_is_not_the_von_mises_sampler() -> None:
    """Specification 6, and why the sampler is exact: at kappa = 5 the spreads differ."""
    generator = torch.Generator().manual_seed(7)
    kappa = torch.tensor(5.0, dtype=F64)
    exact = (torch.special.i1e(kappa) / torch.special.i0e(kappa)).item()
    draws = kernels.sample_von_mises(kappa, (200_000,), generator).cos()
    wrapped = (torch.randn(200_000, generator=generator, dtype=F64) / math.sqrt(5.0)).cos()
    standard_error = draws.std().item() / math.sqrt(200_000)
    assert abs(draws.mean().item() - exact) < 5 * standard_error
    assert abs(wrapped.mean().item() - exact) > 5 * standard_error


def test_kernel_samples_have_no_gradient_and_take_a_width_per_row() -> None:
    """Specification 7."""
    bandwidth = torch.tensor([[0.1, 1.0, 0.001], [2.0, 0.5, 1.0]], dtype=F64, requires_grad=True)
    centres = torch.zeros(2, 50_000, 3, dtype=F64, requires_grad=True)
    draws = kernels.pose_kernel(bandwidth).sample(centres, torch.Generator().manual_seed(2))
    assert not draws.requires_grad
    spread = draws[..., :2].std(1)
    error = (spread / bandwidth[:, :2] - 1).abs()
    assert (error < 5 / math.sqrt(2 * 50_000)).all(), spread
    assert draws[0, :, 2].std() < 0.05 < draws[1, :, 2].std()


def test_a_bandwidth_is_needed_for_each_dimension() -> None:
    with pytest.raises(ValueError, match="2 bandwidths but 3 dimensions"):
        ProductKernel(torch.ones(2), (False, False, True))
