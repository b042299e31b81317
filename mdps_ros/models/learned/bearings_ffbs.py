"""Forward filtering and backward smoothing with the true likelihood: the classical baseline.

The motion's mean is a network fitted to consecutive true poses, its spread is tuned by hand
(Younis and Sudderth, NeurIPS 2024, Eq. 9 and Fig. 16).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import weights
from mdps_ros.core.angles import wrap
from mdps_ros.core.backward_simulation import backward_weights
from mdps_ros.core.kernels import gaussian_log_prob
from mdps_ros.core.mdps import filter_sequence
from mdps_ros.core.resampling import IndexResampler, multinomial
from mdps_ros.core.types import Belief, StateTree, StepInputs
from mdps_ros.models.bearing import BearingLikelihood
from mdps_ros.models.learned.bearings import STEP_S, Observed, sample_start
from mdps_ros.models.learned.dynamics import ResidualDynamics

MOTION_SIGMA = (1.0, 1.0, 1.25)
TRUE_LIKELIHOOD = BearingLikelihood((-5.0, 0.0), 50.0, 0.15)


@dataclass(frozen=True)
class MeanMotionModel:
    """x_t = f(x_t-1) + N(0, sigma^2) and the true likelihood of bearings (B,).

    Attributes:
        dynamics: f, without noise inputs.
        likelihood: p(y | x).
        sigma: Of x m, y m, yaw rad.
    """

    dynamics: ResidualDynamics
    likelihood: BearingLikelihood = TRUE_LIKELIHOOD
    sigma: tuple[float, float, float] = MOTION_SIGMA

    def sample_initial(
        self,
        batch: int,
        count: int,
        prior: Float[Tensor, "B 3"] | None,
        generator: torch.Generator,
    ) -> Float[Tensor, "B N 3"]:
        """Poses near `prior`, or anywhere in the world if it is None."""
        return sample_start(batch, count, prior, generator)

    def propagate(
        self, state: StateTree, control: Any, dt_s: float, generator: torch.Generator
    ) -> StateTree:
        """One step of mean motion and noise."""
        mean = self.dynamics(state, generator)
        noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
        return mean + noise * mean.new_tensor(self.sigma)

    def update(
        self, state: StateTree, measurement: Float[Tensor, " B"]
    ) -> tuple[StateTree, Float[Tensor, "B N"]]:
        """The particles as they came and their log-likelihoods."""
        return state, self.likelihood.log_prob(state, measurement)

    def log_transition(
        self, time: int, state: StateTree, later: StateTree
    ) -> Float[Tensor, "B S N"]:
        """Log p(later_s | state_n); the angle's normal is wrapped to its nearest branch."""
        mean = self.dynamics(state, torch.Generator())  # no noise is drawn
        total = torch.zeros(())
        for dimension, sigma in enumerate(self.sigma):
            difference = later[:, :, None, dimension] - mean[:, None, :, dimension]
            if dimension == 2:
                difference = wrap(difference)
            total = total + gaussian_log_prob(difference, mean.new_tensor(sigma))
        return total


def ffbs_beliefs(
    dynamics: ResidualDynamics, seen: Observed, particles: int, generator: torch.Generator
) -> list[Belief]:
    """Smoothed particle sets of all times: a bootstrap filter, re-weighted backward in time."""
    model = MeanMotionModel(dynamics)
    batch = seen.bearings.shape[0]
    state = model.sample_initial(batch, particles, seen.start, generator)
    records = filter_sequence(
        Belief(state, weights.uniform(batch, particles, state)),
        [StepInputs(None, STEP_S, bearing) for bearing in seen.bearings.unbind(1)],
        model,
        IndexResampler(multinomial),
        generator,
    )
    filtered = [Belief(record.state, record.log_weights) for record in records]
    smoothed = backward_weights(filtered, model.log_transition)
    return [
        Belief(belief.state, log_weights)
        for belief, log_weights in zip(filtered, smoothed, strict=True)
    ]
