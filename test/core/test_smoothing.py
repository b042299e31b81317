"""Two-filter combination and backward simulation (mdps.md tests 16-23)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import filtering
from mdps_ros.core.kernels import ProductKernel, gaussian_log_prob
from mdps_ros.core.resampling import IndexResampler, MixtureResampler
from mdps_ros.core.smoothing import Proposal, backward_simulation, combine_two_filter
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs

from .oracles import F64, ScalarModel, ScalarSystem, scalar_kalman, scalar_system, simulate

ROWS = 60


def line_kernel(bandwidth: float) -> ProductKernel:
    return ProductKernel(torch.tensor([bandwidth], dtype=F64), (False,))


def even_mixture(points: Tensor, bandwidth: float) -> MixtureBelief:
    even = torch.full(points.shape[:2], -math.log(points.shape[1]), dtype=F64)
    return MixtureBelief(points, even, line_kernel(bandwidth))


class Generative:
    """log p(y | x) + log m_f + log m_b - log gamma for y = x + N(0, r)."""

    def __init__(self, y: Tensor | float, r: float, gamma: tuple[float, float] | None = None):
        self.y, self.r, self.gamma = y, r, gamma

    def __call__(self, points: Tensor, log_forward: Tensor, log_backward: Tensor) -> Tensor:
        x = points[..., 0]
        score = -0.5 * (x - self.y) ** 2 / self.r + log_forward + log_backward
        if self.gamma is not None:
            score = score + 0.5 * (x - self.gamma[0]) ** 2 / self.gamma[1]
        return score


class Normal(NamedTuple):
    mean: float
    variance: float


def product(*factors: Normal) -> Normal:
    precision = sum(1 / factor.variance for factor in factors)
    return Normal(sum(f.mean / f.variance for f in factors) / precision, 1 / precision)


FORWARD, BACKWARD, Y, R = Normal(-0.6, 1.3), Normal(0.8, 1.35), 0.1, 1.0
BANDWIDTH = 0.3
# off the middle between the filters, where the released gradient's bias would cancel
Y_TO_ONE_SIDE = -1.5
FORWARD_WIDE, BACKWARD_WIDE = (Normal(f.mean, f.variance + 0.09) for f in (FORWARD, BACKWARD))


def draws_of(normal: Normal, rows: int, count: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(rows, count, 1, generator=generator, dtype=F64)
    return normal.mean + math.sqrt(normal.variance) * noise


def mean_and_variance(belief: Belief) -> tuple[Tensor, Tensor]:
    weights = belief.log_weights.exp()
    mean = (weights * belief.state[..., 0]).sum(-1)
    return mean, (weights * (belief.state[..., 0] - mean[:, None]) ** 2).sum(-1)


def check_moments(belief: Belief, exact: Normal, bias: float) -> None:
    """Mean and variance over the rows within 5 standard errors, plus a 1/N bias."""
    for estimate, truth in zip(mean_and_variance(belief), exact, strict=True):
        error = (estimate.mean() - truth).abs()
        assert error < 5 * estimate.std() / len(estimate) ** 0.5 + bias, (estimate.mean(), truth)


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
    belief = combined(FORWARD, BACKWARD, Proposal.SAMPLED, Generative(Y, R))
    assert belief.state.shape == (ROWS, 1000, 1)
    check_moments(belief, product(Normal(Y, R), FORWARD_WIDE, BACKWARD_WIDE), 2e-3)


@pytest.mark.parametrize("proposal", [Proposal.UNION, Proposal.UNION_DETACHED])
def test_union_has_the_same_values_up_to_its_slight_narrowness(proposal: Proposal) -> None:
    belief = combined(FORWARD, BACKWARD, proposal, Generative(Y, R))
    assert belief.state.shape == (ROWS, 1000, 1)
    check_moments(belief, product(Normal(Y, R), FORWARD_WIDE, BACKWARD_WIDE), 2.5e-2)


def test_sets_that_know_the_measurement_count_it_twice() -> None:
    updated = [product(half, Normal(Y, R)) for half in (FORWARD, BACKWARD)]
    belief = combined(*updated, Proposal.SAMPLED, Generative(Y, R))
    with pytest.raises(AssertionError):
        check_moments(belief, product(Normal(Y, R), FORWARD_WIDE, BACKWARD_WIDE), 2.5e-2)


def test_exchanging_the_filters_changes_nothing() -> None:
    exact = product(Normal(Y, R), FORWARD_WIDE, BACKWARD_WIDE)
    check_moments(combined(BACKWARD, FORWARD, Proposal.SAMPLED, Generative(Y, R)), exact, 2e-3)


def test_a_prior_of_the_backward_filter_must_be_divided_out() -> None:
    """Backward set gamma * p(future | x); with the division exact, without it as predicted."""
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
    gradient, truth = shift_gradient(proposal)
    assert abs(truth - 0.298) < 1e-3  # the example of mdps.md 5.1
    standard_error = gradient.std() / ROWS**0.5
    assert standard_error < 0.01
    assert (gradient.mean() - truth).abs() < 4 * standard_error + 5e-3, gradient.mean()


def test_gradient_of_the_released_union_is_a_tenth_too_large() -> None:
    gradient, truth = shift_gradient(Proposal.UNION_DETACHED)
    assert 1.05 < gradient.mean() / truth < 1.2, gradient.mean()


def test_disjoint_supports_stay_finite() -> None:
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


class ReversedModel(ScalarModel):
    """x_t from x_t+1 by the inverse motion; its first particles are flat on [-8, 8]."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Tensor:
        return 16.0 * torch.rand(batch, count, 1, generator=generator, dtype=F64) - 8.0

    def propagate(
        self, state: Tensor, control: Tensor, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        noise = torch.randn(state.shape, generator=generator, dtype=state.dtype)
        return (state - control[:, None, None] - math.sqrt(self.system.q) * noise) / self.system.a


def rts(system: ScalarSystem, measurements: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
    """Smoothed means and variances (T,)."""
    track = scalar_kalman(system, measurements, controls)
    mean, variance = track.mean[0].clone(), track.variance[0].clone()
    a = system.a
    for t in range(len(mean) - 2, -1, -1):
        predicted = a**2 * track.variance[0, t] + system.q
        gain = track.variance[0, t] * a / predicted
        mean[t] += gain * (mean[t + 1] - a * track.mean[0, t] - controls[0, t + 1])
        variance[t] += gain**2 * (variance[t + 1] - predicted)
    return mean, variance


def predictive_sets(
    measurements: Tensor, controls: Tensor, count: int, bandwidth: float
) -> tuple[list[MixtureBelief], list[MixtureBelief]]:
    """Forward sets from the prior on, backward sets from a flat start on; in natural time."""
    system, steps = scalar_system(), measurements.shape[1]
    rows = measurements.shape[0]
    kernel = line_kernel(bandwidth)
    resampler = MixtureResampler(kernel)
    generator = torch.Generator().manual_seed(88)

    def collect(belief: Belief, info: Any) -> MixtureBelief:
        return MixtureBelief(belief.state, info.predicted_log_weights, kernel)

    forward, model = [], ScalarModel(system)
    belief = filtering.init(model, None, rows, count, generator)
    for t in range(steps):
        inputs = StepInputs(controls[:, t], 1.0, measurements[:, t])
        belief, info = filtering.step(belief, inputs, model, resampler, generator)
        forward.append(collect(belief, info))
    reverse = ReversedModel(system)
    belief = filtering.init(reverse, None, rows, count, generator)
    backward = [MixtureBelief(belief.state, belief.log_weights, kernel)]
    belief, _ = filtering.update(belief, measurements[:, -1], reverse)
    for t in range(steps - 2, -1, -1):
        inputs = StepInputs(controls[:, t + 1], 1.0, measurements[:, t])
        belief, info = filtering.step(belief, inputs, reverse, resampler, generator)
        backward.append(collect(belief, info))
    return forward, backward[::-1]


@pytest.mark.parametrize("steps", [1, 5])
def test_two_filter_smoother_equals_rts_at_every_time(steps: int) -> None:
    """Narrow kernels, N = 500, 30 rows; also one frame alone, with priors on both sides."""
    measurements, controls = simulate(scalar_system(), 1, steps, seed=89)
    wide_y, wide_u = measurements.expand(30, -1), controls.expand(30, -1)
    forward, backward = predictive_sets(wide_y, wide_u, 500, 0.05)
    means, variances = rts(scalar_system(), measurements, controls)
    for t in range(steps):
        scorer = Generative(measurements[0, t], scalar_system().r)
        belief = combine_two_filter(
            forward[t], backward[t], scorer, 500, torch.Generator().manual_seed(90)
        )
        check_moments(belief, Normal(means[t].item(), variances[t].item()), 8e-3)


class TwoCorridors:
    """x near -3 or +3; only |x| is seen until the last frame, which shows the side."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Tensor:
        side = torch.where(
            torch.rand(batch, count, 1, generator=generator, dtype=F64) < 0.5, -3.0, 3.0
        )
        return side + 0.3 * torch.randn(side.shape, generator=generator, dtype=F64)

    def propagate(
        self, state: Tensor, control: Any, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        return state + 0.1 * torch.randn(state.shape, generator=generator, dtype=F64)

    def update(self, state: Tensor, measurement: tuple[float, bool]) -> tuple[Tensor, Tensor]:
        value, side_seen = measurement
        x = state[..., 0] if side_seen else state[..., 0].abs()
        return state, gaussian_log_prob(x - value, torch.tensor(0.4, dtype=F64))


def test_the_smoother_knows_the_corridor_that_only_the_end_shows() -> None:
    model, kernel = TwoCorridors(), line_kernel(0.1)
    resampler, generator = MixtureResampler(kernel), torch.Generator().manual_seed(91)
    belief = filtering.init(model, None, 4, 400, generator)
    for _ in range(3):
        inputs = StepInputs(None, 1.0, (3.0, False))
        belief, info = filtering.step(belief, inputs, model, resampler, generator)
    right = (belief.log_weights.exp() * (belief.state[..., 0] > 0)).sum(-1)
    assert ((right - 0.5).abs() < 0.15).all()
    forward = MixtureBelief(belief.state, info.predicted_log_weights, kernel)
    flat = 10.0 * torch.rand(4, 400, 1, generator=generator, dtype=F64) - 5.0
    future = Belief(flat, torch.full((4, 400), -math.log(400), dtype=F64))
    future, _ = filtering.update(future, (3.0, True), model)
    drawn = resampler(future.state, future.log_weights, 400, generator)
    moved = model.propagate(drawn.state, None, 1.0, generator)
    backward = MixtureBelief(moved, drawn.log_weights, kernel)

    def scorer(points: Tensor, log_forward: Tensor, log_backward: Tensor) -> Tensor:
        return model.update(points, (3.0, False))[1] + log_forward + log_backward

    smoothed = combine_two_filter(forward, backward, scorer, 400, generator)
    right = (smoothed.log_weights.exp() * (smoothed.state[..., 0] > 0)).sum(-1)
    assert (right > 0.95).all()


def simulated_paths(
    system: ScalarSystem, measurements: Tensor, controls: Tensor, count: int
) -> Tensor:
    """Backward simulation of 40 filters (rows) over one data set: (rows, T, S)."""
    rows, steps = 40, measurements.shape[1]
    wide_y, wide_u = measurements.expand(rows, -1), controls.expand(rows, -1)
    model, generator = ScalarModel(system), torch.Generator().manual_seed(92)
    belief = filtering.init(model, None, rows, count, generator)
    beliefs = []
    for t in range(steps):
        inputs = StepInputs(wide_u[:, t], 1.0, wide_y[:, t])
        belief, _ = filtering.step(belief, inputs, model, IndexResampler(), generator)
        beliefs.append(belief)

    def log_transition(t: int, state: Tensor, following: Tensor) -> Tensor:
        mean = system.a * state[..., 0] + wide_u[:, t + 1, None]
        error = following[..., 0].unsqueeze(-1) - mean.unsqueeze(1)
        return gaussian_log_prob(error, torch.tensor(math.sqrt(system.q), dtype=F64))

    paths = backward_simulation(beliefs, log_transition, 100, generator)
    assert paths.shape == (rows, steps, 100, 1)
    return paths[..., 0]


def relative_error(system: ScalarSystem, measurements: Tensor, controls: Tensor) -> Tensor:
    """RMS over rows of the smoothed mean's error, in posterior standard deviations: (T,)."""
    means, variances = rts(system, measurements, controls)
    error = simulated_paths(system, measurements, controls, 500).mean(-1) - means
    return error.square().mean(0).sqrt() / variances.sqrt()


def test_backward_simulation_equals_rts() -> None:
    system = scalar_system()
    measurements, controls = simulate(system, 1, 6, seed=93)
    paths = simulated_paths(system, measurements, controls, 500)
    for estimate, truth in zip(
        (paths.mean(-1), paths.var(-1)), rts(system, measurements, controls), strict=True
    ):
        error = (estimate.mean(0) - truth).abs()
        assert (error < 5 * estimate.std(0) / 40**0.5 + 5e-3).all(), error


def test_backward_simulation_degrades_where_the_future_is_informative() -> None:
    """A sharp surprise: little noise on the way, and the measurements far off the prediction."""
    system = scalar_system()
    measurements, controls = simulate(system, 1, 6, seed=93)
    usual = relative_error(system, measurements, controls)
    sharp = ScalarSystem(system.a, 0.01, 0.05, system.m0, system.p0)
    surprising = measurements + torch.linspace(0, 3, 6, dtype=F64)
    assert relative_error(sharp, surprising, controls)[0] > 2 * usual[0]
