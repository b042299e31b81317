"""Best-now particles and the overlap of two densities."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core import fixed_lag
from mdps_ros.core.best_now import best_now, overlap
from mdps_ros.core.fixed_lag import Frame, Smoothed
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.types import Belief, MixtureBelief
from mdps_ros.core.weights import effective_size

from .gaussians import Normal, check_moments, line_kernel
from .oracles import F64, ScalarModel
from .random_walk import BANDWIDTH, COUNT, FILTERED, LAGS, ROWS, STEPS, WALK, Case, setup
from .scalar_smoothing import forward_filter, repeated_sequence


@pytest.fixture(scope="module")
def case() -> Case:
    return Case(ROWS, COUNT)


@pytest.fixture(scope="module")
def smoothed(case: Case) -> tuple[Smoothed, ...]:
    return fixed_lag.smooth(case.frames, LAGS, setup(), torch.Generator().manual_seed(221))


def brought_forward(case: Case, smoothed: Smoothed) -> Belief:
    generator = torch.Generator().manual_seed(222)
    model = ScalarModel(WALK)
    return best_now(smoothed, case.frames, line_kernel(BANDWIDTH), model, 2 * COUNT, generator)


def test_best_now_is_the_filters_posterior_at_every_lag(
    case: Case, smoothed: tuple[Smoothed, ...]
) -> None:
    """p(x_t | y_1..t) of the Kalman filter, in steady state."""
    for result in smoothed:
        belief = brought_forward(case, result)
        check_moments(belief, Normal(case.means[-1].item(), FILTERED), 5e-3)
        assert effective_size(belief.log_weights).mean() > 0.2 * 2 * COUNT


@pytest.mark.parametrize("position", [1, 2])
def test_particles_that_keep_the_smoothed_weights_count_the_newest_measurements_twice(
    case: Case, smoothed: tuple[Smoothed, ...], position: int
) -> None:
    """Weighed again on the way without dividing by the backward density: too narrow."""
    twice = brought_forward(case, smoothed[position]._replace(backward=None))
    with pytest.raises(AssertionError):
        check_moments(twice, Normal(case.means[-1].item(), FILTERED), 5e-3)


def test_frames_without_a_measurement_only_move_the_particles() -> None:
    inputs, *_ = repeated_sequence(WALK, STEPS, ROWS, 201)
    inputs[-1] = inputs[-1]._replace(measurement=None)
    records = forward_filter(WALK, inputs, COUNT, BANDWIDTH, 223)
    frames = [Frame(r, i) for r, i in zip(records, inputs, strict=True)]
    generator = torch.Generator().manual_seed(224)
    (result,) = fixed_lag.smooth(frames, [1], setup(), generator)
    kernel, model = line_kernel(BANDWIDTH), ScalarModel(WALK)
    belief = best_now(result, frames, kernel, model, 2 * COUNT, generator)
    last = records[-1]
    exact = (last.log_weights.exp() * last.state[..., 0]).sum(-1).mean().item()
    check_moments(belief, Normal(exact, FILTERED + WALK.q), 2e-2)


def single(mean: float, sigma: float) -> MixtureBelief:
    at = torch.full((3, 1, 1), mean, dtype=F64)
    return MixtureBelief(at, torch.zeros(3, 1, dtype=F64), line_kernel(sigma))


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.5])
def test_overlap_of_two_normals_has_its_closed_form(distance: float) -> None:
    """2 Phi(-d / 2 sigma), within 5 standard errors of 4000 draws; and it is symmetric."""
    exact = math.erfc(distance / (2 * 2.0) / math.sqrt(2.0))
    for first, second in ((0.0, distance), (distance, 0.0)):
        generator = torch.Generator().manual_seed(225)
        value = overlap(single(first, 2.0), single(second, 2.0), 2000, generator)
        assert value.shape == (3,)
        assert (value - exact).abs().max() < 5 * 0.5 / math.sqrt(4000) + 1e-9


def test_overlap_tells_equal_half_and_disjoint() -> None:
    generator = torch.Generator().manual_seed(226)
    points = torch.randn(2, 50, 3, generator=generator, dtype=F64)
    kernel = pose_kernel(torch.tensor([0.5, 0.5, 0.05], dtype=F64))
    even = torch.full((2, 50), -math.log(50), dtype=F64)
    here = MixtureBelief(points, even, kernel)
    turned = here._replace(poses=points + torch.tensor([0.0, 0.0, 2 * math.pi], dtype=F64))
    far = here._replace(poses=points + 100.0)
    both = MixtureBelief(
        torch.cat((here.poses, far.poses), 1), torch.cat((even, even), 1) - math.log(2.0), kernel
    )
    for other, exact in ((here, 1.0), (turned, 1.0), (both, 0.5), (far, 0.0)):
        value = overlap(here, other, 300, generator)
        assert (value - exact).abs().max() < 0.02, exact
