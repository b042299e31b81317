"""The vehicle as a state-space model (core.protocols.StateSpaceModel): prior and odometry motion.

Its measurements are log-likelihoods of poses that the map models have already computed, because
one of them (depth) may have to abstain; see runtime.localizer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.models import motion
from mdps_ros.models.motion import Control, VehicleState
from mdps_ros.models.prior import Prior, sample_prior
from mdps_ros.settings import MotionSettings


@dataclass(frozen=True)
class VehicleModel:
    """Odometry motion with self-calibration, started from a map prior."""

    settings: MotionSettings

    def sample_initial(
        self, batch: int, count: int, prior: Prior, generator: torch.Generator
    ) -> VehicleState:
        """Poses from the prior, with uncalibrated odometry."""
        poses = sample_prior(prior, batch, count, generator)
        return motion.start_state(poses, self.settings, generator)

    def propagate(
        self, state: VehicleState, control: Control, dt_s: float, generator: torch.Generator
    ) -> VehicleState:
        """Odometry motion; `dt_s` is not needed, the control holds it per batch row."""
        del dt_s
        return motion.propagate(state, control, self.settings, generator)

    def update(
        self, state: VehicleState, measurement: Float[Tensor, "B N"]
    ) -> tuple[VehicleState, Float[Tensor, "B N"]]:
        """The state as it came; the measurement is the particles' log-likelihood."""
        return state, measurement
