"""Particle weights, in the log domain only."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.exponents import exp_or_zero


class DegenerateWeightsError(ValueError):
    """Weights that cannot be normalised: a NaN, a +inf, or no particle with any mass."""


def normalise(
    log_weights: Float[Tensor, "B N"],
) -> tuple[Float[Tensor, "B N"], Float[Tensor, " B"]]:
    """Splits unnormalised log-weights into normalised ones and their log-sum (the log-evidence).

    Raises:
        DegenerateWeightsError: on NaN or +inf (with batch row and particle), or if every weight
            of a row is -inf.
    """
    top = log_weights.detach().amax(dim=-1, keepdim=True)
    relative = log_weights - top  # first, so that float32 keeps the differences of large values
    log_sum = exp_or_zero(relative).sum(-1, keepdim=True).log()
    if not all(map(math.isfinite, log_sum.flatten().tolist())):
        _explain(log_weights.detach())
    return relative - log_sum, (top + log_sum).squeeze(-1)


def masses(log_weights: Float[Tensor, "*axes N"]) -> Float[Tensor, "*axes N"]:
    """The weights themselves, of normalised log-weights; below 2e-35 they are zero."""
    return exp_or_zero(log_weights)


def _explain(log_weights: Tensor) -> None:
    broken = torch.isnan(log_weights) | torch.isposinf(log_weights)
    if bool(broken.any()):
        row, particle = (int(i) for i in broken.nonzero()[0])
        raise DegenerateWeightsError(
            f"log-weight of batch row {row}, particle {particle} is "
            f"{float(log_weights[row, particle])}; the model's log-likelihood must be a number"
        )
    row = int(torch.isneginf(log_weights).all(dim=-1).nonzero()[0])
    raise DegenerateWeightsError(
        f"all weights of batch row {row} are zero; bound the measurement model's likelihood below "
        "or draw the particles anew"
    )


def log_sum(log_values: Float[Tensor, "*_"], dim: int) -> Float[Tensor, "*_"]:
    """Log-sum-exp over an axis that may hold nothing but -inf: -inf, and then without gradient.

    torch's own has a NaN gradient there.
    """
    empty = torch.isneginf(log_values.detach()).all(dim, keepdim=True)
    total = torch.logsumexp(log_values.masked_fill(empty, 0.0), dim)
    return total.masked_fill(empty.squeeze(dim), -math.inf)


def uniform(batch: int, count: int, like: Tensor) -> Float[Tensor, "B N"]:
    """Equal normalised log-weights on the device and in the dtype of `like`."""
    return torch.full((batch, count), -math.log(count), device=like.device, dtype=like.dtype)


def effective_size(log_weights: Float[Tensor, "B N"]) -> Float[Tensor, " B"]:
    """1 / sum w^2 of normalised weights: N when uniform, 1 when one particle has all the mass."""
    # the largest weight is at least 1 / N, so that its square is a number in float32, too
    return masses(log_weights).square().sum(-1).reciprocal()


def moments(
    values: Float[Tensor, "B N D"], log_weights: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B D D"]]:
    """Weighted mean and covariance of vectors without angles (poses: `estimates.moments`)."""
    weights = masses(log_weights)
    mean = (weights.unsqueeze(1) @ values).squeeze(1)
    return mean, scatter(values - mean.unsqueeze(1), weights)


def scatter(
    deviations: Float[Tensor, "B N D"], weights: Float[Tensor, "B N"]
) -> Float[Tensor, "B D D"]:
    """sum_i w_i d_i d_i^T."""
    return (deviations * weights.unsqueeze(-1)).mT @ deviations
