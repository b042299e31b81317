"""The two-filter combination against RTS on a linear-Gaussian model (rbpf.md 11.4)."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mdps_ros.core import filtering, rb_smoothing, rb_two_filter
from mdps_ros.core.kalman_bank import Predicted
from mdps_ros.core.rb_two_filter import BackwardRecord, SmoothedPoints
from mdps_ros.core.rbpf import RaoBlackwellModel
from mdps_ros.core.resampling import IndexResampler, stratified
from mdps_ros.core.types import StepInputs
from mdps_ros.core.weights import moments

from .backward_oracle import rts
from .conditionally_linear import F64, RandomModel, Sizes

MODEL = RandomModel(Sizes(1, 2, 1), 5, bent=False, radius=0.9)
ROWS, COUNT, STEPS = 40, 100, 12


def marginals() -> list[tuple[Tensor, Tensor]]:
    """Mean and covariance of (xi, z) at every time before any measurement."""
    mean, P = MODEL.mean, MODEL.chol @ MODEL.chol.T
    result = [(mean, P)]
    for _ in range(STEPS - 1):
        mean, P = MODEL.A @ mean, MODEL.A @ P @ MODEL.A.T + MODEL.G @ MODEL.G.T
        result.append((mean, P))
    return result


def as_prior(mean: Tensor, P: Tensor) -> Predicted:
    """gamma_t, wider than the chain's own marginal, which it need not be."""
    chol = torch.linalg.cholesky(1.5 * P).expand(ROWS, 1, -1, -1)
    centre = (mean + 0.2).expand(ROWS, 1, -1)
    return Predicted(
        centre[..., :1], centre[..., 1:], chol[..., :1, :1], chol[..., 1:, :1], chol[..., 1:, 1:]
    )


class Reverse:
    """xi_t given xi_t+1 under the chain without measurements."""

    def __init__(self) -> None:
        self.marginals = marginals()

    def __call__(
        self, t: int, next_pose: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        mean, P = self.marginals[t]
        centre, variance = mean[0].expand(ROWS, COUNT, 1), P[0, 0]
        if next_pose is not None:
            later_mean, later_P = self.marginals[t + 1]
            gain = (MODEL.A @ P)[0, 0] / later_P[0, 0]
            centre = centre + gain * (next_pose - later_mean[0])
            variance = variance - gain * (MODEL.A @ P)[0, 0]
        # twice as wide: the weights have to make up for it
        normal = torch.distributions.Normal(centre, (2.0 * variance).sqrt())
        noise = torch.randn(ROWS, COUNT, 1, generator=generator, dtype=F64)
        pose = centre + normal.scale * noise
        return pose, normal.log_prob(pose).squeeze(-1)


def smoothed_points(measurements: Tensor, *, divide: bool = True) -> list[SmoothedPoints]:
    """At t = 1..T-1; `divide` false leaves gamma in."""
    generator = torch.Generator().manual_seed(30)
    inputs = [StepInputs(None, 1.0, y.expand(ROWS, -1)) for y in measurements]
    belief = filtering.init(RaoBlackwellModel(MODEL), None, ROWS, COUNT, generator)
    forward = rb_smoothing.record_filter(belief, inputs, MODEL, IndexResampler(), generator)
    priors = [as_prior(*marginal) for marginal in marginals()]
    backward = rb_two_filter.backward_filter(
        inputs, priors, MODEL, Reverse(), stratified, generator
    )
    if not divide:
        backward = [undivided(record) for record in backward]
    return [
        rb_two_filter.combine(forward[t - 1], backward[t], inputs[t], MODEL)
        for t in range(1, STEPS)
    ]


def undivided(record: BackwardRecord) -> BackwardRecord:
    return record._replace(log_prior=torch.zeros_like(record.log_prior))


def check_two_filter(*, divide: bool = True) -> None:
    """40 runs of N = M = 100: means over the runs within 0.1 posterior sd of RTS, variances
    within 10 %."""
    _, measurements = MODEL.simulate(STEPS, 31)
    exact = rts(MODEL, measurements)
    variance = exact.covariance.diagonal(dim1=-2, dim2=-1)
    errors, ratios = [], []
    for t, points in enumerate(smoothed_points(measurements, divide=divide), start=1):
        full = torch.cat([points.pose, points.mean], -1)
        mean, spread = moments(full, points.log_weights)
        within = points.covariance.diagonal(dim1=-2, dim2=-1)
        total = spread.diagonal(dim1=-2, dim2=-1).clone()
        total[:, 1:] += (points.log_weights.exp().unsqueeze(-1) * within).sum(1)
        errors.append((mean.mean(0) - exact.mean[t]) / variance[t].sqrt())
        ratios.append(total.mean(0) / variance[t])
    error = torch.stack(errors).square().mean(0).sqrt()
    assert (error < 0.1).all(), error
    assert ((torch.stack(ratios).mean(0) - 1).abs() < 0.1).all(), ratios


def test_two_filter_combination_averages_to_the_exact_smoother() -> None:
    check_two_filter()


def test_combination_that_leaves_the_artificial_prior_in_fails() -> None:
    with pytest.raises(AssertionError):
        check_two_filter(divide=False)
