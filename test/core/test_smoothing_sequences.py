"""Smoothing over sequences: two filters and backward simulation (specification: 16, 20, 22, 23)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mdps_ros.core import filtering
from mdps_ros.core.backward_simulation import backward_simulation
from mdps_ros.core.kernels import gaussian_log_prob
from mdps_ros.core.resampling import IndexResampler, MixtureResampler
from mdps_ros.core.smoothing import combine_two_filter
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs

from .gaussians import Generative, Normal, check_moments, line_kernel
from .oracles import F64, ScalarModel, ScalarSystem, scalar_kalman, scalar_system, simulate


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
