"""The tracking study's model for each filter, and the filters over all runs at once.

Runs lie along the batch axis: one loop over time serves all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from mdps_ros.core import filtering, kalman, rb_smoothing, rbpf
from mdps_ros.core.angles import wrap
from mdps_ros.core.kalman_bank import Dynamics, GaussianBank, RaoBlackwellState
from mdps_ros.core.protocols import StateSpaceModel
from mdps_ros.core.rb_smoothing import Record
from mdps_ros.core.rbpf import Linearised, LinearisedProposal, Observation, RaoBlackwellModel
from mdps_ros.core.resampling import IndexResampler, systematic
from mdps_ros.core.types import Belief, StepInfo, StepInputs
from mdps_ros.sim.tracking import TrackingScenario

POSITION = 2  # components of the state that the measurement bends; the other four stay linear


def _tensor(values: Any) -> Tensor:
    return torch.as_tensor(np.asarray(values), dtype=torch.float64)


@dataclass(frozen=True)
class Radar:
    """Range and bearing of a position."""

    chol_R: Float[Tensor, "2 2"]

    def residual(
        self, position: Float[Tensor, "B N 2"], measurement: Float[Tensor, "B 2"]
    ) -> Float[Tensor, "B N 2"]:
        """Measured minus expected, the bearing wrapped."""
        x, y = position.unbind(-1)
        error = measurement.unsqueeze(1) - torch.stack([torch.hypot(x, y), torch.atan2(y, x)], -1)
        return torch.stack([error[..., 0], wrap(error[..., 1])], -1)

    def log_likelihood(
        self, position: Float[Tensor, "B N 2"], measurement: Float[Tensor, "B 2"]
    ) -> Float[Tensor, "B N"]:
        """Log-density of the measurement."""
        whitened = kalman.whiten(self.chol_R, self.residual(position, measurement))
        return kalman.log_density(whitened, self.chol_R)

    def jacobian(self, position: Float[Tensor, "B N 2"]) -> Float[Tensor, "B N 2 2"]:
        """Derivative of range and bearing by x and y."""
        x, y = position.unbind(-1)
        distance = torch.hypot(x, y)
        along = torch.stack([x, y], -1) / distance.unsqueeze(-1)
        across = torch.stack([-y, x], -1) / distance.square().unsqueeze(-1)
        return torch.stack([along, across], -2)


class TrackingModel:
    """Position in the particles, velocity and acceleration in the bank (H = 0)."""

    def __init__(self, scenario: TrackingScenario) -> None:
        self.start = _tensor(scenario.start)
        self.start_chol = torch.diag(_tensor(scenario.start_variances).sqrt())
        self.transition = _tensor(scenario.transition())
        self.noise = torch.diag(_tensor(scenario.process_variances).sqrt())
        errors = _tensor([scenario.range_variance, scenario.bearing_variance]).sqrt()
        self.radar = Radar(torch.diag(errors))

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> RaoBlackwellState:
        """Positions from the scenario's start; it is the prior."""
        del prior
        state = self.sample_states(batch, count, generator)
        mean = self.start[POSITION:].expand(batch, count, -1)
        chol = self.start_chol[POSITION:, POSITION:].expand(batch, 1, -1, -1)
        return RaoBlackwellState(state[..., :POSITION], GaussianBank(mean, chol))

    def sample_states(self, batch: int, count: int, generator: torch.Generator) -> Tensor:
        """Whole states (B, N, 6) from the scenario's start."""
        noise = torch.randn(batch, count, 6, generator=generator, dtype=torch.float64)
        return self.start + noise @ self.start_chol.T

    def dynamics(self, pose: Float[Tensor, "B N 2"], control: Any, dt_s: float) -> Dynamics:
        """The same matrices for every particle, so one factor serves all."""
        del control, dt_s
        F = self.transition[:, POSITION:]
        still = pose.new_zeros(6 - POSITION)
        noise_n, noise_l = self.noise[:POSITION], self.noise[POSITION:]
        return Dynamics(pose, F[:POSITION], still, F[POSITION:], noise_n, noise_l)

    def observe(
        self, pose: Float[Tensor, "B N 2"], measurement: Float[Tensor, "B 2"]
    ) -> Observation:
        """The radar sees the particle's position only."""
        return Observation(self.radar.log_likelihood(pose, measurement), None)

    def linearise(
        self, pose: Float[Tensor, "B N 2"], measurement: Float[Tensor, "B 2"]
    ) -> Linearised:
        """For the proposal that has seen the measurement."""
        residual, jacobian = self.radar.residual(pose, measurement), self.radar.jacobian(pose)
        return Linearised(residual, jacobian, pose.new_zeros(2, 6 - POSITION), self.radar.chol_R)


@dataclass(frozen=True)
class WholeStateModel:
    """The plain particle filter's model: six components in the particles."""

    model: TrackingModel

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Float[Tensor, "B N 6"]:
        """States from the scenario's start."""
        del prior
        return self.model.sample_states(batch, count, generator)

    def propagate(
        self, state: Float[Tensor, "B N 6"], control: Any, dt_s: float, generator: torch.Generator
    ) -> Float[Tensor, "B N 6"]:
        """Linear motion and noise."""
        del control, dt_s
        noise = torch.randn(state.shape, generator=generator, dtype=state.dtype)
        return state @ self.model.transition.T + noise @ self.model.noise.T

    def update(
        self, state: Float[Tensor, "B N 6"], measurement: Float[Tensor, "B 2"]
    ) -> tuple[Float[Tensor, "B N 6"], Float[Tensor, "B N"]]:
        """Weighs by the radar."""
        return state, self.model.radar.log_likelihood(state[..., :POSITION], measurement)


Step = Callable[[Belief, StepInputs], tuple[Belief, StepInfo]]


def _inputs(measurements: NDArray[np.float64]) -> list[StepInputs]:
    return [StepInputs(None, 1.0, y) for y in _tensor(measurements).unbind(1)]


def _mean(belief: Belief) -> Float[Tensor, "B 6"]:
    state = belief.state
    if isinstance(state, RaoBlackwellState):
        state = torch.cat([state.pose, state.bank.mean], -1)
    mean: Tensor = (belief.log_weights.exp().unsqueeze(1) @ state).squeeze(1)
    return mean


def _array(means: list[Tensor]) -> NDArray[np.float64]:
    """(R, T, 6)."""
    return np.asarray(torch.stack(means, 1).numpy(), dtype=np.float64)


RESAMPLER = IndexResampler(systematic)


def _run(
    model: StateSpaceModel,
    step: Step,
    measurements: NDArray[np.float64],
    count: int,
    generator: torch.Generator,
) -> NDArray[np.float64]:
    """Filtered means; the first measurement only weighs the start."""
    belief = filtering.init(model, None, len(measurements), count, generator)
    means = []
    for t, inputs in enumerate(_inputs(measurements)):
        if t == 0:
            belief, _ = filtering.update(belief, inputs.measurement, model)
        else:
            belief, _ = step(belief, inputs)
        means.append(_mean(belief))
    return _array(means)


def _bootstrap(
    model: StateSpaceModel, measurements: NDArray[np.float64], count: int, seed: int
) -> NDArray[np.float64]:
    generator = torch.Generator().manual_seed(seed)

    def step(belief: Belief, inputs: StepInputs) -> tuple[Belief, StepInfo]:
        return filtering.step(belief, inputs, model, RESAMPLER, generator)

    return _run(model, step, measurements, count, generator)


def plain(
    model: TrackingModel, measurements: NDArray[np.float64], count: int, seed: int
) -> NDArray[np.float64]:
    """Particle filter over all six components: means (R, T, 6)."""
    return _bootstrap(WholeStateModel(model), measurements, count, seed)


def rao_blackwell(
    model: TrackingModel, measurements: NDArray[np.float64], count: int, seed: int
) -> NDArray[np.float64]:
    """Rao-Blackwellised filter: means (R, T, 6)."""
    return _bootstrap(RaoBlackwellModel(model), measurements, count, seed)


def guided(
    model: TrackingModel, measurements: NDArray[np.float64], count: int, seed: int
) -> NDArray[np.float64]:
    """Rao-Blackwellised filter with the linearised optimal proposal: means (R, T, 6)."""
    generator = torch.Generator().manual_seed(seed)
    proposal = LinearisedProposal(model.linearise)

    def step(belief: Belief, inputs: StepInputs) -> tuple[Belief, StepInfo]:
        return rbpf.guided_step(belief, inputs, model, RESAMPLER, proposal, generator)

    return _run(RaoBlackwellModel(model), step, measurements, count, generator)


def extended_kalman(
    model: TrackingModel, measurements: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Extended Kalman filter and the Rauch-Tung-Striebel smoother on it: means (R, T, 6) each."""
    rows = len(measurements)
    mean, chol = model.start.expand(rows, -1), model.start_chol.expand(rows, -1, -1)
    still, filtered = mean.new_zeros(6), []
    for t, y in enumerate(_tensor(measurements).unbind(1)):
        if t > 0:
            mean, chol = kalman.predict(mean, chol, model.transition, still, model.noise)
        position = mean[:, None, :POSITION]
        residual = model.radar.residual(position, y)[:, 0]
        jacobian = model.radar.jacobian(position)[:, 0]
        H = torch.nn.functional.pad(jacobian, (0, 6 - POSITION))
        offset = -kalman.matvec(H, mean)  # so that y = residual
        mean, chol, _ = kalman.update(mean, chol, H, offset, model.radar.chol_R, residual)
        filtered.append((mean, chol))
    smoothed = [filtered[-1]]
    for earlier in filtered[-2::-1]:
        smoothed.append(
            kalman.rts_step(*earlier, *smoothed[-1], model.transition, still, model.noise)
        )
    return _array([past[0] for past in filtered]), _array([past[0] for past in smoothed[::-1]])


@dataclass(frozen=True)
class SmoothingMeans:
    """Means (R, T, 6) of the same particles, with less or more of the future."""

    filtered: NDArray[np.float64]
    lagged: NDArray[np.float64]
    smoothed: NDArray[np.float64]


def smoothing(
    model: TrackingModel,
    measurements: NDArray[np.float64],
    count: int,
    lag: int,
    paths: int,
    seed: int,
) -> SmoothingMeans:
    """One run of the filter, its fixed-lag smoother and Rao-Blackwellised backward simulation."""
    generator = torch.Generator().manual_seed(seed)
    belief = filtering.init(RaoBlackwellModel(model), None, len(measurements), count, generator)
    records = rb_smoothing.record_filter(belief, _inputs(measurements), model, RESAMPLER, generator)
    smoothed = rb_smoothing.smooth(records, model, paths, generator)
    return SmoothingMeans(
        filtered=_array([_mean(record.belief) for record in records]),
        lagged=_array([_mean(_lagged(records, t, lag, model)) for t in range(len(records))]),
        smoothed=np.asarray(torch.cat([smoothed.pose, smoothed.mean], -1).mean(2).numpy()),
    )


def _lagged(records: list[Record], t: int, lag: int, model: TrackingModel) -> Belief:
    return rb_smoothing.fixed_lag(records[t : t + lag + 1], model).belief
