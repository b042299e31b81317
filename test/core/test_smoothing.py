"""Two-filter combination at one time (specification: 16-19, 21)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mdps_ros.core.smoothing import Proposal, combine_two_filter
from mdps_ros.core.types import Belief

from .gaussians import (
    Generative,
    Normal,
    check_moments,
    draws_of,
    even_mixture,
    mean_and_variance,
    product,
)
from .oracles import F64

ROWS = 60
FORWARD, BACKWARD, Y, R = Normal(-0.6, 1.3), Normal(0.8, 1.35), 0.1, 1.0
BANDWIDTH = 0.3
# off the middle between the filters, where the released gradient's bias would cancel
Y_TO_ONE_SIDE = -1.5
FORWARD_WIDE, BACKWARD_WIDE = (Normal(f.mean, f.variance + 0.09) for f in (FORWARD, BACKWARD))


def combined(
    forward: Normal, backward: Normal, proposal: Proposal, scorer: Generative, count: int = 500
) -> Belief:
    return combine_two_filter(
        even_mixture(draws_of(forward, ROWS, count, 81), BANDWIDTH),
        even_mixture(draws_of(backward, ROWS, count, 82), BANDWIDTH),
        scorer,
        count,
        torch.Generator().manual_seed(83),
        proposal,
    )


def test_combination_is_the_product_of_the_inflated_gaussians() -> None:
    """Specification 16, at one time."""
    belief = combined(FORWARD, BACKWARD, Proposal.SAMPLED, Generative(Y, R))
    assert belief.state.shape == (ROWS, 1000, 1)
    check_moments(belief, product(Normal(Y, R), FORWARD_WIDE, BACKWARD_WIDE), 2e-3)


@pytest.mark.parametrize("proposal", [Proposal.UNION, Proposal.UNION_DETACHED])
def test_union_has_the_same_values_up_to_its_slight_narrowness(proposal: Proposal) -> None:
    belief = combined(FORWARD, BACKWARD, proposal, Generative(Y, R))
    assert belief.state.shape == (ROWS, 1000, 1)
    check_moments(belief, product(Normal(Y, R), FORWARD_WIDE, BACKWARD_WIDE), 2.5e-2)


def test_sets_that_know_the_measurement_count_it_twice() -> None:
    """Specification 17."""
    updated = [product(half, Normal(Y, R)) for half in (FORWARD, BACKWARD)]
    belief = combined(*updated, Proposal.SAMPLED, Generative(Y, R))
    with pytest.raises(AssertionError):
        check_moments(belief, product(Normal(Y, R), FORWARD_WIDE, BACKWARD_WIDE), 2.5e-2)


def test_exchanging_the_filters_changes_nothing() -> None:
    """Specification 20."""
    exact = product(Normal(Y, R), FORWARD_WIDE, BACKWARD_WIDE)
    check_moments(combined(BACKWARD, FORWARD, Proposal.SAMPLED, Generative(Y, R)), exact, 2e-3)


def test_a_prior_of_the_backward_filter_must_be_divided_out() -> None:
    """Specification 18: with the division exact, without it biased as predicted.

    The backward set is gamma * p(future | x).
    """
    gamma = Normal(0.5, 4.0)
    known = product(BACKWARD, gamma)
    wide = Normal(known.mean, known.variance + BANDWIDTH**2)
    precision = 1 / R + 1 / FORWARD_WIDE.variance + 1 / wide.variance - 1 / gamma.variance
    mean = Y / R + FORWARD_WIDE.mean / FORWARD_WIDE.variance + wide.mean / wide.variance
    exact = Normal((mean - gamma.mean / gamma.variance) / precision, 1 / precision)
    divided = combined(FORWARD, known, Proposal.SAMPLED, Generative(Y, R, gamma))
    check_moments(divided, exact, 3e-3)
    plain = combined(FORWARD, known, Proposal.SAMPLED, Generative(Y, R))
    check_moments(plain, product(Normal(Y, R), FORWARD_WIDE, wide), 3e-3)
    with pytest.raises(AssertionError):
        check_moments(plain, exact, 3e-3)


def shift_gradient(proposal: Proposal) -> tuple[Tensor, float]:
    """d(posterior mean)/d(shift of the forward particles) per row at N = 400, and the truth."""
    count = 400
    shift = torch.zeros(ROWS, 1, 1, dtype=F64, requires_grad=True)
    belief = combine_two_filter(
        even_mixture(draws_of(FORWARD, ROWS, count, 84) + shift, BANDWIDTH),
        even_mixture(draws_of(BACKWARD, ROWS, count, 85), BANDWIDTH),
        Generative(Y_TO_ONE_SIDE, R),
        count,
        torch.Generator().manual_seed(86),
        proposal,
    )
    (gradient,) = torch.autograd.grad(mean_and_variance(belief)[0].sum(), shift)
    exact = product(Normal(Y_TO_ONE_SIDE, R), FORWARD_WIDE, BACKWARD_WIDE)
    return gradient.reshape(-1), exact.variance / FORWARD_WIDE.variance


@pytest.mark.parametrize("proposal", [Proposal.SAMPLED, Proposal.UNION])
def test_gradients_of_the_default_and_of_the_attached_union_are_right(proposal: Proposal) -> None:
    """Specification 19: modes A and B."""
    gradient, truth = shift_gradient(proposal)
    assert abs(truth - 0.298) < 1e-3  # variances chosen to give the value of the specification
    standard_error = gradient.std() / ROWS**0.5
    assert standard_error < 0.01
    assert (gradient.mean() - truth).abs() < 4 * standard_error + 5e-3, gradient.mean()


def test_gradient_of_the_released_union_is_a_tenth_too_large() -> None:
    """Specification 19: mode C."""
    gradient, truth = shift_gradient(Proposal.UNION_DETACHED)
    assert 1.05 < gradient.mean() / truth < 1.2, gradient.mean()


def test_disjoint_supports_stay_finite() -> None:
    """Specification 21: clouds 1000 bandwidths apart."""
    points = torch.zeros(2, 40, 1, dtype=F64, requires_grad=True)
    forward, backward = even_mixture(points, 0.1), even_mixture(points + 100.0, 0.1)
    for proposal in Proposal:
        belief = combine_two_filter(
            forward, backward, Generative(0.0, R), 30, torch.Generator().manual_seed(87), proposal
        )
        assert torch.isfinite(belief.log_weights).any(-1).all()
        torch.testing.assert_close(belief.log_weights.exp().sum(-1), torch.ones(2, dtype=F64))
        mean, _ = mean_and_variance(belief)
        (gradient,) = torch.autograd.grad(mean.sum(), points)
        assert torch.isfinite(gradient).all()
