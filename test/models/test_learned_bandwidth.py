"""Learned bandwidths (specification: 4)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.types import MixtureBelief
from mdps_ros.models.learned.bandwidth import Bandwidth

START, MINIMUM = (0.75, 0.5, 0.03), (0.1, 0.2, 0.001)


def check_above_minimum(beta: Tensor) -> None:
    assert (beta > torch.tensor(MINIMUM)).all()


def test_bandwidth_is_the_start_plus_the_minimum_and_never_less_than_that() -> None:
    """Specification 4: the minimum is added; even rho = -8 stays above it."""
    bandwidth = Bandwidth(START, MINIMUM, 2)
    expected = torch.tensor(START) + torch.tensor(MINIMUM)
    torch.testing.assert_close(bandwidth(), expected.expand(2, 3))
    with torch.no_grad():
        bandwidth.rho.fill_(-8.0)
    check_above_minimum(bandwidth())
    with pytest.raises(AssertionError):
        check_above_minimum(bandwidth.rho.exp())


def test_gradient_reaches_rho_also_far_below_the_minimum() -> None:
    """Specification 4: where a clamped bandwidth would have none."""
    bandwidth = Bandwidth(START, MINIMUM, 1)
    with torch.no_grad():
        bandwidth.rho.fill_(-8.0)
    poses = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(1))
    even = torch.zeros(4, 5).log_softmax(-1)
    density = mixture.log_prob(MixtureBelief(poses, even, bandwidth.kernel(4)), poses)
    (gradient,) = torch.autograd.grad(density.sum(), bandwidth.rho)
    assert (gradient != 0).all()
    clamped = torch.maximum(bandwidth.rho.exp(), bandwidth.minimum)
    (gradient,) = torch.autograd.grad(clamped.sum(), bandwidth.rho)
    assert (gradient == 0).all()


def test_rows_of_a_member_share_its_bandwidth_and_members_do_not() -> None:
    """Specification 4: row b of 6 belongs to member b // 3."""
    bandwidth = Bandwidth(START, MINIMUM, 2)
    with torch.no_grad():
        bandwidth.rho[1] += 1.0
    rows = bandwidth.kernel(6).bandwidth
    assert rows.shape == (6, 3)
    assert torch.equal(rows, bandwidth()[torch.tensor([0, 0, 0, 1, 1, 1])])
    (gradient,) = torch.autograd.grad(rows[:3].sum(), bandwidth.rho)
    assert (gradient[0] != 0).all()
    assert (gradient[1] == 0).all()


@pytest.mark.parametrize(
    ("start", "minimum"), [((0.0, 1.0, 1.0), MINIMUM), (START, (-1.0, 0.0, 0.0))]
)
def test_impossible_starts_are_refused(
    start: tuple[float, ...], minimum: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        Bandwidth(start, minimum, 1)
