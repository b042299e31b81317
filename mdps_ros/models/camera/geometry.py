"""The canonical view and the ground cells that are seen in it.

Every image is turned into that of one virtual pinhole camera: level, 320 x 128 pixels, focal
length 160 pixels, so 90 degrees wide. Its picture of a world does not change when world and
camera height grow together; all heights are therefore told as the canonical one by scaling the
cells' positions (`cell_positions`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

WIDTH, HEIGHT = 320, 128  # px
FOCAL = 160.0  # px
CAMERA_HEIGHT = 1.6  # m above ground

DEPTHS = 40  # cells ahead, 1 .. 40 canonical metres
SIDES = 49  # cells to the sides, -24 (left) .. 24 (right) canonical metres
STRIDE = 8  # px per cell of the masks that go with features


def cell_grid() -> tuple[Float[Tensor, "Z X"], Float[Tensor, "Z X"]]:
    """Depth Z and offset X to the right of each cell's centre, canonical metres."""
    z = torch.arange(1.0, DEPTHS + 1.0)
    x = torch.arange(SIDES) - (SIDES // 2) * 1.0
    depth, right = torch.meshgrid(z, x, indexing="ij")
    return depth, right


def cell_columns() -> Float[Tensor, "Z X"]:
    """Column of the canonical image (px, centres at integers) over which each cell lies."""
    depth, right = cell_grid()
    return FOCAL * right / depth + (WIDTH - 1) / 2


def cell_positions(height: float, forward: float) -> Float[Tensor, "Z X 2"]:
    """Forward and left coordinates (m, level frame of the camera's heading) of the cells.

    Args:
        height: of the camera over the ground, m.
        forward: of the camera before the frame's origin, m.
    """
    depth, right = cell_grid()
    scale = height / CAMERA_HEIGHT
    return torch.stack([forward + scale * depth, -scale * right], dim=-1)
