"""The negative log-likelihood of a mixture (specification: 28)."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mdps_ros.core import mixture, nll
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.types import MixtureBelief

F64 = torch.float64


def belief(metres_per_unit: float) -> MixtureBelief:
    """The same belief with its plane measured in another unit."""
    scale = torch.tensor([metres_per_unit, metres_per_unit, 1.0], dtype=F64)
    poses = torch.tensor([[[1.0, 2.0, 0.3], [2.5, 1.0, 0.5]]], dtype=F64)
    log_weights = torch.tensor([[0.4, 0.6]], dtype=F64).log()
    bandwidth = torch.tensor([0.8, 1.1, 0.05], dtype=F64)
    return MixtureBelief(poses / scale, log_weights, pose_kernel(bandwidth / scale))


def truth(metres_per_unit: float, x_m: float = 1.4) -> Tensor:
    return torch.tensor([[x_m / metres_per_unit, 1.7 / metres_per_unit, 0.2]], dtype=F64)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_loss_is_floored_and_flat_where_there_is_no_density(dtype: torch.dtype) -> None:
    """Specification 28: -log(p + 1e-8) <= 18.4207, also for p = 0, with gradient 0."""
    log_density = torch.tensor([-math.inf, -1e5, -40.0], dtype=dtype, requires_grad=True)
    value = nll.floored_nll(log_density)
    assert (value <= 18.4207).all()
    assert (value > 18.4206).all()
    (gradient,) = torch.autograd.grad(value.sum(), log_density)
    assert (gradient.abs() < 1e-9).all()


def test_loss_is_the_negative_log_of_density_and_floor() -> None:
    """Specification 28."""
    density = torch.tensor([1e-9, 1e-8, 1e-3, 1.0, 50.0], dtype=F64)
    torch.testing.assert_close(nll.floored_nll(density.log()), -(density + 1e-8).log())


def test_far_truth_meets_the_floor_and_plain_likelihood_does_not() -> None:
    """Specification 28."""
    far = truth(1.0, x_m=500.0)
    assert nll.mixture_nll(belief(1.0), far).item() == pytest.approx(nll.HIGHEST_NLL)
    assert -mixture.log_prob(belief(1.0), far[:, None]).item() > 1e4


def test_half_metre_pixels_cost_two_log_two_more_than_metres() -> None:
    """Specification 28: of the belief itself in both units; the floor is below 1e-6 here."""
    in_metres = nll.mixture_nll(belief(1.0), truth(1.0))
    in_pixels = nll.mixture_nll(belief(0.5), truth(0.5))
    assert (in_pixels - in_metres).item() == pytest.approx(2.0 * math.log(2.0), abs=1e-6)
    converted = nll.nll_in_metres(in_pixels, 0.5)
    torch.testing.assert_close(converted, in_metres, atol=1e-6, rtol=0)
    wrong_way = nll.nll_in_metres(in_metres, 0.5)
    assert abs(wrong_way - in_pixels) > 1.0


def test_the_gradient_of_the_loss_is_the_share_of_the_density() -> None:
    """Half of it where the density equals the floor."""
    log_density = torch.tensor([math.log(1e-8), 0.0], dtype=F64, requires_grad=True)
    (gradient,) = torch.autograd.grad(nll.floored_nll(log_density).sum(), log_density)
    assert gradient.tolist() == pytest.approx([-0.5, -1.0], abs=1e-6)
