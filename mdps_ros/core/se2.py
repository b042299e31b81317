"""Poses (..., 3) = (x m, y m, yaw rad) as members of SE(2). `T_a_b` maps b coordinates into a.

Yaw is not wrapped by `compose` and `inverse` (sums of angles are exact as they are); differences
(`between`, `log`) are.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.angles import wrap

# Below this |yaw| sin(yaw)/yaw and (1 - cos(yaw))/yaw come from their series.
_SMALL_RAD = 1e-3


def rotate(yaw: Float[Tensor, "*axes"], vectors: Float[Tensor, "... 2"]) -> Float[Tensor, "... 2"]:
    """Vectors turned by `yaw`, counter-clockwise."""
    cos, sin = yaw.cos(), yaw.sin()
    x, y = vectors[..., 0], vectors[..., 1]
    return torch.stack((cos * x - sin * y, sin * x + cos * y), dim=-1)


def compose(T_a_b: Float[Tensor, "... 3"], T_b_c: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
    """T_a_c = T_a_b T_b_c; leading axes broadcast."""
    yaw = T_a_b[..., 2]
    position = T_a_b[..., :2] + rotate(yaw, T_b_c[..., :2])
    return torch.cat((position, (yaw + T_b_c[..., 2]).unsqueeze(-1)), dim=-1)


def inverse(T_a_b: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
    """T_b_a."""
    yaw = -T_a_b[..., 2]
    return torch.cat((-rotate(yaw, T_a_b[..., :2]), yaw.unsqueeze(-1)), dim=-1)


def between(T_a_b: Float[Tensor, "... 3"], T_a_c: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
    """T_b_c = T_a_b^-1 T_a_c: the pose of c seen from b, yaw in (-pi, pi]."""
    yaw = T_a_b[..., 2]
    position = rotate(-yaw, T_a_c[..., :2] - T_a_b[..., :2])
    return torch.cat((position, wrap(T_a_c[..., 2] - yaw).unsqueeze(-1)), dim=-1)


def transform(
    T_a_b: Float[Tensor, "... 3"], points_b: Float[Tensor, "... P 2"]
) -> Float[Tensor, "... P 2"]:
    """Points of frame b in frame a, metres."""
    return T_a_b[..., None, :2] + rotate(T_a_b[..., None, 2], points_b)


def exp(twist: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
    """Pose reached by the constant body velocity (m, m, rad) in unit time."""
    along, across = _arc(twist[..., 2])
    x, y = twist[..., 0], twist[..., 1]
    return torch.stack((along * x - across * y, across * x + along * y, twist[..., 2]), dim=-1)


def log(T_a_b: Float[Tensor, "... 3"]) -> Float[Tensor, "... 3"]:
    """The twist with yaw in (-pi, pi] whose `exp` is the pose."""
    yaw = wrap(T_a_b[..., 2])
    along, across = _arc(yaw)
    square = along.square() + across.square()
    x, y = T_a_b[..., 0], T_a_b[..., 1]
    return torch.stack(
        ((along * x + across * y) / square, (along * y - across * x) / square, yaw), dim=-1
    )


def _arc(yaw: Tensor) -> tuple[Tensor, Tensor]:
    """sin(yaw)/yaw and (1 - cos(yaw))/yaw, also at yaw = 0."""
    small = yaw.abs() < _SMALL_RAD
    safe = torch.where(small, torch.ones_like(yaw), yaw)
    square = yaw.square()
    along = torch.where(small, 1.0 - square / 6.0, safe.sin() / safe)
    # 1 - cos = 2 sin^2(yaw / 2) does not cancel
    across = torch.where(
        small, yaw * (0.5 - square / 24.0), 2.0 * (0.5 * safe).sin().square() / safe
    )
    return along, across
