"""How much density a belief gives to the truth, frame by frame."""

from __future__ import annotations

import math

import numpy as np
import torch

from mdps_ros.core import mixture
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.types import MixtureBelief
from mdps_ros.evaluation.belief_watch import BeliefWatch
from mdps_ros.evaluation.run import Floats, Track
from mdps_ros.runtime.outputs import ParticleSnapshot

CAP_NATS = 18.42
"""The density has a floor of 1e-8 per m^2 rad, as in the paper's loss (Eq. 22)."""
LATE_M = 100.0
"""Travel beyond which frames are late; columns of rows have it in their names."""


class MixtureNll(BeliefWatch[float]):
    """Negative log density of the belief's mixture at the truth, frame by frame.

    Args:
        truth: T_map_base over time.
        kernel: at each particle.
    """

    def __init__(self, truth: Track, kernel: ProductKernel) -> None:
        super().__init__(truth)
        self._kernel = kernel

    def means(self, travelled: Floats) -> dict[str, float | None]:
        """Mean NLL, nats per (m^2 rad), over all frames and over those beyond LATE_M of travel."""
        nll = np.array([math.nan if found is None else found for found in self.found])
        values = np.minimum(nll, CAP_NATS)
        known = np.isfinite(values)
        late = known & (travelled[: len(values)] > LATE_M)
        return {
            "nll_nats": float(values[known].mean()) if known.any() else None,
            "nll_after_100m_nats": float(values[late].mean()) if late.any() else None,
        }

    def look(self, belief: ParticleSnapshot, heading: float, true: Floats) -> float:
        """Nats per (m^2 rad)."""
        poses = torch.from_numpy(belief.poses).double()[None]
        log_weights = torch.from_numpy(belief.weights).double().log()[None]
        mixed = MixtureBelief(poses, log_weights, self._kernel)
        return -float(mixture.log_prob(mixed, torch.from_numpy(true)[None, None])[0, 0])
