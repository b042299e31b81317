"""Kernel mixtures over particles: m(x) = sum_i w_i K(x - x_i). Evaluate and draw."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import near_pairs
from mdps_ros.core.exponents import by_differences, log_sum
from mdps_ros.core.protocols import IndexScheme
from mdps_ros.core.resampling import multinomial
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import MixtureBelief

# Pairs evaluated at once: a block of this many float32 stays in a CPU's second-level cache.
_BLOCK_PAIRS = 1 << 17

# Largest rounding error of a log-density (nats) for which the matrix product is used.
_ROUNDING = 2e-4

# Pairs from which on wide clouds are taken in blocks of neighbours (`near_pairs`).
_MANY_PAIRS = 1 << 21


def log_prob(mixture: MixtureBelief, points: Float[Tensor, "B M D"]) -> Float[Tensor, "B M"]:
    """Log-density of the mixture at `points`, differentiable in everything.

    O(M N), in blocks over M; less for clouds that are many bandwidths wide (`near_pairs`).
    Log-weights are taken as they are (normalised in a Belief).
    """
    features = mixture.kernel.features(points)
    centres = mixture.kernel.features(mixture.poses)
    origin = centres.detach().mean(dim=1, keepdim=True)
    features, centres = features - origin, centres - origin
    extent = torch.stack([x.detach().square().sum(-1).amax() for x in (features, centres)]).amax()
    log_weights, offset = mixture.log_weights, mixture.kernel.log_peak()[..., None]
    exponents = by_differences
    pairs = features.shape[1] * centres.shape[1]
    if bool(extent * torch.finfo(extent.dtype).eps < _ROUNDING):
        # |p - c|^2 = |p|^2 + |c|^2 - 2 p c: fast, but it cancels
        exponents = _by_product
        log_weights = log_weights - 0.5 * centres.square().sum(-1)
        offset = offset - 0.5 * features.square().sum(-1)
    elif len(centres) == len(features) == 1 and pairs >= _MANY_PAIRS:
        return near_pairs.log_sums(features[0], centres[0], log_weights[0])[None] + offset
    rows = max(1, _BLOCK_PAIRS // (centres.shape[0] * centres.shape[1]))
    blocks = [
        log_sum(exponents(block, centres, log_weights))
        for block in torch.split(features, rows, dim=1)
    ]
    return torch.cat(blocks, dim=1) + offset


def _by_product(
    points: Float[Tensor, "B M F"],
    centres: Float[Tensor, "B N F"],
    log_weights: Float[Tensor, "B N"],
) -> Float[Tensor, "B M N"]:
    """Exponents log w + p c."""
    return torch.baddbmm(log_weights.unsqueeze(1), points, centres.mT)


def sample(
    mixture: MixtureBelief, count: int, scheme: IndexScheme, generator: torch.Generator
) -> tuple[Float[Tensor, "B M D"], Int[Tensor, "B M"]]:
    """Draws `count` points, and the components that they came from; no gradient.

    Only the choice of components follows `scheme`; the kernel's noise is independent.
    """
    index = scheme(mixture.log_weights.detach(), count, generator)
    return mixture.kernel.sample(gather_axis(mixture.poses.detach(), index), generator), index


def sample_component(
    mixture: MixtureBelief, points: Float[Tensor, "B M D"], generator: torch.Generator
) -> Int[Tensor, "B M"]:
    """Draws for each point a component that it may have come from, with chance w_i K(z - x_i) / m.

    O(M N), in blocks over M; no gradient.
    """
    features = mixture.kernel.features(points.detach())
    centres = mixture.kernel.features(mixture.poses.detach())
    rows = max(1, _BLOCK_PAIRS // (centres.shape[0] * centres.shape[1]))
    chosen = []
    for block in torch.split(features, rows, dim=1):
        exponent = by_differences(block, centres, mixture.log_weights.detach())
        log_chance = torch.log_softmax(exponent, dim=-1)
        index = multinomial(log_chance.flatten(0, 1), 1, generator)
        chosen.append(index.reshape(block.shape[:2]))
    return torch.cat(chosen, dim=1)
