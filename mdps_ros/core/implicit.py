"""Implicit reparameterisation (IRG) of a draw from the kernel mixture, for comparison.

The Rosenblatt transform S takes a point of the mixture to uniform numbers, one dimension after the
other: S_d = sum_i r_i Phi_d(z_d - x_id), with r_i the posterior of component i given the earlier
coordinates z_1..d-1. Holding S fixed while the parameters move gives the point a derivative,
dz/dphi = -(dS/dz)^-1 dS/dphi (Figurnov, Mohamed and Mnih, NeurIPS 2018; mixtures: Graves,
arXiv 1607.05690). Unbiased for smooth functions of the pose, but dS/dz is a density: between modes
it is next to nothing, and the variance explodes where `gradients.ImportanceWeighted` stays calm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.angles import circular_mean
from mdps_ros.core.gradients import needs_gradient
from mdps_ros.core.kernels import (
    concentration,
    gaussian_log_prob,
    von_mises_log_prob,
)
from mdps_ros.core.resampling import MixtureResampler
from mdps_ros.core.tree import pose_of, with_pose
from mdps_ros.core.types import MixtureBelief, Resampled, StateTree

# Gauss-Legendre rule of the von Mises integral; it leaves out what lies below e^-37 of the peak.
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(32)
_NEGLIGIBLE = 37.0


@dataclass(frozen=True)
class ImplicitlyReparameterised:
    """The draw of `resampler`, with equal weights and poses that carry the implicit gradient.

    State beside the pose goes with the component drawn, and its gradient knows nothing of that
    choice.
    """

    resampler: MixtureResampler

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; see `protocols.Resampler`."""
        drawn = self.resampler(state, log_weights, count, generator)
        source = MixtureBelief(pose_of(state), log_weights, self.resampler.kernel)
        if not needs_gradient(source):
            return drawn
        moved = reparameterise(source, pose_of(drawn.state))
        return drawn._replace(state=with_pose(drawn.state, moved))


def reparameterise(
    mixture: MixtureBelief, points: Float[Tensor, "B M D"]
) -> Float[Tensor, "B M D"]:
    """The same points with their implicit derivative in poses, log-weights and bandwidth. O(M N D).

    The transform, and with it the variance, depends on the order of the dimensions.

    Args:
        mixture: What the points were drawn from.
        points: Taken without their history.
    """
    posterior = mixture.log_weights.unsqueeze(1)
    columns = []
    for dimension, circular in enumerate(mixture.kernel.circular):
        point = points[..., dimension].detach()
        centre = mixture.poses[..., dimension]
        width = mixture.kernel.bandwidth[..., None, None, dimension]
        if circular:
            cut = math.pi + circular_mean(centre.detach(), mixture.log_weights.detach().exp())
            cumulative = _circle_cumulative(point, centre, width, cut.unsqueeze(-1))
        else:
            cumulative = torch.special.ndtr((point.unsqueeze(-1) - centre.unsqueeze(1)) / width)
        share = torch.softmax(posterior, dim=-1)
        uniform = (share * cumulative).sum(-1)
        with torch.no_grad():
            density = (share * _log_prob(point, centre, width, circular).exp()).sum(-1)
        moved = point - (uniform - uniform.detach()) / density
        # later dimensions see this one move: forward substitution in the triangular system
        posterior = posterior + _log_prob(moved, centre, width, circular)
        columns.append(moved)
    return torch.stack(columns, dim=-1)


def _log_prob(
    point: Float[Tensor, "B M"], centre: Float[Tensor, "B N"], width: Tensor, circular: bool
) -> Float[Tensor, "B M N"]:
    difference = point.unsqueeze(-1) - centre.unsqueeze(1)
    if circular:
        return von_mises_log_prob(difference, concentration(width))
    return gaussian_log_prob(difference, width)


def _circle_cumulative(
    point: Float[Tensor, "B M"], centre: Float[Tensor, "B N"], width: Tensor, cut: Tensor
) -> Float[Tensor, "B M N"]:
    """Mass of each component between the cut and the point.

    The cut is the same for all components, and fixed: one for each, opposite of its centre, would
    let mass jump across as the weights change, and the gradient would be wrong.
    """
    kappa = concentration(width)
    turned = cut + torch.remainder(point - cut, 2.0 * math.pi)
    end = _von_mises_integral(turned.unsqueeze(-1) - centre.unsqueeze(1), kappa)
    return end - _von_mises_integral((cut - centre).unsqueeze(1), kappa)


def _von_mises_integral(
    angle: Float[Tensor, "B M N"], kappa: Float[Tensor, "*_ 1 1"]
) -> Float[Tensor, "B M N"]:
    """Integral of the von Mises density about zero from 0 to the angle; 1 per turn.

    By quadrature, also the derivative in kappa: the integral of (cos - I1/I0) times the density.
    """
    with torch.no_grad():
        turns = torch.round(angle / (2.0 * math.pi))
        rest = angle - 2.0 * math.pi * turns
        reach = 2.0 * torch.asin((0.5 * _NEGLIGIBLE / kappa).sqrt().clamp(max=1.0))
        limit = torch.minimum(rest.abs(), reach)
        mean_cosine = torch.special.i1e(kappa) / torch.special.i0e(kappa)
        value, by_kappa = torch.zeros_like(angle), torch.zeros_like(angle)
        for node, node_weight in zip(_NODES, _NODE_WEIGHTS, strict=True):
            at = limit * (0.5 + 0.5 * float(node))
            density = (0.5 * float(node_weight)) * von_mises_log_prob(at, kappa).exp()
            value += density
            by_kappa += (at.cos() - mean_cosine) * density
        length = limit * rest.sign()
        value, by_kappa = turns + length * value, length * by_kappa
        slope = von_mises_log_prob(angle, kappa).exp()
    return value + slope * (angle - angle.detach()) + by_kappa * (kappa - kappa.detach())
