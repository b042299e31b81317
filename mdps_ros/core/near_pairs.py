"""Log-sums of kernels over wide clouds: pairs that are too far apart to matter are left out.

Points and centres are packed to blocks of neighbours (sort-tile-recursive: Leutenegger, Lopez and
Edgington, ICDE 1997). Each point is evaluated against the block next to its own, which bounds its
sum from below; the boxes of two blocks bound their exponents from above. So a pair of blocks is
left out only if its terms cannot reach e^-30 of any of its points' sums, all together.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mdps_ros.core.exponents import by_differences, log_sum

BLOCK = 32  # points, and centres, of a block
LEFT_OUT = 30.0  # nats below a point's largest term, beyond the logarithm of their number

# Pairs evaluated at once: this many float32 stay in a CPU's second-level cache.
_BATCH_PAIRS = 1 << 17


class _Blocks(NamedTuple):
    """Rows of features in blocks: which they are, and the blocks' boxes."""

    rows: Int[Tensor, "K b"]
    real: Bool[Tensor, "K b"]
    low: Float[Tensor, "K F"]
    high: Float[Tensor, "K F"]


def log_sums(
    points: Float[Tensor, "M F"], centres: Float[Tensor, "N F"], log_weights: Float[Tensor, " N"]
) -> Float[Tensor, " M"]:
    """Log sum_i exp(log_weights_i - |p - c_i|^2 / 2) at every point, differentiable.

    Fast where the first two features spread over many units.
    """
    asked, held = _pack(points.detach()), _pack(centres.detach())
    block_weights = log_weights[held.rows].masked_fill(~held.real, -math.inf)
    with torch.no_grad():
        possible = _bounds(asked, held, block_weights.amax(1))
        best = possible.argmax(1)
        found = _block_sums(points[asked.rows], centres[held.rows[best]], block_weights[best])
        least = found.amin(1, keepdim=True) - LEFT_OUT - math.log(len(centres))
        first, second = (possible >= least).nonzero().unbind(1)
    batch = max(1, _BATCH_PAIRS // BLOCK**2)
    values = torch.cat(
        [
            _block_sums(points[asked.rows[a]], centres[held.rows[b]], block_weights[b])
            for a, b in zip(torch.split(first, batch), torch.split(second, batch), strict=True)
        ]
    )
    return _merge(values, first, asked, len(points))


def _pack(features: Float[Tensor, "N F"]) -> _Blocks:
    """Strips along the first feature, cut along the second one."""
    count = len(features)
    blocks = math.ceil(count / BLOCK)
    strip = BLOCK * math.ceil(blocks / math.ceil(math.sqrt(blocks)))
    order = features[:, 0].argsort()
    strip_of = torch.empty_like(order)
    strip_of[order] = torch.arange(count, device=order.device) // strip
    order = features[:, 1].argsort()
    order = order[strip_of[order].argsort(stable=True)]
    slots = torch.arange(blocks * BLOCK, device=order.device)
    index = order[slots.clamp(max=count - 1)].view(blocks, BLOCK)
    held = features[index]
    return _Blocks(index, (slots < count).view(blocks, BLOCK), held.amin(1), held.amax(1))


def _bounds(
    asked: _Blocks, held: _Blocks, log_weights: Float[Tensor, " K"]
) -> Float[Tensor, "J K"]:
    """What no exponent between two blocks exceeds."""
    above = held.low - asked.high[:, None]
    below = asked.low[:, None] - held.high
    nearest = torch.maximum(above, below).clamp_(min=0.0)
    return log_weights - 0.5 * nearest.square().sum(-1)


def _block_sums(
    points: Float[Tensor, "R b F"],
    centres: Float[Tensor, "R b F"],
    log_weights: Float[Tensor, "R b"],
) -> Float[Tensor, "R b"]:
    """Log-sums over one block of centres for each point of the block beside it."""
    return log_sum(by_differences(points, centres, log_weights))


def _merge(
    values: Float[Tensor, "R b"], first: Int[Tensor, " R"], asked: _Blocks, count: int
) -> Float[Tensor, " M"]:
    """Log-sum over the pairs of each point's block, in the points' own order."""
    blocks = len(asked.rows)
    target = first[:, None].expand_as(values)
    top = values.detach().new_full((blocks, BLOCK), -math.inf)
    top = top.scatter_reduce(0, target, values.detach(), "amax")
    total = torch.zeros_like(top).scatter_add(0, target, (values - top[first]).exp())
    merged = (total.log() + top)[asked.real]
    place = torch.empty(count, dtype=torch.long, device=values.device)
    place[asked.rows[asked.real]] = torch.arange(count, device=values.device)
    return merged[place]
