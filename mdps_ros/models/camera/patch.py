"""A box of map features in one piece, in which a cloud finds its cells in half the time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float, Float16, Int
from torch import Tensor


class Patch(NamedTuple):
    """Cells of a map, as they were when the patch was made.

    Attributes:
        features: row 0 in the south; eight channels.
        corner: row and column of the first cell; (0, 0) is the store's first cell.
    """

    features: Float16[Tensor, "rows columns C"]
    corner: tuple[int, int]

    def at(
        self, row: Float[Tensor, "M P"], column: Float[Tensor, "M P"]
    ) -> Float16[Tensor, "M P C"]:
        """Features of cells that the patch has.

        Args:
            row: with fractions.
            column: likewise.
        """
        width = self.features.shape[1]
        first = self.corner[0] * width + self.corner[1]
        return picked(self.features, row.int().mul_(width).add_(column.int()).sub_(first))


def picked(
    features: Float16[Tensor, "*axes C"], numbers: Int[Tensor, "M P"]
) -> Float16[Tensor, "M P C"]:
    """Features of cells by their numbers; eight channels."""
    # Eight float16 are one number of 16 bytes: torch picks numbers faster than rows.
    packed = features.view(torch.complex128).flatten()
    return packed.index_select(0, numbers.flatten()).view(torch.float16).view(*numbers.shape, -1)


def cuts(first: int, size: int, side: int) -> Iterator[tuple[int, slice, slice]]:
    """Cuts a row of cells at the edges of tiles: tile, cells of the tile, cells of the row.

    Args:
        first: cell that the row begins with; tile 0 begins with cell 0.
        size: cells of the row.
        side: cells of a tile.
    """
    start, end = first, first + size
    while start < end:
        tile = start // side
        stop = min((tile + 1) * side, end)
        here = slice(start - tile * side, stop - tile * side)
        yield tile, here, slice(start - first, stop - first)
        start = stop
