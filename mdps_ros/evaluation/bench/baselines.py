"""The published formulations, written plainly: what our fast paths are held against.

Both are those of Younis and Sudderth (NeurIPS 2024), as their paper describes them: the density of
a kernel mixture with all pairs at once, and the map cut out around every particle by one 5-D
`grid_sample` before it is compared with the view.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from mdps_ros.core.kernels import concentration, gaussian_log_prob, von_mises_log_prob
from mdps_ros.core.types import MixtureBelief


def dense_log_prob(mixture: MixtureBelief, points: Float[Tensor, "B M D"]) -> Tensor:
    """Log-density of the mixture by all differences at once; as `core.mixture.log_prob`."""
    exponent = mixture.log_weights[:, None]
    for column, circular in enumerate(mixture.kernel.circular):
        difference = points[:, :, None, column] - mixture.poses[:, None, :, column]
        width = mixture.kernel.bandwidth[column]
        if circular:
            exponent = exponent + von_mises_log_prob(difference, concentration(width))
        else:
            exponent = exponent + gaussian_log_prob(difference, width)
    return torch.logsumexp(exponent, dim=-1)


def grid_sample_scores(
    features: Float[Tensor, "C rows columns"],
    corner: tuple[float, float],
    cell: float,
    poses: Float[Tensor, "N 3"],
    cells: Float[Tensor, "P 2"],
    view: Float[Tensor, "P C"],
) -> Float[Tensor, " N"]:
    """Scores of poses: the local map of every pose, bilinear, then its inner product.

    Args:
        features: of the map; row 0 is the south edge, zero outside.
        corner: x and y of the south-west corner, m.
        cell: m per cell.
        poses: x m, y m, yaw rad.
        cells: m forward and left of the poses.
        view: features of the cells.
    """
    rows, columns = features.shape[-2:]
    cos, sin = poses[:, 2:].cos(), poses[:, 2:].sin()
    x = poses[:, :1] + cos * cells[:, 0] - sin * cells[:, 1]
    y = poses[:, 1:2] + sin * cells[:, 0] + cos * cells[:, 1]
    across = 2.0 * (x - corner[0]) / (columns * cell) - 1.0
    along = 2.0 * (y - corner[1]) / (rows * cell) - 1.0
    grid = torch.stack((across, along, torch.zeros_like(across)), -1)[None, :, :, None, :]
    # one volume of depth 1 serves all particles, which are the depth of the result
    local = F.grid_sample(features[None, :, None], grid, align_corners=False)
    return torch.einsum("cnp,pc->n", local[0, ..., 0], view)
