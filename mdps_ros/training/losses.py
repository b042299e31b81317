"""Losses of beliefs against true poses. Never reduced inside; `mean_per_member` does that last."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.types import MixtureBelief
from mdps_ros.training.errors import TrainingError

DENSITY_FLOOR = 1e-8
HIGHEST_NLL = -math.log(DENSITY_FLOOR)
"""18.42: the loss of a belief that has no density at the truth."""


def floored_nll(log_density: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """-log(p + 1e-8) of log-densities: at most 18.42, and flat where p is far below 1e-8.

    The floor belongs to the unit of the density; see `nll_in_metres`.
    Source: Younis and Sudderth, NeurIPS 2024, Eq. 22.
    """
    floor = log_density.new_tensor(math.log(DENSITY_FLOOR))
    return -torch.logaddexp(log_density, floor)


def mixture_nll(belief: MixtureBelief, truth: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    """Floored negative log-density of each row's mixture at its true pose, nats."""
    return floored_nll(mixture.log_prob(belief, truth[:, None])[:, 0])


def nll_in_metres(nll: Float[Tensor, "*axes"], metres_per_pixel: float) -> Float[Tensor, "*axes"]:
    """A loss per m^2 rad from one per px^2 rad, nats: densities in the plane scale by area.

    Exact without the floor; with half-metre pixels the loss becomes 2 ln 2 smaller.
    """
    return nll + 2.0 * math.log(metres_per_pixel)


def mean_pose_error(
    poses: Float[Tensor, "B N 3"],
    log_weights: Float[Tensor, "B N"],
    truth: Float[Tensor, "B 3"],
    radius_m: float,
) -> Float[Tensor, " B"]:
    """Squared error of the weighted mean pose, m^2, for particle sets without a density.

    A heading counts by the unit vector that it points along, times `radius_m`; so it is periodic,
    and particles that point apart shrink the mean vector and are charged for it.

    Args:
        poses: x m, y m, yaw rad.
        log_weights: normalised.
        truth: x m, y m, yaw rad.
        radius_m: metres that one radian of a small heading error is worth.
    """
    mean = (log_weights.exp()[..., None] * _as_vectors(poses, radius_m)).sum(dim=1)
    return (mean - _as_vectors(truth, radius_m)).square().sum(dim=-1)


def _as_vectors(poses: Float[Tensor, "*axes 3"], radius_m: float) -> Float[Tensor, "*axes 4"]:
    """(x, y, r cos yaw, r sin yaw)."""
    yaw = poses[..., 2:]
    return torch.cat([poses[..., :2], radius_m * yaw.cos(), radius_m * yaw.sin()], dim=-1)


def mean_per_member(
    losses: Float[Tensor, "B T"], labelled: Bool[Tensor, "B T"], members: int
) -> Float[Tensor, " M"]:
    """Mean over the labelled steps of each member's rows.

    Args:
        losses: rows of member 0 first, then of member 1, and so on.
        labelled: steps that count; what `losses` holds elsewhere is ignored, NaN included.
        members: number M of members.

    Raises:
        TrainingError: a member has no labelled step.
    """
    counts = labelled.reshape(members, -1).sum(dim=1)
    if not bool((counts > 0).all()):
        raise TrainingError("a batch has no labelled step; draw batches that have one")
    kept = torch.where(labelled, losses, 0.0)
    return kept.reshape(members, -1).sum(dim=1) / counts
