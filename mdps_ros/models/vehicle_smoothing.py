"""The vehicle's smoothed belief at one time: forward particles meet backward ones.

Younis and Sudderth (NeurIPS 2024, Eqs. 16-21) combine two mixtures over poses by the product of
their densities. The vehicle has more state than its pose, and past and future are independent only
given all of it: two filters that each blame the same 2 m on the map agree about the pose on Earth
without knowing more than one of them. So the pose on the map u is compared by kernels, and
l = (calibration, map offset and slope), of which both filters have Gaussians, exactly
(`vehicle_pairs`). What the future says of a state is

    b(u, l_i)  =  sum_j v_j / pi_j K(u - u_j) G_ij

with backward particles j and the density pi_j that they stand for beside the future's. It meets
the past in one of three ways:

    `reweigh`   particles of the forward filter, given y_t, times b
    `combine`   p(y_t | u) sum_i w_i K(u - u_i) b(u, l_i) at draws of both filters' predictions
    `future_alone`   backward particles with weights v_j / pi_j p(y_t | u_j)

The first is the sharpest, as long as the filter has particles where the future wants them; the
second is the paper's; the last is for a past that knows nothing yet. With G = 1 the second would be
the paper's combination of poses on the map; on Earth, where the offset is part of the pose, that
would count the map twice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.aligned_kernel import AlignedKernel
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.pair_shares import (
    PairTerms,
    all_shares,
    kernel_terms,
    log_sums,
    log_tops,
    shares,
)
from mdps_ros.core.resampling import stratified
from mdps_ros.core.se2 import rotate
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import Belief, MixtureBelief
from mdps_ros.core.weights import normalise
from mdps_ros.models.backward_law import OFFSET, TURN
from mdps_ros.models.map_error import on_map
from mdps_ros.models.vehicle_backward import PoseScore
from mdps_ros.models.vehicle_pairs import by_quality, draw_linear, meet, overlaps, partners
from mdps_ros.settings import MapErrorSettings

# Points are first drawn this many times over and thinned by what was measured at their time, so
# that a sharp measurement finds points to weigh.
OVERSAMPLING = 4


class SmoothedVehicle(NamedTuple):
    """A smoothed belief.

    Attributes:
        pose: (B, M, 3) x m, y m, yaw rad on Earth.
        calibration: (B, M, 4) scale error, yaw-rate bias rad/s, slip m/s, scale wander; None where
            nobody asked for it.
        map_offset: (B, M, 2) m east and north.
        log_weights: (B, M) normalised.
        log_overlap: (B,) log of how much the future makes of what the past and the measurement
            leave, up to a constant that varies slowly.
    """

    pose: Float[Tensor, "B M 3"]
    calibration: Float[Tensor, "B M 4"] | None
    map_offset: Float[Tensor, "B M 2"]
    log_weights: Float[Tensor, "B M"]
    log_overlap: Float[Tensor, " B"]


def reweigh(
    filtered: Belief,
    backward: Belief,
    message: AlignedKernel,
    map_error: MapErrorSettings,
    weak_share: float,
    generator: torch.Generator | None,
) -> SmoothedVehicle:
    """The smoothed belief by the particles of the forward filter.

    Args:
        filtered: `VehicleState` and weights given the time's own measurement.
        backward: `BackwardState` and weights, without that measurement.
        message: kernel of the backward poses.
        map_error: the forward filter's.
        weak_share: gamma of the weaker quality.
        generator: for calibrations, on the particles' device; without one none are drawn.

    Returns:
        The poses and offsets of `filtered` with new weights.

    Raises:
        weights.DegenerateWeightsError: the two filters have no place in common.
    """
    ahead, behind = filtered.state, backward.state
    mapped = on_map(ahead).double()
    pairs = meet(ahead, mapped[..., 2], behind, map_error)
    terms = overlaps(pairs, ahead.quality, behind.quality, weak_share)
    log_future_weights = backward.log_weights - behind.log_start
    future = MixtureBelief(message.turned(behind.pose), log_future_weights, message.kernel)
    near = kernel_terms(message.turned(mapped), future)
    log_future, chosen = list[Tensor](), list[Tensor]()
    for part in shares(terms.joined(near)):
        log_future.append(part.values.sum(-1).double().log() + part.log_top)
        if generator is not None:
            chosen.append(_choose(part.values, generator))
    log_weights, log_overlap = normalise(filtered.log_weights.double() + torch.cat(log_future, 1))
    calibration, like = None, ahead.pose
    if generator is not None:
        j = torch.cat(chosen, 1)
        i = torch.arange(j.shape[1], device=j.device).expand_as(j)
        calibration = draw_linear(pairs, i, j, behind.quality, generator)[..., :4].to(like)
    return SmoothedVehicle(
        like, calibration, ahead.map_offset, log_weights.to(like), log_overlap.to(like)
    )


def combine(
    forward: Belief,
    backward: Belief,
    kernel: ProductKernel,
    map_error: MapErrorSettings,
    look: PoseScore | None,
    weak_share: float,
    count: int,
    generator: torch.Generator,
    *,
    divided: bool = True,
) -> SmoothedVehicle:
    """The smoothed belief of a time from what each filter predicts for it.

    Args:
        forward: `VehicleState` and weights before the time's own measurement.
        backward: `BackwardState` and weights, without that measurement too.
        kernel: of both filters' poses.
        map_error: the forward filter's.
        look: what was measured at the time, or None.
        weak_share: gamma of the weaker quality.
        count: particles drawn from each filter.
        generator: on the particles' device.
        divided: whether weights are divided by the density that the particles were drawn from;
            false is wrong, and for comparison only.

    Returns:
        2 `count` particles; as a density they need a kernel of their own.

    Raises:
        weights.DegenerateWeightsError: the two filters have no place in common.
    """
    ahead, behind = forward.state, backward.state
    mapped = on_map(ahead)
    mixtures = (
        MixtureBelief(mapped, forward.log_weights, kernel),
        MixtureBelief(behind.pose, backward.log_weights, kernel),
    )
    points = _propose(mixtures, look, count, generator)
    near = [kernel_terms(points, m) for m in mixtures]
    log_q = torch.logaddexp(*(log_sums(terms) for terms in near))
    pairs = meet(ahead, mapped[..., 2].double(), behind, map_error)
    terms = overlaps(pairs, ahead.quality, behind.quality, weak_share)
    of_second = terms.of_second - behind.log_start.double().unsqueeze(1)
    terms = terms._replace(of_second=of_second)
    joint, log_top = _joint_shares(near[0], near[1], terms)
    log_score = joint.double().sum(-1).log() + log_top
    drawn = log_q if divided else torch.zeros_like(log_q)
    log_weights, log_overlap = normalise(log_score - drawn - math.log(count))
    j = _choose(joint, generator)
    of_j = partners(pairs, ahead.quality, behind.quality, j).joined(near[0])
    i = torch.cat([_choose(part.values, generator) for part in shares(of_j)], 1)
    state = draw_linear(pairs, i, j, behind.quality, generator)
    pose, offset = _on_earth(points.double(), state)
    return SmoothedVehicle(
        *(leaf.to(ahead.pose) for leaf in (pose, state[..., :4], offset, log_weights, log_overlap))
    )


def future_alone(
    backward: Belief, look: PoseScore | None, generator: torch.Generator
) -> SmoothedVehicle:
    """The smoothed belief where the past says next to nothing: the backward particles.

    Args:
        backward: `BackwardState` and weights, without the time's own measurement.
        look: what was measured at the time, or None.
        generator: on the particles' device.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    behind = backward.state
    log_weights = backward.log_weights - behind.log_start
    score = None if look is None else look(behind.pose)
    log_weights, log_overlap = normalise(log_weights if score is None else log_weights + score)
    like = behind.linear
    noise = torch.randn(like.shape, generator=generator, device=like.device, dtype=like.dtype)
    state = like + by_quality(behind.factor, noise, behind.quality)
    pose, offset = _on_earth(behind.pose, state)
    return SmoothedVehicle(pose, state[..., :4], offset, log_weights, log_overlap)


def _on_earth(
    mapped: Float[Tensor, "B P 3"], linear: Float[Tensor, "B P 8"]
) -> tuple[Float[Tensor, "B P 3"], Float[Tensor, "B P 2"]]:
    """Poses without the map's error, and its offset east and north."""
    offset = rotate(mapped[..., 2], linear[..., OFFSET])
    yaw = mapped[..., 2:] - linear[..., TURN, None]
    return torch.cat((mapped[..., :2] - offset, yaw), -1), offset


def _propose(
    mixtures: tuple[MixtureBelief, MixtureBelief],
    look: PoseScore | None,
    count: int,
    generator: torch.Generator,
) -> Float[Tensor, "B P 3"]:
    """Draws from the mean of both mixtures times the likelihood: what is left to weigh is f / q."""
    wanted = count if look is None else OVERSAMPLING * count
    halves = [mixture.sample(m, wanted, stratified, generator)[0] for m in mixtures]
    points = torch.cat(halves, 1)
    score = None if look is None else look(points)
    if score is None:
        score = torch.zeros_like(points[..., 0])
    return gather_axis(points, stratified(normalise(score)[0], 2 * count, generator))


def _joint_shares(
    past: PairTerms, future: PairTerms, overlap: PairTerms
) -> tuple[Float[Tensor, "B P M"], Float[Tensor, "B P"]]:
    """sum_i w_i K(u - u_i) G_ij times v_j / pi_j K(u - u_j), for all j at each point u.

    Returns:
        The terms over a number of each point, and the logarithm of that.
    """
    first, second = all_shares(past), all_shares(future)
    log_top = log_tops(overlap).amax(-1, keepdim=True)
    from_past = torch.zeros_like(second.values)
    for part in shares(overlap):  # the products are most of the work
        weight = (part.log_top - log_top).exp().float()
        from_past.baddbmm_(first.values[..., part.rows], part.values * weight.unsqueeze(-1))
    return from_past.mul_(second.values), first.log_top + second.log_top + log_top


def _choose(chances: Float[Tensor, "B P N"], generator: torch.Generator) -> Int[Tensor, "B P"]:
    """One index per point; any one where all chances are zero, as the point then has no weight."""
    cumulative = chances.cumsum(-1)
    draw = torch.rand(
        cumulative.shape[:2], generator=generator, device=chances.device, dtype=chances.dtype
    )
    threshold = (draw * cumulative[..., -1]).unsqueeze(-1)
    index = torch.searchsorted(cumulative, threshold, right=True).squeeze(-1)
    return index.clamp_max(chances.shape[-1] - 1)
