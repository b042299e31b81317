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
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core.pair_shares import PairTerms
from mdps_ros.core.se2 import rotate
from mdps_ros.core.tree import gather_axis
from mdps_ros.models.backward_law import LEAST_SD, OFFSET, SIZE, SLOPE
from mdps_ros.models.map_error import slope_sd
from mdps_ros.models.motion import VehicleState
from mdps_ros.models.vehicle_backward import BackwardState
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
    first, second = torch.cat((ahead.calibration.double(), *drawn), -1), behind.linear.double()
    P = _covariance(ahead.factor.double(), error)
    factor = behind.factor.double()
    S, variance = factor @ factor.mT, behind.prior.sd.square()
    P_inverse, S_inverse = torch.linalg.inv(torch.stack((P, S)))
    future = S_inverse - torch.diag_embed(1.0 / variance)  # what it says, without gamma
    joint = torch.linalg.inv(P_inverse + future)
    # of a forward particle: what it gives to the sum of information vectors, and to their mean
    maps = torch.cat((P_inverse, joint @ P_inverse), -2)
    weighed, forward_mean = by_quality(maps, first, ahead.quality).chunk(2, -1)
    log_first = 0.5 * (weighed * (forward_mean - first)).sum(-1)
    slope = behind.prior.mean[:, None, :] / variance
    maps = torch.cat((S_inverse, joint @ S_inverse), -2)
    offset = torch.cat((slope, (joint @ slope.unsqueeze(-1)).squeeze(-1)), -1)
    shift, backward_mean = by_quality(maps, second, behind.quality, -offset).chunk(2, -1)
    eye = torch.eye(SIZE, dtype=P.dtype, device=P.device)
    # logarithms of determinants: of gamma, of S and of what P adds
    size = torch.linalg.slogdet(torch.stack((S, eye + P @ future)))[1].sum(0)
    constant = variance.log().sum(-1) - size + (behind.prior.mean[:, None] * slope).sum(-1)
    given = gather_axis(slope, behind.quality)
    square = (shift * backward_mean - second * (shift + given)).sum(-1)
    return Pairs(
        (log_first, 0.5 * (square + gather_axis(constant, behind.quality))),
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
    diagonal[..., SLOPE] = (OFFSET_BANDWIDTH * slope_sd(error)) ** 2
    least = torch.full_like(whole[..., 0], LEAST_SD**2)  # what is known for certain
    return whole + torch.diag_embed(least)


def by_quality(
    matrix: Float[Tensor, "B 2 K 8"],
    vector: Float[Tensor, "B N 8"],
    quality: Int[Tensor, "B N"],
    offset: Float[Tensor, "B 2 K"] | None = None,
) -> Float[Tensor, "B N K"]:
    """Each particle's vector through the matrix of its quality, plus the offset."""
    both = vector @ matrix.flatten(1, 2).mT
    if offset is not None:
        both = both + offset.flatten(1, 2).unsqueeze(1)
    good, weak = both.chunk(2, -1)
    return torch.where(quality.unsqueeze(-1) == 0, good, weak)


def overlaps(
    pairs: Pairs,
    first: Int[Tensor, "B N"],
    second: Int[Tensor, "B M"],
    weak_share: float,
) -> PairTerms:
    """Log G_ij; -inf where the two believe in different odometers."""
    gamma = torch.where(second == 0, 1.0 - weak_share, weak_share).to(pairs.shift)
    own = _of_label(pairs.log_own[1] - gamma.log(), second)
    return PairTerms(pairs.forward_mean, pairs.shift, pairs.log_own[0], own, first)


def partners(
    pairs: Pairs, first: Int[Tensor, "B N"], second: Int[Tensor, "B M"], j: Int[Tensor, "B P"]
) -> PairTerms:
    """Log G_ij of all i, but for a number of each j, where rows are given by their j."""
    shift = gather_axis(pairs.shift, j)
    own = _of_label(pairs.log_own[0], first)
    return PairTerms(
        shift, pairs.forward_mean, torch.zeros_like(shift[..., 0]), own, gather_axis(second, j)
    )


def _of_label(values: Float[Tensor, "B N"], quality: Int[Tensor, "B N"]) -> Float[Tensor, "B 2 N"]:
    """The values of each quality's particles; -inf for the others."""
    labels = torch.arange(2, device=quality.device)[:, None]
    return values.unsqueeze(1).masked_fill(quality.unsqueeze(1) != labels, -math.inf)


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
