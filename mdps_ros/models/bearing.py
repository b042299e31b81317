"""The exact likelihood of a bearing from a known place, with outliers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.kernels import von_mises_log_prob


@dataclass(frozen=True)
class BearingLikelihood:
    """p(bearing | pose) = (1 - o) von Mises(bearing - true; kappa) + o / (2 pi).

    Attributes:
        sensor: Position of the sensor, m.
        concentration: Kappa of a good bearing.
        outlier_share: o, in (0, 1).
    """

    sensor: tuple[float, float]
    concentration: float
    outlier_share: float

    def log_prob(
        self, poses: Float[Tensor, "B N 3"], bearings: Float[Tensor, " B"]
    ) -> Float[Tensor, "B N"]:
        """Log-density, per rad, of each row's bearing at each of its poses."""
        true = torch.atan2(poses[..., 1] - self.sensor[1], poses[..., 0] - self.sensor[0])
        kappa = torch.full_like(true, self.concentration)
        good = von_mises_log_prob(bearings.unsqueeze(1) - true, kappa)
        anywhere = torch.full_like(good, math.log(self.outlier_share / (2.0 * math.pi)))
        return torch.logaddexp(good + math.log1p(-self.outlier_share), anywhere)
