"""A kernel along and across a street, as wide as the particles around it lie apart.

A few hundred particles spread over 20 m of a street leave gaps between kernels that are as narrow
as the filter's: what they say together is lumps. Silverman's rule (Density Estimation, 1986,
Eq. 4.14) is the width that errs least for a normal density; here each axis of the vehicle has its
own, from the spread of the particles about their heaviest place.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import angles, estimates
from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.core.se2 import rotate
from mdps_ros.core.types import Belief
from mdps_ros.core.weights import effective_size, masses

RADIUS_M, RADIUS_YAW = 5.0, 0.8  # of the place whose spread counts
SILVERMAN = (4.0 / 5.0) ** (1.0 / 7.0)  # (4 / (d + 2))^(1 / (d + 4)) of three dimensions
NARROW = 0.25  # variance of a belief that is one place as a whole, in these radii squared
ALIGNED = 0.9  # share of the belief that has to head as that place does, for an axis along it


class AlignedKernel(NamedTuple):
    """A kernel whose first line lies along a heading.

    Attributes:
        kernel: along m, across m, yaw rad; one row per belief.
        heading: (B,) rad.
    """

    kernel: ProductKernel
    heading: Float[Tensor, " B"]

    def turned(self, poses: Float[Tensor, "B N 3"]) -> Float[Tensor, "B N 3"]:
        """Poses in the kernel's axes: x m along, y m across, yaw rad as it was."""
        heading = self.heading.to(poses).unsqueeze(-1)
        return torch.cat((rotate(-heading, poses[..., :2]), poses[..., 2:]), -1)


def aligned_kernel(belief: Belief, narrowest: ProductKernel) -> AlignedKernel:
    """The kernel by which particles stand for the density that they were drawn from.

    Where many particles head another way than the heaviest place, both lines have the narrower
    width of the two.

    Args:
        belief: states with `pose` (B, N, 3).
        narrowest: kernel of poses that no axis goes below.
    """
    poses, log_weights = belief.state.pose, belief.log_weights
    mean, covariance, mass = _heaviest(poses, log_weights)
    heading = mean[:, 2]
    axes = torch.stack((heading, heading + 0.5 * torch.pi), -1)
    axes = torch.stack((axes.cos(), axes.sin()), -1)
    lines = torch.einsum("bki,bij,bkj->bk", axes, covariance[:, :2, :2], axes)
    alike = angles.wrap(poses[..., 2] - heading.unsqueeze(-1)).abs() <= RADIUS_YAW
    share = (masses(log_weights) * alike).sum(-1, keepdim=True)
    lines = torch.where(share >= ALIGNED, lines, lines.amin(-1, keepdim=True))
    spread = torch.cat((lines, covariance[:, 2:, 2]), -1).clamp_min(0.0).sqrt()
    members = (effective_size(log_weights) * mass).clamp_min(1.0).unsqueeze(-1)
    widths = SILVERMAN * members ** (-1.0 / 7.0) * spread
    widths = torch.maximum(widths, narrowest.spread().to(widths))
    bandwidth = torch.cat((widths[:, :2], widths[:, 2:].square()), -1)  # an angle's is its square
    return AlignedKernel(pose_kernel(bandwidth), heading)


def _heaviest(
    poses: Float[Tensor, "B N 3"], log_weights: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "B 3"], Float[Tensor, "B 3 3"], Float[Tensor, " B"]]:
    """Mean, covariance and mass of the heaviest place; of the whole belief where it is narrow."""
    mean, covariance = estimates.moments(poses, log_weights)
    spread = covariance.diagonal(dim1=-2, dim2=-1)
    wide = (spread[:, :2].sum(-1) > NARROW * RADIUS_M**2) | (spread[:, 2] > NARROW * RADIUS_YAW**2)
    if not bool(wide.any()):  # in a fifth of the time
        return mean, covariance, torch.ones_like(mean[:, 0])
    top = estimates.modes(poses, log_weights, 1, RADIUS_M, RADIUS_YAW)
    return (
        torch.where(wide[:, None], top.mean[:, 0], mean),
        torch.where(wide[:, None, None], top.covariance[:, 0], covariance),
        torch.where(wide, top.mass[:, 0], 1.0),
    )
