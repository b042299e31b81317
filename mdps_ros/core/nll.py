"""The negative log-likelihood of a true pose: loss and figure of merit of learned filters.

Never reduced here: one number per density.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.types import MixtureBelief

DENSITY_FLOOR = 1e-8
HIGHEST_NLL = -math.log(DENSITY_FLOOR)
"""18.42: the loss of a belief that has no density at the truth."""


def floored_nll(log_density: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """-log(p + 1e-8) of log-densities: at most 18.42, and flat where p is far below 1e-8.

    The floor belongs to the unit of the density; see `nll_in_metres`.
    Source: Younis and Sudderth, NeurIPS 2024, Eq. 22.
    """
    floor = log_density.new_tensor(math.log(DENSITY_FLOOR))
    return -torch.logaddexp(log_density, floor)


def mixture_nll(belief: MixtureBelief, truth: Float[Tensor, "B D"]) -> Float[Tensor, " B"]:
    """Floored negative log-density of each row's mixture at its true pose, nats."""
    return floored_nll(mixture.log_prob(belief, truth[:, None])[:, 0])


def nll_in_metres(nll: Float[Tensor, "*axes"], metres_per_pixel: float) -> Float[Tensor, "*axes"]:
    """A loss per m^2 rad from one per px^2 rad, nats: densities in the plane scale by area.

    Exact without the floor; with half-metre pixels the loss becomes 2 ln 2 smaller.
    """
    return nll + 2.0 * math.log(metres_per_pixel)
