"""Exact answers: textbook Kalman filter and smoother, and linear-Gaussian particle models.

Plain covariance form, written without the package under test.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

F64 = torch.float64


class ScalarSystem(NamedTuple):
    """x' = a x + u + N(0, q), y = x + N(0, r), x_0 ~ N(m0, p0); variances."""

    a: Tensor
    q: float
    r: float
    m0: float
    p0: float


def scalar_system(a: float = 0.9, q: float = 0.3, r: float = 0.5) -> ScalarSystem:
    return ScalarSystem(torch.tensor(a, dtype=F64), q, r, 0.7, 1.5)


def simulate(system: ScalarSystem, batch: int, steps: int, seed: int) -> tuple[Tensor, Tensor]:
    """Measurements (B, T) and controls (B, T)."""
    generator = torch.Generator().manual_seed(seed)

    def normal() -> Tensor:
        return torch.randn(batch, generator=generator, dtype=F64)

    a = system.a.detach()
    x = system.m0 + math.sqrt(system.p0) * normal()
    controls = 0.3 * torch.randn(batch, steps, generator=generator, dtype=F64)
    measurements = []
    for t in range(steps):
        x = a * x + controls[:, t] + math.sqrt(system.q) * normal()
        measurements.append(x + math.sqrt(system.r) * normal())
    return torch.stack(measurements, 1), controls


class KalmanTrack(NamedTuple):
    """Filtered means and variances (B, T), log-evidence per step (B, T)."""

    mean: Tensor
    variance: Tensor
    log_evidence: Tensor


def scalar_kalman(
    system: ScalarSystem, measurements: Tensor, controls: Tensor, bandwidth: float | Tensor = 0.0
) -> KalmanTrack:
    """Kalman filter whose process noise is inflated to a^2 bandwidth^2 + q."""
    mean = torch.full_like(measurements[:, 0], system.m0)
    variance = torch.full_like(mean, system.p0)
    rows = []
    for t in range(measurements.shape[1]):
        variance = system.a**2 * (variance + bandwidth**2) + system.q
        mean = system.a * mean + controls[:, t]
        total = variance + system.r
        error = measurements[:, t] - mean
        log_evidence = -0.5 * (error**2 / total + torch.log(2 * math.pi * total))
        mean = mean + variance / total * error
        variance = variance * system.r / total
        rows.append(KalmanTrack(mean, variance, log_evidence))
    return KalmanTrack(*(torch.stack(parts, 1) for parts in zip(*rows, strict=True)))


class ScalarModel:
    """The scalar system as a particle model; state (B, N, 1)."""

    def __init__(self, system: ScalarSystem) -> None:
        self.system = system

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Tensor:
        noise = torch.randn(batch, count, 1, generator=generator, dtype=F64)
        return self.system.m0 + math.sqrt(self.system.p0) * noise

    def propagate(
        self, state: Tensor, control: Tensor, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        noise = torch.randn(state.shape, generator=generator, dtype=state.dtype)
        return self.system.a * state + control[:, None, None] + math.sqrt(self.system.q) * noise

    def update(self, state: Tensor, measurement: Tensor) -> tuple[Tensor, Tensor]:
        error = measurement[:, None] - state[..., 0]
        variance = self.system.r
        return state, -0.5 * (error**2 / variance + math.log(2 * math.pi * variance))
