"""A filter on the circle against grid Bayes (specification: 13)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from mdps_ros.core import filtering
from mdps_ros.core.kernels import ProductKernel, sample_von_mises
from mdps_ros.core.resampling import MixtureResampler
from mdps_ros.core.types import StepInputs

F64 = torch.float64
CELLS, BINS, STEPS = 4096, 32, 12
RATE = 0.9  # rad per step: twice around the circle in the run
LIKELIHOOD, NOISE, BANDWIDTH = 1.5, 30.0, 0.02  # kappa, kappa, rad^2


class Wheel:
    """Heading (B, N, 1) that turns at a constant rate, seen with von Mises error."""

    rate = RATE

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Tensor:
        return 2 * math.pi * torch.rand(batch, count, 1, generator=generator, dtype=F64)

    def propagate(
        self, state: Tensor, control: Any, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        kappa = torch.tensor(NOISE, dtype=F64)
        return state + self.rate + sample_von_mises(kappa, tuple(state.shape), generator)

    def update(self, state: Tensor, measurement: Tensor) -> tuple[Tensor, Tensor]:
        return state, LIKELIHOOD * (measurement[:, None] - state[..., 0]).cos()


class StandingWheel(Wheel):
    """Forgets to turn."""

    rate = 0.0


def von_mises_cells(kappa: float) -> Tensor:
    angle = torch.arange(CELLS, dtype=F64) * (2 * math.pi / CELLS)
    density = torch.exp(kappa * (angle.cos() - 1.0))
    return density / density.sum()


def convolve(density: Tensor, kernel: Tensor) -> Tensor:
    return torch.fft.irfft(torch.fft.rfft(density) * torch.fft.rfft(kernel), n=CELLS)


def grid_bayes(measurements: Tensor) -> Tensor:
    """Posterior in BINS equal bins from -pi after each measurement (T, BINS)."""
    angle = torch.arange(CELLS, dtype=F64) * (2 * math.pi / CELLS)
    density = torch.full((CELLS,), 1 / CELLS, dtype=F64)
    rows = []
    for measurement in measurements:
        density = convolve(density, von_mises_cells(1 / (BANDWIDTH + 1e-8)))
        density = convolve(density, von_mises_cells(NOISE))
        frequency = torch.fft.rfftfreq(CELLS, d=1 / CELLS, dtype=F64)
        turned = torch.fft.rfft(density) * torch.exp(-1j * frequency * RATE)
        density = torch.fft.irfft(turned, n=CELLS).clamp(min=0)
        density = density * torch.exp(LIKELIHOOD * (measurement - angle).cos())
        density = density / density.sum()
        # bins start half a bin before a grid angle, so that no cell lies on an edge
        rows.append(density.roll(CELLS // BINS // 2).reshape(BINS, -1).sum(-1))
    return torch.stack(rows)


def check_wheel(model: Wheel) -> None:
    """Total variation below 0.02 at N = 100,000, at every step."""
    generator = torch.Generator().manual_seed(41)
    truth = 2.5 + RATE * torch.arange(1, STEPS + 1, dtype=F64)
    error = sample_von_mises(torch.tensor(LIKELIHOOD, dtype=F64), (STEPS,), generator)
    measurements = truth + error
    assert int((truth / (2 * math.pi)).floor().unique().numel()) > 2, "does not wrap"
    kernel = ProductKernel(torch.tensor([BANDWIDTH], dtype=F64), (True,))
    belief = filtering.init(model, None, 1, 100_000, generator)
    width = 2 * math.pi / BINS
    for t, exact in enumerate(grid_bayes(measurements)):
        inputs = StepInputs(None, 1.0, measurements[t : t + 1])
        belief, _ = filtering.step(belief, inputs, model, MixtureResampler(kernel), generator)
        turn = torch.remainder(belief.state[0, :, 0] + 0.5 * width, 2 * math.pi)
        index = (turn / width).long().clamp(max=BINS - 1)
        histogram = torch.zeros(BINS, dtype=F64).index_add_(0, index, belief.log_weights[0].exp())
        assert 0.5 * (histogram - exact).abs().sum() < 0.02, (t, histogram, exact)


def test_filter_on_the_circle_equals_grid_bayes() -> None:
    """Specification 13."""
    check_wheel(Wheel())


def test_filter_that_forgets_to_turn_does_not() -> None:
    """Specification 13."""
    with pytest.raises(AssertionError):
        check_wheel(StandingWheel())
