"""Backward simulation and backward weights against the exact smoother (specification: 23)."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from mdps_ros.core.backward_simulation import LogTransition, backward_simulation, backward_weights
from mdps_ros.core.kernels import gaussian_log_prob
from mdps_ros.core.mdps import filter_sequence
from mdps_ros.core.resampling import IndexResampler
from mdps_ros.core.types import Belief
from mdps_ros.core.weights import DegenerateWeightsError, uniform

from .oracles import F64, ScalarModel, ScalarSystem, scalar_system
from .scalar_smoothing import repeated_sequence, rts

ROWS, COUNT, STEPS = 30, 300, 6
SHARP = scalar_system()._replace(q=0.01, r=0.05)


def filtered(
    system: ScalarSystem, surprise: float, count: int = COUNT
) -> tuple[list[Belief], LogTransition, tuple[Tensor, Tensor]]:
    """Beliefs of bootstrap filters (rows) on one data set, the motion's density, the answer.

    The measurements drift by `surprise` from the first to the last.
    """
    inputs, measurements, controls = repeated_sequence(scalar_system(), STEPS, ROWS, seed=93)
    drift = torch.linspace(0, surprise, STEPS, dtype=F64)
    inputs = [
        step._replace(measurement=step.measurement + extra)
        for step, extra in zip(inputs, drift, strict=True)
    ]
    model, generator = ScalarModel(system), torch.Generator().manual_seed(92)
    start = model.sample_initial(ROWS, count, None, generator)
    moved = model.propagate(start, inputs[0].control, 1.0, generator)
    prior = Belief(moved, uniform(ROWS, count, moved))
    records = filter_sequence(prior, inputs, model, IndexResampler(), generator)

    def log_transition(t: int, state: Tensor, following: Tensor) -> Tensor:
        mean = system.a * state[..., 0] + inputs[t + 1].control[:, None]
        error = following[..., 0].unsqueeze(-1) - mean.unsqueeze(1)
        return gaussian_log_prob(error, torch.tensor(math.sqrt(system.q), dtype=F64))

    beliefs = [Belief(record.state, record.log_weights) for record in records]
    return beliefs, log_transition, rts(system, measurements + drift, controls)


def simulated(beliefs: list[Belief], log_transition: LogTransition) -> tuple[Tensor, Tensor]:
    """Means and variances (rows, T) of 100 paths."""
    generator = torch.Generator().manual_seed(94)
    paths = backward_simulation(beliefs, log_transition, 100, generator)
    assert paths.shape == (ROWS, STEPS, 100, 1)
    return paths[..., 0].mean(-1), paths[..., 0].var(-1)


def reweighted(beliefs: list[Belief], log_transition: LogTransition) -> tuple[Tensor, Tensor]:
    """The same of the forward particles under their smoothed weights."""
    smoothed = torch.stack(backward_weights(beliefs, log_transition), 1).exp()
    torch.testing.assert_close(smoothed.sum(-1), torch.ones(ROWS, STEPS, dtype=F64))
    x = torch.stack([belief.state[..., 0] for belief in beliefs], 1)
    mean = (smoothed * x).sum(-1)
    return mean, (smoothed * (x - mean.unsqueeze(-1)) ** 2).sum(-1)


METHODS = pytest.mark.parametrize("method", [simulated, reweighted])
Method = Callable[[list[Belief], LogTransition], tuple[Tensor, Tensor]]


def check_against_rts(estimates: tuple[Tensor, Tensor], exact: tuple[Tensor, Tensor]) -> None:
    """Means and variances within 5 standard errors over the rows, plus a bias of 5e-3."""
    for estimate, truth in zip(estimates, exact, strict=True):
        error = (estimate.mean(0) - truth).abs()
        assert (error < 5 * estimate.std(0) / ROWS**0.5 + 5e-3).all(), error


@METHODS
def test_backward_smoothing_equals_rts(method: Method) -> None:
    beliefs, log_transition, exact = filtered(scalar_system(), 0.0)
    check_against_rts(method(beliefs, log_transition), exact)


@METHODS
def test_backward_smoothing_with_another_times_motion_does_not(method: Method) -> None:
    beliefs, log_transition, exact = filtered(scalar_system(), 0.0)

    def late(t: int, state: Tensor, following: Tensor) -> Tensor:
        return log_transition((t + 1) % (STEPS - 1), state, following)

    with pytest.raises(AssertionError):
        check_against_rts(method(beliefs, late), exact)


def test_the_filters_own_weights_are_not_smoothed() -> None:
    beliefs, _, exact = filtered(scalar_system(), 0.0)

    def no_information(t: int, state: Tensor, following: Tensor) -> Tensor:
        return torch.zeros(ROWS, COUNT, COUNT, dtype=F64)

    with pytest.raises(AssertionError):
        check_against_rts(reweighted(beliefs, no_information), exact)


@METHODS
def test_backward_smoothing_degrades_where_the_future_is_informative(method: Method) -> None:
    """A sharp surprise: little noise on the way, and the measurements far off the prediction."""
    errors = []
    for system, surprise in ((scalar_system(), 0.0), (SHARP, 3.0)):
        beliefs, log_transition, (means, variances) = filtered(system, surprise)
        error = method(beliefs, log_transition)[0][:, 0] - means[0]
        errors.append(error.square().mean().sqrt() / variances[0].sqrt())
    assert errors[1] > 2 * errors[0], errors


def test_backward_weights_pass_gradients_to_the_motion() -> None:
    beliefs, log_transition, _ = filtered(scalar_system(), 0.0, count=20)
    scale = torch.ones((), dtype=F64, requires_grad=True)
    smoothed = backward_weights(beliefs, lambda t, x, z: scale * log_transition(t, x, z))
    (gradient,) = torch.autograd.grad((smoothed[0].exp() * beliefs[0].state[..., 0]).sum(), scale)
    assert bool(torch.isfinite(gradient))
    assert bool(gradient != 0)


def test_a_jump_that_the_motion_excludes_is_an_error() -> None:
    beliefs, log_transition, _ = filtered(scalar_system(), 0.0, count=20)

    def never(t: int, state: Tensor, following: Tensor) -> Tensor:
        return log_transition(t, state, following).fill_(-math.inf)

    with pytest.raises(DegenerateWeightsError):
        backward_weights(beliefs, never)


def test_a_particle_without_weight_leaves_the_gradients_of_the_others_finite() -> None:
    states = [torch.randn(1, 3, 1, generator=torch.Generator().manual_seed(k)) for k in (1, 2)]
    first, second = (state.double().requires_grad_() for state in states)
    dead = torch.tensor([[0.5, 0.5, 0.0]], dtype=F64).log()
    even = uniform(1, 3, dead)

    def move(time: int, state: Tensor, later: Tensor) -> Tensor:
        return -0.5 * (later[:, :, None, 0] - state[:, None, :, 0]).square()

    found = backward_weights([Belief(first, dead), Belief(second, even)], move)
    assert torch.isneginf(found[0][0, 2])
    grads = torch.autograd.grad(found[0][0, 0], (first, second))
    assert all(gradient.isfinite().all() for gradient in grads)
    assert all(gradient.abs().max() > 1e-3 for gradient in grads)
