"""From a belief over poses to what people ask for: mean, covariance, modes with their mass."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import angles, mixture
from mdps_ros.core.cells import PoseGrid, table_size
from mdps_ros.core.resampling import stratified
from mdps_ros.core.types import MixtureBelief, Modes
from mdps_ros.core.weights import normalise, scatter

# Cells cut a narrow mode that lies on their faces. These shifts (every other corner of the half
# cell) leave at least half of it in one cell of some grid.
_SHIFTS = ((0.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5))


def moments(
    poses: Float[Tensor, "B N 3"], log_weights: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "B 3"], Float[Tensor, "B 3 3"]]:
    """Weighted mean and covariance, circular in yaw (mean in (-pi, pi], wrapped deviations)."""
    return _weighted_moments(poses, log_weights.exp())


def _weighted_moments(
    poses: Float[Tensor, "B N 3"], weights: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "B 3"], Float[Tensor, "B 3 3"]]:
    """The same for weights that sum to one."""
    position = (weights.unsqueeze(1) @ poses[..., :2]).squeeze(1)
    yaw = angles.circular_mean(poses[..., 2], weights)
    mean = torch.cat((position, yaw.unsqueeze(-1)), dim=-1)
    return mean, scatter(pose_difference(poses, mean.unsqueeze(1)), weights)


def pose_difference(
    poses: Float[Tensor, "*B N 3"], reference: Float[Tensor, "*B M 3"]
) -> Float[Tensor, "*B N 3"]:
    """Componentwise difference with the yaw wrapped to (-pi, pi]."""
    difference = poses - reference
    return torch.cat((difference[..., :2], angles.wrap(difference[..., 2:])), dim=-1)


def modes(
    poses: Float[Tensor, "B N 3"],
    log_weights: Float[Tensor, "B N"],
    count: int,
    radius_m: float,
    radius_yaw: float,
) -> Modes:
    """The `count` heaviest concentrations of a particle cloud, greedily, in O(count N).

    The heaviest cell (side 2 radii, on shifted grids) gives a first centre; the mean of the
    particles within the radii of it gives the second; the particles within the radii of that one
    are the mode and are taken away before the next. No gradient.

    Args:
        poses: x m, y m, yaw rad.
        log_weights: Normalised.
        count: K, how many modes to look for.
        radius_m: Largest distance of a member from the mode's centre, metres.
        radius_yaw: Largest difference of heading, rad.

    Returns:
        Modes, heaviest first, with moments of their members (circular in yaw).
    """
    with torch.no_grad():
        rows = [
            _row_modes(poses[row], log_weights[row].exp(), count, radius_m, radius_yaw)
            for row in range(poses.shape[0])
        ]
    return Modes(*(torch.stack(parts) for parts in zip(*rows, strict=True)))


def _row_modes(
    poses: Float[Tensor, "N 3"],
    weights: Float[Tensor, " N"],
    count: int,
    radius_m: float,
    radius_yaw: float,
) -> Modes:
    """Modes of one batch row, without the batch axis."""
    table = table_size(len(poses))
    slots = torch.stack(
        [
            PoseGrid(2.0 * radius_m, 2.0 * radius_yaw, shift).slots(poses, table) + grid * table
            for grid, shift in enumerate(_SHIFTS)
        ]
    )
    mass = weights.new_zeros(len(_SHIFTS) * table)
    mass.index_add_(0, slots.reshape(-1), weights.repeat(len(_SHIFTS)))
    x, y, yaw = (column.contiguous() for column in poses.unbind(-1))

    def members(centre: Tensor) -> Tensor:
        near = (x - centre[0]).square() + (y - centre[1]).square() <= radius_m**2
        index = near.nonzero().squeeze(-1)
        return index[angles.wrap(yaw[index] - centre[2]).abs() <= radius_yaw]

    left = weights.clone()
    found = []
    for _ in range(count):
        best = mass.argmax()
        cell = (slots[best // table] == best).nonzero().squeeze(-1)
        seed = poses[cell[left[cell].argmax()]]
        centre, _, _ = _describe(poses, left, members(seed))
        inside = members(centre)
        found.append(_describe(poses, left, inside))
        mass.index_add_(0, slots[:, inside].reshape(-1), -left[inside].repeat(len(_SHIFTS)))
        left[inside] = 0.0
    means, covariances, masses = (torch.stack(parts) for parts in zip(*found, strict=True))
    order = masses.argsort(descending=True, stable=True)
    return Modes(means[order], covariances[order], masses[order])


def _describe(
    poses: Float[Tensor, "N 3"], left: Float[Tensor, " N"], index: Int[Tensor, " I"]
) -> tuple[Float[Tensor, " D"], Float[Tensor, "D D"], Float[Tensor, ""]]:
    """Moments and mass of the chosen particles; NaN moments where no mass is left."""
    weights = left[index]
    mass = weights.sum()
    mean, covariance = _weighted_moments(poses[index].unsqueeze(0), (weights / mass).unsqueeze(0))
    return mean[0], covariance[0], mass


def mixture_modes(
    belief: MixtureBelief,
    count: int,
    draws: int,
    radius: tuple[float, float, float],
    generator: torch.Generator,
) -> tuple[Float[Tensor, "B K 3"], Float[Tensor, "B K"]]:
    """Modes of the kernel mixture itself, as the papers report them (P24 D.2.5); O(K draws N).

    The densest of `draws` samples is a mode; particles within the ellipsoid `radius`
    (m, m, rad) of it lose their weight before the next is looked for.

    Returns:
        Poses and their log-densities under the whole mixture; NaN and -inf where no particle
        is left.
    """
    remaining = belief
    batch = belief.poses.shape[0]
    rows = torch.arange(batch, device=belief.poses.device)
    axes = torch.tensor(radius, device=belief.poses.device, dtype=belief.poses.dtype)
    poses, densities = [], []
    for _ in range(count):
        points, _ = mixture.sample(remaining, draws, stratified, generator)
        best = points[rows, mixture.log_prob(remaining, points).argmax(-1)]
        density = mixture.log_prob(belief, best.unsqueeze(1)).squeeze(1)
        poses.append(torch.cat((best[:, :2], angles.wrap(best[:, 2:])), dim=-1))
        densities.append(density)
        distance = pose_difference(belief.poses, best.unsqueeze(1)) / axes
        left = remaining.log_weights.masked_fill(distance.square().sum(-1) <= 1.0, -torch.inf)
        remaining = remaining._replace(log_weights=normalise(left)[0])
    return torch.stack(poses, dim=1), torch.stack(densities, dim=1)
