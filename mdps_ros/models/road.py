"""The `road` measurement: cars drive on roads, on their side, along them.

It needs nothing of a frame but the pose: the map itself is the evidence. Successive looks are
not independent, because an offset from the mapped lane persists for tens of metres (its
correlation on KITTI 08 falls to 0.73 at 10 m and 0.55 at 20 m of travel); a look is therefore
weighted by travel over the decorrelation length.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.angles import wrap
from mdps_ros.models.road_index import RoadIndex
from mdps_ros.settings import RoadSettings

CHUNK = 1 << 13  # particles at a time: the intermediates stay in the processor's cache
BEND_ZONE = 12.0  # m over which a tangent turns at a bend (best of 0..24 m on KITTI 01, 08)


def road_log_likelihood(
    poses: Float[Tensor, "B N 3"], index: RoadIndex, settings: RoadSettings
) -> Float[Tensor, "B N"]:
    """Log-likelihood of each pose against the centre of a lane, per independent look.

    The best of the nearby segments counts, so that at a junction each of its arms will do.
    Two-way roads expect the vehicle on the right half; one-way roads on the centreline.
    """
    x, y = poses[..., 0], poses[..., 1]
    column = ((x - index.origin[0]) / index.cell).floor().long()
    row = ((y - index.origin[1]) / index.cell).floor().long()
    rows, columns = index.table.shape
    inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
    slot = index.table[row.clamp(0, rows - 1), column.clamp(0, columns - 1)]
    slot = torch.where(inside, slot, -1)
    near = slot >= 0
    floor = math.log(settings.off_road) + math.log(settings.off_heading)
    result = torch.full_like(x, floor)
    flat, poses = result.view(-1), poses.reshape(-1, 3)
    for chunk in torch.split(near.view(-1).nonzero().squeeze(-1), CHUNK):
        candidates = index.candidates[slot.view(-1)[chunk].long()].long()
        flat[chunk] = _best_candidate(poses[chunk], candidates, index, settings).log()
    return result


def _best_candidate(
    poses: Float[Tensor, "P 3"], candidates: Tensor, index: RoadIndex, settings: RoadSettings
) -> Float[Tensor, " P"]:
    """Likelihood of P poses on the best of their (P, K) candidate segments."""
    segment = index.segments[candidates.clamp_min(0)]  # (P, K, 10)
    sx, sy, ux, uy, length, road_yaw, width, oneway, bend_in, bend_out = segment.unbind(-1)
    dx, dy = poses[:, None, 0] - sx, poses[:, None, 1] - sy
    along = ux * dx + uy * dy
    left = ux * dy - uy * dx
    over = torch.relu(-along) + torch.relu(along - length)
    inner = torch.minimum(along.clamp_min(0), length)
    zone = torch.clamp_max(length / 2, BEND_ZONE) + 1e-6
    tangent = (
        road_yaw
        + bend_in * torch.relu(1 - inner / zone)
        + bend_out * torch.relu(1 - (length - inner) / zone)
    )
    heading = wrap(poses[:, None, 2] - tangent)
    backward = heading.abs() > math.pi / 2
    twoway = oneway < 0.5
    turned = torch.where(backward & twoway, math.pi - heading.abs(), heading.abs())
    right = torch.where(twoway, -width / 8, 0.0) * torch.where(backward, -1.0, 1.0)
    off_centre = torch.hypot(left - right, over)
    likelihood = lateral(off_centre, width, settings) * heading_fit(turned, settings)
    return torch.where(candidates >= 0, likelihood, 0.0).amax(-1)


def lateral(offset: Tensor, width: Tensor, settings: RoadSettings) -> Tensor:
    """Likelihood of an offset (m) from where a car is expected on a road this wide (m); at most 1.

    Flat near the lane centre, Gaussian beyond, and never less than `off_road`.
    """
    beyond = torch.relu(offset - settings.lateral_free) / (settings.lateral_sd + width / 6)
    return settings.off_road + (1 - settings.off_road) * torch.exp(-0.5 * beyond**2)


def heading_fit(turned: Tensor, settings: RoadSettings) -> Tensor:
    """Likelihood of a heading (rad) off the road's tangent; at most 1: along it, turning, any."""
    along = torch.exp(-0.5 * (turned / settings.heading_sd) ** 2)
    turning = torch.exp(-0.5 * (turned / settings.turning_sd) ** 2)
    share, rest = settings.turning_share, settings.off_heading
    return (1 - share - rest) * along + share * turning + rest
