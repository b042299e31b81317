"""The scalar system's filters as records, its backward model, and its exact smoother."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mdps_ros.core.mdps import FilterRecord, filter_sequence, reverse_inputs
from mdps_ros.core.resampling import MixtureResampler
from mdps_ros.core.types import Belief, StepInputs
from mdps_ros.core.weights import uniform

from .gaussians import line_kernel
from .oracles import F64, ScalarModel, ScalarSystem, scalar_kalman, simulate

FLAT_HALF_WIDTH = 8.0


class ReversedModel(ScalarModel):
    """x_t from x_t+1 by the inverse motion; its first particles are flat on [-8, 8]."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Tensor:
        chance = torch.rand(batch, count, 1, generator=generator, dtype=F64)
        return FLAT_HALF_WIDTH * (2.0 * chance - 1.0)

    def propagate(
        self, state: Tensor, control: Tensor, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        noise = torch.randn(state.shape, generator=generator, dtype=state.dtype)
        return (state - control[:, None, None] - math.sqrt(self.system.q) * noise) / self.system.a


def rts(system: ScalarSystem, measurements: Tensor, controls: Tensor) -> tuple[Tensor, Tensor]:
    """Smoothed means and variances (T,) of the first row."""
    track = scalar_kalman(system, measurements, controls)
    mean, variance = track.mean[0].clone(), track.variance[0].clone()
    a = system.a
    for t in range(len(mean) - 2, -1, -1):
        predicted = a**2 * track.variance[0, t] + system.q
        gain = track.variance[0, t] * a / predicted
        mean[t] += gain * (mean[t + 1] - a * track.mean[0, t] - controls[0, t + 1])
        variance[t] += gain**2 * (variance[t + 1] - predicted)
    return mean, variance


def repeated_sequence(
    system: ScalarSystem, steps: int, rows: int, seed: int
) -> tuple[list[StepInputs], Tensor, Tensor]:
    """One data set in every row, and its measurements and controls (1, T)."""
    measurements, controls = simulate(system, 1, steps, seed)
    inputs = [
        StepInputs(controls[:, t].expand(rows), 1.0, measurements[:, t].expand(rows))
        for t in range(steps)
    ]
    return inputs, measurements, controls


def forward_filter(
    system: ScalarSystem, inputs: list[StepInputs], count: int, bandwidth: float, seed: int
) -> list[FilterRecord]:
    """From the prior of `simulate`, which moves once before its first measurement."""
    generator = torch.Generator().manual_seed(seed)
    model, rows = ScalarModel(system), len(inputs[0].control)
    start = model.sample_initial(rows, count, None, generator)
    state = model.propagate(start, inputs[0].control, 1.0, generator)
    prior = Belief(state, uniform(rows, count, state))
    resampler = MixtureResampler(line_kernel(bandwidth))
    return filter_sequence(prior, inputs, model, resampler, generator)


def backward_filter(
    system: ScalarSystem, inputs: list[StepInputs], count: int, bandwidth: float, seed: int
) -> list[FilterRecord]:
    """From a flat start at the last time; in natural time."""
    generator = torch.Generator().manual_seed(seed)
    model, rows = ReversedModel(system), len(inputs[0].control)
    start = model.sample_initial(rows, count, None, generator)
    flat = Belief(start, uniform(rows, count, start))
    resampler = MixtureResampler(line_kernel(bandwidth))
    return filter_sequence(flat, reverse_inputs(inputs), model, resampler, generator)[::-1]
