"""Losses of beliefs against true poses beside `core.nll`, and their mean per member, taken last."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mdps_ros.training.errors import TrainingError


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
