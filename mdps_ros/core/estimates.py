"""From a belief over poses to what people ask for: mean, covariance, modes with their mass."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import angles, mixture
from mdps_ros.core.cells import PoseGrid, cell_masses, table_size
from mdps_ros.core.resampling import stratified
from mdps_ros.core.types import MixtureBelief, Modes
from mdps_ros.core.weights import masses, normalise, scatter

# Cells cut a narrow mode that lies on their faces. These shifts (every other corner of the half
# cell) leave at least half of it in one cell of some grid.
_SHIFTS = ((0.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 0.5, 0.5))

# Slots per grid. Larger tables collide less but take longer to search for each mode.
_MAXIMUM_TABLE = 1 << 18

# Mean shift from a cell's heaviest particle: among the particles within so many radii of it; so
# often that many steps, as asking whether it has settled makes the host wait for the device; until
# a step is shorter than that share of the radius.
_REACH = 3.0
_CLIMBS = 8
_SHIFTS_UNSEEN = 4
_SETTLED = 0.01


def moments(
    poses: Float[Tensor, "B N 3"], log_weights: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "B 3"], Float[Tensor, "B 3 3"]]:
    """Weighted mean and covariance, circular in yaw (mean in (-pi, pi], wrapped deviations)."""
    return _weighted_moments(poses, masses(log_weights))


def _weighted_moments(
    poses: Float[Tensor, "B N 3"], weights: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "B 3"], Float[Tensor, "B 3 3"]]:
    """The same for weights that sum to one."""
    position = (weights.unsqueeze(1) @ poses[..., :2]).squeeze(1)
    yaw = angles.circular_mean(poses[..., 2], weights)
    mean = torch.cat((position, yaw.unsqueeze(-1)), dim=-1)
    return mean, scatter(pose_difference(poses, mean.unsqueeze(1)), weights)


def cell_entropy(
    poses: Float[Tensor, "B N 3"], log_weights: Float[Tensor, "B N"], grid: PoseGrid
) -> Float[Tensor, " B"]:
    """Entropy of the cell that the vehicle is in, nats: exp of it cells would be as unsure.

    Cells are hashed, so some share a slot, which makes the entropy a little less.

    Args:
        poses: x m, y m, yaw rad.
        log_weights: Normalised.
        grid: The cells.
    """
    mass = cell_masses(poses, masses(log_weights), grid)
    return -mass.xlogy(mass).sum(-1)


def pose_difference(
    poses: Float[Tensor, "*_ 3"], reference: Float[Tensor, "*_ 3"]
) -> Float[Tensor, "*_ 3"]:
    """Componentwise difference with the yaw wrapped to (-pi, pi]; leading axes broadcast."""
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

    The heaviest cell (side 2 radii, on shifted grids) gives a first centre, which moves to the
    mean of the particles within the radii of it until it hardly moves any more: mean shift with a
    flat kernel (Comaniciu and Meer, IEEE TPAMI 24(5), 2002). The particles within the radii of it
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
        weights = masses(log_weights)
        rows = [
            _row_modes(poses[row], weights[row], count, radius_m, radius_yaw)
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
    table = min(table_size(len(poses)), _MAXIMUM_TABLE)
    grid = PoseGrid(2.0 * radius_m, 2.0 * radius_yaw)
    slots = grid.shifted_slots(poses, table, poses.new_tensor(_SHIFTS))
    slots += table * torch.arange(len(_SHIFTS), device=slots.device)[:, None]
    mass = weights.new_zeros(len(_SHIFTS) * table)
    mass.index_add_(0, slots.reshape(-1), weights.repeat(len(_SHIFTS)))
    columns = poses.T.contiguous()
    left = weights.clone()
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    while len(found) < count:
        heaviest = _heaviest(mass, slots, left, table)
        if heaviest is None:
            break
        seed = columns[:, heaviest]
        centre = _climbed(columns, left, seed, radius_m, radius_yaw)
        index, offset = _members(columns, centre, radius_m, radius_yaw)
        taken = left[index]
        found.append(_describe(centre, offset, taken))
        if len(found) == count:  # nobody looks at what is left
            break
        mass.index_add_(0, slots[:, index].reshape(-1), taken.neg().repeat(len(_SHIFTS)))
        left[index] = 0.0
        if 2 * len(index) > len(left):  # so that all shrinking together costs O(N)
            alive = left.nonzero().squeeze(-1)
            columns, slots, left = columns[:, alive], slots[:, alive], left[alive]
    return _padded(found, count, weights)


def _heaviest(
    mass: Float[Tensor, " S"], slots: Int[Tensor, "G N"], left: Float[Tensor, " N"], table: int
) -> Tensor | None:
    """Index of the heaviest particle in the heaviest cell; None if no particle has weight.

    Where only rounding is left in the heaviest cell, all cells are summed anew.
    """
    while bool(left.any()):
        best = mass.argmax()
        cell = (slots[best // table] == best).nonzero().squeeze(-1)
        inside = left[cell]
        if bool(inside.any()):
            return cell[inside.argmax()]
        # rounding may leave cells that still hold weight below those that hold none
        mass.zero_().index_add_(0, slots.reshape(-1), left.repeat(len(slots)))
    return None


def _climbed(
    columns: Float[Tensor, "3 N"],
    weights: Float[Tensor, " N"],
    seed: Float[Tensor, " 3"],
    radius_m: float,
    radius_yaw: float,
) -> Float[Tensor, " 3"]:
    """Where mean shift goes from a particle with weight.

    A belief that is wide against the radius is nearly flat around its top, so that a cell or two
    steps may end a radius beside it.
    """
    index, offset = _members(columns, seed, _REACH * radius_m, _REACH * radius_yaw)
    near, centre = weights[index], torch.zeros_like(seed)
    held = centre
    for _ in range(_CLIMBS):
        for _ in range(_SHIFTS_UNSEEN):
            x, y, yaw = offset - centre.unsqueeze(-1)
            yaw = angles.wrap(yaw)
            inside = (x.square() + y.square() <= radius_m**2) & (yaw.abs() <= radius_yaw)
            there = near * inside
            mass = there.sum()
            # position and yaw apart have members near their means; both at once may have none
            some = mass > 0.0
            held = torch.where(some, centre, held)
            shift = torch.stack((x, y, yaw)) @ there / mass
            centre = torch.where(some, centre + shift, held)
        step = centre - held
        along, turn = step[:2].norm() / radius_m, step[2].abs() / radius_yaw
        if bool(torch.maximum(along, turn) <= _SETTLED):
            break
    moved = seed + held
    return torch.cat((moved[:2], angles.wrap(moved[2:])))


def _padded(found: list[tuple[Tensor, Tensor, Tensor]], count: int, like: Tensor) -> Modes:
    """The modes sorted by mass, and mass 0 with NaN moments for those that were not found."""
    means = like.new_full((count, 3), torch.nan)
    covariances = like.new_full((count, 3, 3), torch.nan)
    masses = like.new_zeros(count)
    for rank, (mean, covariance, mass) in enumerate(sorted(found, key=lambda m: -float(m[2]))):
        means[rank], covariances[rank], masses[rank] = mean, covariance, mass
    return Modes(means, covariances, masses)


def _members(
    columns: Float[Tensor, "3 N"], centre: Float[Tensor, " D"], radius_m: float, radius_yaw: float
) -> tuple[Int[Tensor, " I"], Float[Tensor, "3 I"]]:
    """Indices of the particles within the radii of the centre, and how they differ from it."""
    x, y = columns[0] - centre[0], columns[1] - centre[1]
    near = (x.square() + y.square() <= radius_m**2).nonzero().squeeze(-1)
    yaw = angles.wrap(columns[2, near] - centre[2])
    aligned = (yaw.abs() <= radius_yaw).nonzero().squeeze(-1)
    index = near[aligned]
    return index, torch.stack((x[index], y[index], yaw[aligned]))


def _describe(
    centre: Float[Tensor, " D"], offset: Float[Tensor, "3 I"], taken: Float[Tensor, " I"]
) -> tuple[Float[Tensor, " D"], Float[Tensor, "D D"], Float[Tensor, ""]]:
    """Moments and mass of a mode's members.

    Offsets in yaw are less than half a turn, so they are averaged as they are.
    """
    mass = taken.sum()
    weights = taken / mass
    shift = offset @ weights
    centred = offset - shift.unsqueeze(-1)
    mean = centre + shift
    mean = torch.cat((mean[:2], angles.wrap(mean[2:])))
    return mean, (centred * weights) @ centred.mT, mass


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
    rows = torch.arange(belief.poses.shape[0], device=belief.poses.device)
    alive = torch.ones_like(rows, dtype=torch.bool)
    axes = torch.tensor(radius, device=belief.poses.device, dtype=belief.poses.dtype)
    poses, densities = [], []
    for _ in range(count):
        points, _ = mixture.sample(remaining, draws, stratified, generator)
        best = points[rows, mixture.log_prob(remaining, points).argmax(-1)]
        density = mixture.log_prob(belief, best.unsqueeze(1)).squeeze(1)
        wrapped = torch.cat((best[:, :2], angles.wrap(best[:, 2:])), dim=-1)
        poses.append(torch.where(alive.unsqueeze(-1), wrapped, torch.nan))
        densities.append(torch.where(alive, density, -torch.inf))
        distance = pose_difference(belief.poses, best.unsqueeze(1)) / axes
        left = remaining.log_weights.masked_fill(distance.square().sum(-1) <= 1.0, -torch.inf)
        alive = alive & torch.isfinite(left).any(-1)
        # a row that has run out keeps its weights, so that it can still be drawn from
        left = torch.where(alive.unsqueeze(-1), left, remaining.log_weights)
        remaining = remaining._replace(log_weights=normalise(left)[0])
    return torch.stack(poses, dim=1), torch.stack(densities, dim=1)
