"""Exponentials of numbers of any size, and sums of Gaussian kernels; differentiable."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

# exp() of anything smaller is below 2e-35 of the largest term. Where it underflows in float32, it
# takes up to 70 times as long, and products with such small numbers 4 to 8 times.
LOWEST_EXPONENT = -80.0
_LEAST = 2e-35


def exp_or_zero(exponent: Float[Tensor, "*_"]) -> Float[Tensor, "*_"]:
    """exp, but zero where it is below 2e-35; for exponents against their largest."""
    return F.threshold(exponent.clamp(min=LOWEST_EXPONENT).exp(), _LEAST, 0.0)


def by_differences(
    points: Float[Tensor, "B M F"],
    centres: Float[Tensor, "B N F"],
    log_weights: Float[Tensor, "B N"],
) -> Float[Tensor, "B M N"]:
    """Exponents log w - |p - c|^2 / 2, for clouds many bandwidths wide."""
    exponent = log_weights.unsqueeze(1)
    for column in range(points.shape[-1]):
        difference = points[:, :, None, column] - centres[:, None, :, column]
        exponent = torch.addcmul(exponent, difference, difference, value=-0.5)
    return exponent


def log_sum(exponent: Float[Tensor, "B M N"]) -> Float[Tensor, "B M"]:
    """Log-sum-exp over N without exponents that underflow."""
    top = exponent.detach().amax(dim=-1, keepdim=True)
    top = top.masked_fill(torch.isneginf(top), 0.0)
    total = (exponent - top).clamp_(min=LOWEST_EXPONENT).exp_().sum(-1)
    return total.log() + top.squeeze(-1)
