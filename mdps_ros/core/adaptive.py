"""How many particles a belief needs (KLD-sampling: D. Fox, IJRR 22(12), 2003)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core.cells import PoseGrid, cell_masses
from mdps_ros.core.weights import masses


def occupied_cells(
    poses: Float[Tensor, "B N 3"],
    log_weights: Float[Tensor, "B N"],
    grid: PoseGrid,
    tail: float = 0.01,
) -> Int[Tensor, " B"]:
    """Number of grid cells that hold the belief.

    A weighted cloud has many cells of next to no mass, which resampling would empty. Of k
    non-empty cells those with less than `tail` / k are not counted: together they hold less
    than `tail` of the mass. Cells are hashed, so that some share a slot: one in a hundred of a
    tracked vehicle's, one in six where hardly two particles are in the same cell.
    """
    mass = cell_masses(poses, masses(log_weights), grid)
    non_empty = (mass > 0.0).sum(-1)
    return (mass > tail / non_empty.unsqueeze(-1)).sum(-1)


def kld_count(cells: Int[Tensor, " B"], error: float, quantile: float) -> Float[Tensor, " B"]:
    """Particles for which KL(estimate, truth) < `error` with the probability of the quantile.

    Fox, Eq. 7: the chi-square quantile with k - 1 degrees of freedom over 2 `error`, by the
    Wilson-Hilferty approximation.

    Args:
        cells: k, occupied cells; 1 needs one particle.
        error: Bound of the Kullback-Leibler divergence, nats.
        quantile: Upper standard-normal quantile, 2.326 for 99 %.
    """
    degrees = (cells.double() - 1.0).clamp(min=1.0)
    spread = 2.0 / (9.0 * degrees)
    cube = (1.0 - spread + spread.sqrt() * quantile).clamp(min=0.0) ** 3
    return torch.where(cells > 1, degrees / (2.0 * error) * cube, torch.ones_like(degrees))


@dataclass(frozen=True)
class KldCount:
    """The particle number for a belief, between two bounds.

    Attributes:
        grid: Cells in which the belief is looked at.
        error: Bound of the divergence, nats.
        quantile: Upper standard-normal quantile.
        minimum: Least number of particles.
        maximum: Largest number of particles.
    """

    grid: PoseGrid
    error: float
    quantile: float
    minimum: int
    maximum: int

    def __call__(self, poses: Float[Tensor, "B N 3"], log_weights: Float[Tensor, "B N"]) -> int:
        """The number that the most spread-out row of the batch needs."""
        cells = occupied_cells(poses, log_weights, self.grid)
        needed = kld_count(cells, self.error, self.quantile).ceil().max()
        return int(needed.clamp(self.minimum, self.maximum))
