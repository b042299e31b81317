"""Kernel mixtures over particles: m(x) = sum_i w_i K(x - x_i). Evaluate and draw."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core.protocols import IndexScheme
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import MixtureBelief

# Pairs evaluated at once: a block of this many float32 stays in a CPU's second-level cache.
_BLOCK_PAIRS = 1 << 16

# exp() of anything smaller is below 2e-35 of the largest term, and MKL's exp is 13 times slower
# where it underflows.
_LOWEST_EXPONENT = -80.0


def log_prob(mixture: MixtureBelief, points: Float[Tensor, "B M D"]) -> Float[Tensor, "B M"]:
    """Log-density of the mixture at `points`, differentiable in everything.

    O(M N), in blocks over M. Log-weights are taken as they are (normalised in a Belief).
    """
    features = mixture.kernel.features(points)
    centres = mixture.kernel.features(mixture.poses)
    rows = max(1, _BLOCK_PAIRS // (centres.shape[0] * centres.shape[1]))
    blocks = [
        _block_log_prob(block, centres, mixture.log_weights)
        for block in torch.split(features, rows, dim=1)
    ]
    return torch.cat(blocks, dim=1) + mixture.kernel.log_peak()[..., None]


def _block_log_prob(
    points: Float[Tensor, "B M F"],
    centres: Float[Tensor, "B N F"],
    log_weights: Float[Tensor, "B N"],
) -> Float[Tensor, "B M"]:
    exponent = log_weights.unsqueeze(1)
    for column in range(points.shape[-1]):
        difference = points[:, :, None, column] - centres[:, None, :, column]
        exponent = torch.addcmul(exponent, difference, difference, value=-0.5)
    top = exponent.detach().amax(dim=-1, keepdim=True)
    top = top.masked_fill(torch.isneginf(top), 0.0)
    relative = (exponent - top).clamp(min=_LOWEST_EXPONENT)
    return relative.exp().sum(-1).log() + top.squeeze(-1)


def sample(
    mixture: MixtureBelief, count: int, scheme: IndexScheme, generator: torch.Generator
) -> tuple[Float[Tensor, "B M D"], Int[Tensor, "B M"]]:
    """Draws `count` points, and the components that they came from; no gradient.

    Only the choice of components follows `scheme`; the kernel's noise is independent.
    """
    index = scheme(mixture.log_weights.detach(), count, generator)
    return mixture.kernel.sample(gather_axis(mixture.poses.detach(), index), generator), index
