"""One-dimensional Gaussians as particle sets, their products, and the check of moments."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.types import Belief, MixtureBelief

from .oracles import F64


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
