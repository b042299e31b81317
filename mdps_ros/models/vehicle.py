"""The vehicle as a state-space model (core.protocols.StateSpaceModel): prior, motion, map error.

Its measurements are log-likelihoods of poses that the map models have already computed, because
one of them (depth) may have to abstain; see runtime.localizer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.models import map_error, motion
from mdps_ros.models.motion import Control, VehicleState
from mdps_ros.models.prior import PosePrior, Prior, sample_prior
from mdps_ros.settings import MapErrorSettings, MotionSettings


@dataclass(frozen=True)
class VehicleModel:
    """Odometry motion with self-calibration on a map that is a little off, from a map prior."""

    motion: MotionSettings
    map_error: MapErrorSettings

    def sample_initial(
        self, batch: int, count: int, prior: Prior, generator: torch.Generator
    ) -> VehicleState:
        """Poses from the prior, with uncalibrated odometry.

        A given pose is taken as one on Earth, a start on any road as one on the map.
        """
        poses = sample_prior(prior, batch, count, generator)
        state = motion.start_state(poses, self.motion, generator)
        drawn = not isinstance(prior, PosePrior)
        return map_error.start(state, self.map_error, generator, drawn=drawn)

    def propagate(
        self, state: VehicleState, control: Control, dt_s: float, generator: torch.Generator
    ) -> VehicleState:
        """Odometry motion; `dt_s` is not needed, the control holds it per batch row."""
        del dt_s
        moved = motion.propagate(state, control, self.motion, generator)
        return map_error.drift(moved, control.distance, self.map_error, generator)

    def update(
        self, state: VehicleState, measurement: Float[Tensor, "B N"]
    ) -> tuple[VehicleState, Float[Tensor, "B N"]]:
        """The state as it came; the measurement is the particles' log-likelihood."""
        return state, measurement
