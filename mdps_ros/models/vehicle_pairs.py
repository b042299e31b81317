"""What two filters of the vehicle say of l = (calibration, map offset, its slope), pair by pair.

Every forward particle i and every backward particle j has a Gaussian of l. Their product over
gamma, which both contain, integrates to

    G_ij = delta(q_i, q_j) / gamma(q_j)  integral N(l; l_i, P) N(l; l_j, S) / gamma(l) dl

and normalised is the Gaussian of l given both. P, S and gamma are common to the particles of a
quality q, so that all G are one matrix product.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mdps_ros.core.se2 import rotate
from mdps_ros.core.tree import gather_axis
from mdps_ros.models.motion import VehicleState
from mdps_ros.models.vehicle_backward import LEAST_SD, OFFSET, SIZE, SLOPE, BackwardState
from mdps_ros.settings import MapErrorSettings

# The forward filter draws map offsets and slopes; as a density each draw stands for its
# surroundings, this share of their own spread.
OFFSET_BANDWIDTH = 0.2


class Pairs(NamedTuple):
    """Both filters' Gaussians of l, ready to be multiplied.

    Attributes:
        log_own: (B, N) of the forward particles and (B, M) of the backward ones.
        forward_mean: (B, N, 8) what a forward particle gives to the mean of a pair.
        backward_mean: (B, M, 8) likewise.
        shift: (B, M, 8) slope of a backward particle's message; its product with `forward_mean`
            completes log G.
        factor: (B, 2, 8, 8) lower factor of a pair's covariance.
    """

    log_own: tuple[Float[Tensor, "B N"], Float[Tensor, "B M"]]
    forward_mean: Float[Tensor, "B N 8"]
    backward_mean: Float[Tensor, "B M 8"]
    shift: Float[Tensor, "B M 8"]
    factor: Float[Tensor, "B 2 8 8"]


def meet(
    ahead: VehicleState, yaw: Float[Tensor, "B N"], behind: BackwardState, error: MapErrorSettings
) -> Pairs:
    """Completes the square in l for all pairs at once."""
    drawn = (rotate(-yaw, leaf.double()) for leaf in (ahead.map_offset, ahead.map_slope))
    first = torch.cat((ahead.calibration.double(), *drawn), -1)
    P = _covariance(ahead.factor.double(), error)
    S = behind.factor.double() @ behind.factor.double().mT
    mean, variance = behind.prior.mean[:, None, :], behind.prior.sd.square()
    P_inverse, S_inverse = torch.linalg.inv(P), torch.linalg.inv(S)
    future = S_inverse - torch.diag_embed(1.0 / variance)  # what it says, without gamma
    joint = torch.linalg.inv(P_inverse + future)
    second = behind.linear.double()
    shift = by_quality(S_inverse, second, behind.quality) - mean / _of(variance, behind.quality)
    own = second * by_quality(S_inverse, second, behind.quality)
    prior = mean.square() / _of(variance, behind.quality)
    log_size = 0.5 * (variance.log().sum(-1) - torch.linalg.slogdet(S)[1])
    eye = torch.eye(SIZE, dtype=P.dtype, device=P.device)
    log_width = -0.5 * torch.linalg.slogdet(eye + P @ future)[1]
    backward_mean = by_quality(joint, shift, behind.quality)
    log_second = 0.5 * ((prior - own + shift * backward_mean).sum(-1))
    weighed = by_quality(P_inverse, first, ahead.quality)
    forward_mean = by_quality(joint, weighed, ahead.quality)
    log_first = 0.5 * (weighed * (forward_mean - first)).sum(-1)
    return Pairs(
        (log_first, log_second + _of((log_size + log_width).unsqueeze(-1), behind.quality)[..., 0]),
        forward_mean,
        backward_mean,
        shift,
        torch.linalg.cholesky(0.5 * (joint + joint.mT)),
    )


def _covariance(
    factor: Float[Tensor, "B 2 4 4"], error: MapErrorSettings
) -> Float[Tensor, "B 2 8 8"]:
    """Of a forward particle's l: the calibration's, and the kernels of offset and slope."""
    whole = factor.new_zeros(*factor.shape[:2], SIZE, SIZE)
    whole[..., :4, :4] = factor @ factor.mT
    diagonal = whole.diagonal(dim1=-2, dim2=-1)
    diagonal[..., OFFSET] = (OFFSET_BANDWIDTH * error.sd) ** 2
    diagonal[..., SLOPE] = (OFFSET_BANDWIDTH * error.sd / error.distance) ** 2
    least = torch.full_like(whole[..., 0], LEAST_SD**2)  # what is known for certain
    return whole + torch.diag_embed(least)


def _of(values: Float[Tensor, "B 2 K"], quality: Int[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
    """The row of each particle's quality."""
    return gather_axis(values, quality)


def by_quality(
    matrix: Float[Tensor, "B 2 8 8"], vector: Float[Tensor, "B N 8"], quality: Int[Tensor, "B N"]
) -> Float[Tensor, "B N 8"]:
    """Each particle's vector through the matrix of its quality."""
    good, weak = vector @ matrix[:, 0].mT, vector @ matrix[:, 1].mT
    return torch.where(quality.unsqueeze(-1) == 0, good, weak)


def log_overlaps(
    pairs: Pairs,
    first: Int[Tensor, "B N"],
    second: Int[Tensor, "B M"],
    weak_share: float,
) -> Float[Tensor, "B N M"]:
    """Log G_ij; -inf where the two believe in different odometers."""
    gamma = torch.where(second == 0, 1.0 - weak_share, weak_share).to(pairs.shift)
    own = (pairs.log_own[0], pairs.log_own[1] - gamma.log())
    total = pair_sums(pairs.forward_mean, pairs.shift, *own)
    unlike: Bool[Tensor, "B N M"] = first.unsqueeze(-1) != second.unsqueeze(1)
    return total.masked_fill_(unlike, -math.inf)


def pair_sums(
    first: Float[Tensor, "B N K"],
    second: Float[Tensor, "B M K"],
    of_first: Float[Tensor, "B N"],
    of_second: Float[Tensor, "B M"],
) -> Float[Tensor, "B N M"]:
    """Products of all pairs plus a number of each partner, in one pass over the matrix."""
    one = torch.ones_like(of_first)
    left = torch.cat((first, of_first.unsqueeze(-1), one.unsqueeze(-1)), -1)
    one = torch.ones_like(of_second)
    right = torch.cat((second, one.unsqueeze(-1), of_second.unsqueeze(-1)), -1)
    return left @ right.mT


def draw_linear(
    pairs: Pairs,
    i: Int[Tensor, "B P"],
    j: Int[Tensor, "B P"],
    quality: Int[Tensor, "B M"],
    generator: torch.Generator,
) -> Float[Tensor, "B P 8"]:
    """Draws l given the pair that a point belongs to."""
    mean = gather_axis(pairs.forward_mean, i) + gather_axis(pairs.backward_mean, j)
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + by_quality(pairs.factor, noise, gather_axis(quality, j))
