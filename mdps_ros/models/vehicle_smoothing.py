"""The vehicle's smoothed belief at one time: forward particles meet backward ones.

Younis and Sudderth (NeurIPS 2024, Eqs. 16-21) combine two mixtures over poses by the product of
their densities. The vehicle has more state than its pose, and past and future are independent only
given all of it: two filters that each blame the same 2 m on the map agree about the pose on Earth
without knowing more than one of them. So the pose on the map u is combined by kernels, and
l = (calibration, map offset), of which both filters have Gaussians, exactly:

    p(u | all)  ~  p(y | u) sum_ij w_i v_j K(u - u_i) K(u - u_j) G_ij / pi_j
    G_ij        =  delta(q_i, q_j) / gamma(q_j)  integral N(l; l_i, P) N(l; l_j, S) / gamma(l) dl

with forward particles i, backward particles j, qualities q, and pi_j the density that the first
ancestor of j was drawn from: the backward particles stand for pi_j times what the future says. G is
one matrix product, as P, S and gamma are common to all particles of a quality.

The same with G = 1 is the paper's combination of poses on the map; on Earth, where the offset is
part of the pose, it would count the map twice.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.resampling import stratified
from mdps_ros.core.se2 import rotate
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import Belief, MixtureBelief
from mdps_ros.core.weights import normalise
from mdps_ros.models.map_error import on_map
from mdps_ros.models.motion import VehicleState
from mdps_ros.models.vehicle_backward import LEAST_SD, OFFSET, BackwardState, PoseScore
from mdps_ros.settings import MapErrorSettings

# Points are first drawn this many times over and thinned by what was measured at their time, so
# that a sharp measurement finds points to weigh.
OVERSAMPLING = 4
# The forward filter draws map offsets; as a density each draw stands for its surroundings, this
# share of the offset's own spread.
OFFSET_BANDWIDTH = 0.2


class SmoothedVehicle(NamedTuple):
    """A smoothed belief.

    Attributes:
        pose: (B, M, 3) x m, y m, yaw rad on Earth.
        calibration: (B, M, 4) scale error, yaw-rate bias rad/s, slip m/s, scale wander.
        map_offset: (B, M, 2) m east and north.
        log_weights: (B, M) normalised.
        log_overlap: (B,) log of how much the future makes of what the past and the measurement
            leave, up to a constant that varies slowly.
    """

    pose: Float[Tensor, "B M 3"]
    calibration: Float[Tensor, "B M 4"]
    map_offset: Float[Tensor, "B M 2"]
    log_weights: Float[Tensor, "B M"]
    log_overlap: Float[Tensor, " B"]


class _Linear(NamedTuple):
    """Both filters' Gaussians of l, ready to be multiplied.

    Attributes:
        log_own: (B, N) of the forward particles and (B, M) of the backward ones.
        left: (B, N, 6) and right (B, M, 6), whose products complete log G.
        forward_mean: (B, N, 6) what a forward particle gives to the mean of a pair.
        backward_mean: (B, M, 6) likewise.
        factor: (B, 2, 6, 6) lower factor of a pair's covariance.
    """

    log_own: tuple[Float[Tensor, "B N"], Float[Tensor, "B M"]]
    left: Float[Tensor, "B N 6"]
    right: Float[Tensor, "B M 6"]
    forward_mean: Float[Tensor, "B N 6"]
    backward_mean: Float[Tensor, "B M 6"]
    factor: Float[Tensor, "B 2 6 6"]


def combine(
    forward: Belief,
    backward: Belief,
    kernel: ProductKernel,
    map_error: MapErrorSettings,
    look: PoseScore | None,
    weak_share: float,
    count: int,
    generator: torch.Generator,
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

    Returns:
        2 `count` particles; as a density they need a kernel of their own.

    Raises:
        weights.DegenerateWeightsError: the two filters have no place in common.
    """
    ahead, behind = forward.state, backward.state
    mapped = on_map(ahead).double()
    mixtures = (
        MixtureBelief(mapped, forward.log_weights.double(), kernel),
        MixtureBelief(behind.pose.double(), backward.log_weights.double(), kernel),
    )
    points = _propose(mixtures, look, count, generator).to(mapped)
    log_kernels = [_log_kernels(points, m) for m in mixtures]  # (B, P, N), (B, P, M)
    log_q = torch.logaddexp(*(kernels.logsumexp(-1) for kernels in log_kernels))
    linear = _meet(ahead, mapped[..., 2], behind, map_error)
    log_pair = _log_pairs(linear, ahead.quality, behind.quality, weak_share)
    log_pair = log_pair - behind.log_start.double()[:, None, :]
    shares = [_scaled(kernels) for kernels in log_kernels]
    top = log_pair.amax((1, 2), keepdim=True)
    pair = (log_pair - top).exp()
    from_past = shares[0][0] @ pair  # (B, P, M)
    joint = from_past * shares[1][0]
    log_score = joint.sum(-1).log() + shares[0][1] + shares[1][1] + top.squeeze(-1)
    log_weights, log_overlap = normalise(log_score - log_q - math.log(count))
    j = _choose(joint, generator)
    i = _choose(shares[0][0] * gather_axis(pair.mT, j), generator)
    state = _draw(linear, i, j, behind.quality, generator)
    offset = rotate(points[..., 2], state[..., OFFSET])
    pose = torch.cat((points[..., :2] - offset, points[..., 2:]), -1)
    return SmoothedVehicle(
        *(leaf.to(ahead.pose) for leaf in (pose, state[..., :4], offset, log_weights, log_overlap))
    )


def _propose(
    mixtures: tuple[MixtureBelief, MixtureBelief],
    look: PoseScore | None,
    count: int,
    generator: torch.Generator,
) -> Float[Tensor, "B P 3"]:
    """Draws from the mean of both mixtures times the likelihood: what is left to weigh is f / q."""
    wanted = count if look is None else OVERSAMPLING * count
    halves = [mixture.sample(m, wanted, stratified, generator)[0] for m in mixtures]
    points = torch.cat(halves, 1).float()
    score = None if look is None else look(points)
    if score is None:
        score = torch.zeros_like(points[..., 0])
    return gather_axis(points, stratified(normalise(score)[0], 2 * count, generator))


def _log_kernels(points: Float[Tensor, "B P 3"], belief: MixtureBelief) -> Float[Tensor, "B P N"]:
    """Log of weight times kernel for every pair."""
    kernel = belief.kernel
    centres = kernel.features(belief.poses)
    origin = centres.mean(1, keepdim=True)
    features = kernel.features(points) - origin
    square = torch.cdist(features, centres - origin).square()
    peak = kernel.log_peak().double()[..., None, None]
    return belief.log_weights[:, None, :] - 0.5 * square + peak


def _scaled(log_kernels: Float[Tensor, "B P N"]) -> tuple[Tensor, Tensor]:
    """Kernels over the largest of each point, and the log of that one (B, P)."""
    top = log_kernels.amax(-1)
    return (log_kernels - top.unsqueeze(-1)).exp(), top


def _meet(
    ahead: VehicleState, yaw: Float[Tensor, "B N"], behind: BackwardState, error: MapErrorSettings
) -> _Linear:
    """Completes the square in l for all pairs at once."""
    offset = rotate(-yaw, ahead.map_offset.double())
    first = torch.cat((ahead.calibration.double(), offset), -1)
    P = _covariance(ahead.factor.double(), OFFSET_BANDWIDTH * error.sd)
    S = behind.factor.double() @ behind.factor.double().mT
    mean, variance = behind.prior.mean[:, None, :], behind.prior.sd.square()
    P_inverse, S_inverse = torch.linalg.inv(P), torch.linalg.inv(S)
    future = S_inverse - torch.diag_embed(1.0 / variance)  # what it says, without gamma
    joint = torch.linalg.inv(P_inverse + future)
    second = behind.linear.double()
    shift = _by_quality(S_inverse, second, behind.quality) - mean / _of(variance, behind.quality)
    own = second * _by_quality(S_inverse, second, behind.quality)
    prior = mean.square() / _of(variance, behind.quality)
    log_size = 0.5 * (variance.log().sum(-1) - torch.linalg.slogdet(S)[1])
    eye = torch.eye(6, dtype=P.dtype, device=P.device)
    log_width = -0.5 * torch.linalg.slogdet(eye + P @ future)[1]
    backward_mean = _by_quality(joint, shift, behind.quality)
    log_second = 0.5 * ((prior - own + shift * backward_mean).sum(-1))
    weighed = _by_quality(P_inverse, first, ahead.quality)
    forward_mean = _by_quality(joint, weighed, ahead.quality)
    log_first = 0.5 * (weighed * (forward_mean - first)).sum(-1)
    return _Linear(
        (log_first, log_second + _of((log_size + log_width).unsqueeze(-1), behind.quality)[..., 0]),
        forward_mean,
        shift,
        forward_mean,
        backward_mean,
        torch.linalg.cholesky(0.5 * (joint + joint.mT)),
    )


def _covariance(factor: Float[Tensor, "B 2 4 4"], spread: float) -> Float[Tensor, "B 2 6 6"]:
    """Of a forward particle's l: the calibration's, and the offset's kernel."""
    whole = factor.new_zeros(*factor.shape[:2], 6, 6)
    whole[..., :4, :4] = factor @ factor.mT
    whole[..., 4, 4] = whole[..., 5, 5] = spread**2
    least = torch.full_like(whole[..., 0], LEAST_SD**2)  # what is known for certain
    return whole + torch.diag_embed(least)


def _of(values: Float[Tensor, "B 2 K"], quality: Int[Tensor, "B N"]) -> Float[Tensor, "B N K"]:
    """The row of each particle's quality."""
    return gather_axis(values, quality)


def _by_quality(
    matrix: Float[Tensor, "B 2 6 6"], vector: Float[Tensor, "B N 6"], quality: Int[Tensor, "B N"]
) -> Float[Tensor, "B N 6"]:
    """Each particle's vector through the matrix of its quality."""
    good, weak = vector @ matrix[:, 0].mT, vector @ matrix[:, 1].mT
    return torch.where(quality.unsqueeze(-1) == 0, good, weak)


def _log_pairs(
    linear: _Linear,
    first: Int[Tensor, "B N"],
    second: Int[Tensor, "B M"],
    weak_share: float,
) -> Float[Tensor, "B N M"]:
    """Log G_ij; -inf where the two believe in different odometers."""
    total = linear.left @ linear.right.mT
    total = total + linear.log_own[0].unsqueeze(-1) + linear.log_own[1].unsqueeze(1)
    gamma = torch.where(second == 0, 1.0 - weak_share, weak_share).to(total)
    unlike: Bool[Tensor, "B N M"] = first.unsqueeze(-1) != second.unsqueeze(1)
    return (total - gamma.log().unsqueeze(1)).masked_fill(unlike, -math.inf)


def _choose(chances: Float[Tensor, "B P N"], generator: torch.Generator) -> Int[Tensor, "B P"]:
    """One index per point; any one where all chances are zero, as the point then has no weight."""
    cumulative = chances.cumsum(-1)
    draw = torch.rand(
        cumulative.shape[:2], generator=generator, device=chances.device, dtype=chances.dtype
    )
    threshold = (draw * cumulative[..., -1]).unsqueeze(-1)
    index = torch.searchsorted(cumulative, threshold, right=True).squeeze(-1)
    return index.clamp_max(chances.shape[-1] - 1)


def _draw(
    linear: _Linear,
    i: Int[Tensor, "B P"],
    j: Int[Tensor, "B P"],
    quality: Int[Tensor, "B M"],
    generator: torch.Generator,
) -> Float[Tensor, "B P 6"]:
    """L given the pair that a point belongs to."""
    mean = gather_axis(linear.forward_mean, i) + gather_axis(linear.backward_mean, j)
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return mean + _by_quality(linear.factor, noise, gather_axis(quality, j))
