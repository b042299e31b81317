"""Histograms of poses on a coarse (x, y, yaw) grid.

Cells are hashed into a table, so a city costs no more memory than a street.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

# Odd multipliers of a spatial hash (Teschner et al., VMV 2003), which joins them by exclusive or:
# on some grids that gives every seventh cell of a cloud the slot of another one, sums do not.
_HASH = (73856093, 19349663, 83492791)


@dataclass(frozen=True)
class PoseGrid:
    """A grid of cells over poses.

    Attributes:
        cell_m: Side of a cell, metres.
        cell_yaw: Wanted height of a cell, rad; made to divide the circle.
        shift: Offset of the grid, as a fraction of a cell in each of x, y, yaw.
    """

    cell_m: float
    cell_yaw: float
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def yaw_cells(self) -> int:
        """Number of cells around the circle."""
        return max(1, math.floor(2.0 * math.pi / self.cell_yaw))

    def slots(self, poses: Float[Tensor, "*B N 3"], table: int) -> Int[Tensor, "*B N"]:
        """Slot in [0, table) of each pose's cell. `table` is a power of two; cells may collide."""
        return self._slots(poses, self.shift, table)

    def shifted_slots(
        self, poses: Float[Tensor, "N 3"], table: int, shifts: Float[Tensor, "G 3"]
    ) -> Int[Tensor, "G N"]:
        """The same for several grids, shifted each in its own way instead of by `shift`."""
        return self._slots(poses, shifts.unsqueeze(-1).unbind(1), table)

    def _slots(
        self, poses: Tensor, shift: Sequence[float] | Sequence[Tensor], table: int
    ) -> Tensor:
        column = torch.floor(poses[..., 0] / self.cell_m + shift[0]).long()
        row = torch.floor(poses[..., 1] / self.cell_m + shift[1]).long()
        turn = poses[..., 2] * (self.yaw_cells / (2.0 * math.pi)) + shift[2]
        sector = torch.floor(turn).long().remainder_(self.yaw_cells)
        key = column * _HASH[0] + row * _HASH[1] + sector * _HASH[2]
        key ^= key >> 15
        return key & (table - 1)


def cell_masses(
    poses: Float[Tensor, "B N 3"], weights: Float[Tensor, "B N"], grid: PoseGrid
) -> Float[Tensor, "B S"]:
    """Weight of a cloud in each slot of a table that has room for its cells."""
    table = table_size(poses.shape[1])
    return mass_per_slot(grid.slots(poses, table), weights, table)


def table_size(count: int) -> int:
    """Power of two of at least 2 `count`, so that at most half of the slots are occupied."""
    return 1 << max(10, math.ceil(math.log2(2 * count)))


def mass_per_slot(
    slots: Int[Tensor, "B N"], weights: Float[Tensor, "B N"], table: int
) -> Float[Tensor, "B S"]:
    """Sum of the weights in each slot."""
    mass = torch.zeros(slots.shape[0], table, device=weights.device, dtype=weights.dtype)
    return mass.scatter_add_(1, slots, weights)
