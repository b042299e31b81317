"""The loss and figure of merit of learned filters."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.types import MixtureBelief

DENSITY_FLOOR = 1e-8


def floored_nll(belief: MixtureBelief, truth: Float[Tensor, "B 3"]) -> Float[Tensor, " B"]:
    """-log(m(truth) + 1e-8) of each row, nats (density per m^2 rad); at most 18.43.

    Younis and Sudderth, NeurIPS 2024, Eq. 22 and released code: a lost track costs a bounded
    amount and gives no gradient.
    """
    log_density = mixture.log_prob(belief, truth.unsqueeze(1)).squeeze(1)
    floor = torch.full_like(log_density, math.log(DENSITY_FLOOR))
    return -torch.logaddexp(log_density, floor)
