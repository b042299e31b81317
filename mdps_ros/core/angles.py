"""Angles in radians: wrapping and averages on the circle."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def wrap(angle: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """The same angle in (-pi, pi]; the gradient is 1 everywhere."""
    turns = torch.ceil(angle * (0.5 / math.pi) - 0.5)
    return torch.sub(angle, turns, alpha=2.0 * math.pi)


def circular_mean(
    angle: Float[Tensor, "*axes N"], weights: Float[Tensor, "*axes N"]
) -> Float[Tensor, "*axes"]:
    """Direction of the weighted mean of unit vectors, rad in (-pi, pi].

    The value is arbitrary where the vectors cancel; `resultant` tells (it is then 0).
    """
    return torch.atan2((weights * angle.sin()).sum(-1), (weights * angle.cos()).sum(-1))


def resultant(
    angle: Float[Tensor, "*axes N"], weights: Float[Tensor, "*axes N"]
) -> Float[Tensor, "*axes"]:
    """Length of the weighted mean of unit vectors; 1 when all agree. Weights sum to one."""
    return torch.hypot((weights * angle.sin()).sum(-1), (weights * angle.cos()).sum(-1))


def circular_std(
    angle: Float[Tensor, "*axes N"], weights: Float[Tensor, "*axes N"]
) -> Float[Tensor, "*axes"]:
    """sqrt(-2 log R), rad: the standard deviation of the wrapped normal with resultant R."""
    length = resultant(angle, weights).clamp(max=1.0)
    return torch.sqrt(-2.0 * torch.log(length))
