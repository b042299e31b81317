"""The step and the loop: against the Kalman filter, and their contracts."""

from __future__ import annotations

import pytest
import torch

from mdps_ros.core import filtering
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.protocols import Resampler
from mdps_ros.core.resampling import EssTriggered, IndexResampler, MixtureResampler
from mdps_ros.core.types import Belief, StepInfo, StepInputs

from .oracles import F64, ScalarModel, scalar_kalman, scalar_system, simulate

STEPS = 10


def line_kernel(bandwidth: float) -> ProductKernel:
    return ProductKernel(torch.tensor([bandwidth], dtype=F64), (False,))


def mean_and_variance(belief: Belief, info: StepInfo) -> tuple[torch.Tensor, ...]:
    weights = belief.log_weights.exp()
    mean = (weights * belief.state[..., 0]).sum(-1)
    variance = (weights * (belief.state[..., 0] - mean[:, None]) ** 2).sum(-1)
    return mean, variance, info.log_evidence


def repeated_run(
    resampler: Resampler, particles: int, repetitions: int, seed: int
) -> tuple[torch.Tensor, ...]:
    """Mean, variance, log-evidence (repetitions, T) of filters on the same measurements."""
    system = scalar_system()
    measurements, controls = simulate(system, 1, STEPS, seed=5)
    wide_y, wide_u = (x.expand(repetitions, -1) for x in (measurements, controls))
    generator = torch.Generator().manual_seed(seed)
    model = ScalarModel(system)
    belief = filtering.init(model, None, repetitions, particles, generator)
    sequence = [StepInputs(wide_u[:, t], 1.0, wide_y[:, t]) for t in range(STEPS)]
    _, kept = filtering.run(belief, sequence, model, resampler, generator, mean_and_variance)
    return kept


def check_against_kalman(resampler: Resampler, bandwidth: float) -> None:
    """Means within 5 standard errors over 60 repetitions of N = 1000, plus the 1/N bias."""
    system = scalar_system()
    exact = scalar_kalman(system, *simulate(system, 1, STEPS, seed=5), bandwidth=bandwidth)
    mean, variance, log_evidence = repeated_run(resampler, 1000, 60, seed=11)
    for estimate, truth in (
        (mean, exact.mean),
        (variance, exact.variance),
        (log_evidence, exact.log_evidence),
    ):
        error = (estimate.mean(0) - truth[0]).abs()
        standard_error = estimate.std(0) / 60**0.5
        assert (error < 5 * standard_error + 2e-3).all(), (error, standard_error)


@pytest.mark.parametrize(
    ("resampler", "bandwidth"),
    [
        (IndexResampler(), 0.0),
        (EssTriggered(IndexResampler(), 0.5), 0.0),
        (MixtureResampler(line_kernel(0.6)), 0.6),
        (MixtureResampler(line_kernel(0.01)), 0.0),
    ],
    ids=["hard", "ess", "mixture wide", "mixture narrow"],
)
def test_filter_equals_kalman_with_inflated_noise(resampler: Resampler, bandwidth: float) -> None:
    check_against_kalman(resampler, bandwidth)


def test_wide_mixture_does_not_match_the_uninflated_kalman() -> None:
    with pytest.raises(AssertionError):
        check_against_kalman(MixtureResampler(line_kernel(0.6)), 0.0)
