"""The Rao-Blackwellised particle filter in filter-bank form, over parts that exist already.

Algorithm 2 of Hendeby, Karlsson and Gustafsson (EURASIP JASP 2010:724087) for the model of
`kalman_bank`. With `RaoBlackwellModel` it is `filtering.step`: resample whole filters, time
update, draw xi and condition on it, measurement update, weigh. `guided_step` is the same with xi
drawn from a proposal that has seen the next measurement.

Noise common to both rows of the model needs nothing else (the joint noise columns of `Dynamics`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import filtering, kalman, kalman_bank
from mdps_ros.core.kalman_bank import Dynamics, Predicted, RaoBlackwellState
from mdps_ros.core.protocols import Resampler
from mdps_ros.core.types import Belief, StepInfo, StepInputs
from mdps_ros.core.weights import effective_size


class LinearObservation(NamedTuple):
    """y = offset + H z + e, e ~ N(0, chol_R chol_R^T); leading axes broadcast to (B, N)."""

    H: Float[Tensor, "*_ M L"]
    offset: Float[Tensor, "*_ M"]
    chol_R: Float[Tensor, "*_ M M"]
    y: Float[Tensor, "B M"]


class Observation(NamedTuple):
    """What a measurement says, split by what it depends on.

    `log_likelihood` (B, N) is of the part that sees xi alone, which may be anything (H = 0 in the
    paper); `linear` the part that sees z, linear in it. Either may be absent; both are
    independent given the state.
    """

    log_likelihood: Float[Tensor, "B N"] | None
    linear: LinearObservation | None


@runtime_checkable
class ConditionallyLinearModel(Protocol):
    """A model that is linear-Gaussian in z once the path of xi is given."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> RaoBlackwellState:
        """Draws xi_0; the bank holds the Gaussian of z_0 given xi_0."""
        ...

    def dynamics(self, pose: Float[Tensor, "B N D"], control: Any, dt_s: float) -> Dynamics:
        """The matrices from t-1 to t at the poses of t-1."""
        ...

    def observe(self, pose: Float[Tensor, "B N D"], measurement: Any) -> Observation:
        """What y_t says at the poses of t."""
        ...


@dataclass(frozen=True)
class RaoBlackwellModel:
    """A conditionally linear model as the `StateSpaceModel` of `filtering.step`."""

    model: ConditionallyLinearModel

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> RaoBlackwellState:
        """See `ConditionallyLinearModel`."""
        return self.model.sample_initial(batch, count, prior, generator)

    def propagate(
        self, state: RaoBlackwellState, control: Any, dt_s: float, generator: torch.Generator
    ) -> RaoBlackwellState:
        """Steps 4 and 5: time update, draw of xi, conditioning on it."""
        dynamics = self.model.dynamics(state.pose, control, dt_s)
        return kalman_bank.propagate(state.bank, dynamics, generator)

    def update(
        self, state: RaoBlackwellState, measurement: Any
    ) -> tuple[RaoBlackwellState, Float[Tensor, "B N"]]:
        """Step 2: measurement update of every filter, and its predictive likelihood."""
        return absorb(state, self.model.observe(state.pose, measurement))


def absorb(
    state: RaoBlackwellState, observation: Observation
) -> tuple[RaoBlackwellState, Float[Tensor, "B N"]]:
    """Conditions the filters on an observation; each particle's log p(y | path)."""
    bank, total = state.bank, state.pose.new_zeros(state.pose.shape[:2])
    if observation.log_likelihood is not None:
        total = total + observation.log_likelihood
    if observation.linear is not None:
        bank, log_likelihood = kalman_bank.update(bank, *observation.linear)
        total = total + log_likelihood
    return RaoBlackwellState(state.pose, bank), total


class GaussianProposal(NamedTuple):
    """Where xi is drawn instead of its prediction; S is 1 or N."""

    mean: Float[Tensor, "B N D"]
    chol: Float[Tensor, "B S D D"]


@runtime_checkable
class Proposal(Protocol):
    """Turns the prediction and the next measurement into a density to draw xi from."""

    def __call__(self, predicted: Predicted, measurement: Any) -> GaussianProposal:
        """Any density that is positive where the prediction is."""
        ...


class Linearised(NamedTuple):
    """y - h(xi) - H z near a pose: `residual` at the pose and z = 0, `jacobian` dh/dxi, H, R."""

    residual: Float[Tensor, "*_ M"]
    jacobian: Float[Tensor, "*_ M D"]
    H: Float[Tensor, "*_ M L"]
    chol_R: Float[Tensor, "*_ M M"]


@runtime_checkable
class Linearise(Protocol):
    """The measurement's linearisation at given poses."""

    def __call__(self, pose: Float[Tensor, "B N D"], measurement: Any) -> Linearised:
        """Angles of the residual are wrapped."""
        ...


@dataclass(frozen=True)
class LinearisedProposal:
    """The optimal proposal p(xi' | path, y') of the measurement linearised at the prediction.

    One extended Kalman update of eps, xi' = mean_n + chol_nn eps, with z' given xi' integrated
    out; exactly optimal where h is linear (Doucet, Godsill and Andrieu, Statistics and Computing
    10, 2000, section II-D).
    """

    linearise: Linearise

    def __call__(self, predicted: Predicted, measurement: Any) -> GaussianProposal:
        """See `Proposal`."""
        residual, jacobian, H, chol_R = self.linearise(predicted.mean_n, measurement)
        slope = jacobian @ predicted.chol_nn + H @ predicted.cross
        spread = kalman.tria(kalman.block([[chol_R, H @ predicted.chol_ll]]))
        width = slope.shape[-1]
        centre = torch.zeros_like(predicted.mean_n)
        unit = torch.eye(width, dtype=centre.dtype, device=centre.device)
        offset = kalman.matvec(H, predicted.mean_l)
        mean, chol, _ = kalman.update(centre, unit, slope, offset, spread, residual)
        return GaussianProposal(
            predicted.mean_n + kalman.matvec(predicted.chol_nn, mean), predicted.chol_nn @ chol
        )


def guided_step(
    belief: Belief,
    inputs: StepInputs,
    model: ConditionallyLinearModel,
    resampler: Resampler,
    proposal: Proposal,
    generator: torch.Generator,
) -> tuple[Belief, StepInfo]:
    """`filtering.step` with xi drawn from `proposal`, and the weights corrected for it.

    Without a measurement there is nothing to look ahead to: xi is drawn from its prediction.

    Args:
        belief: Over `RaoBlackwellState`.
        inputs: Control from t-1 to t and the measurement at t.
        model: The conditionally linear model.
        resampler: How filters are drawn anew.
        proposal: Where xi comes from.
        generator: Source of all randomness, on the particles' device.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    adapted = RaoBlackwellModel(model)
    if inputs.measurement is None:
        return filtering.step(belief, inputs, adapted, resampler, generator)
    drawn = resampler(belief.state, belief.log_weights, belief.particle_count, generator)
    dynamics = model.dynamics(drawn.state.pose, inputs.control, inputs.dt_s)
    predicted = kalman_bank.predict(drawn.state.bank, dynamics)
    mean, chol = proposal(predicted, inputs.measurement)
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    pose = mean + kalman.matvec(chol, noise)
    state, log_prediction = kalman_bank.condition_prediction(predicted, pose)
    correction = log_prediction - kalman.log_density(noise, chol)
    moved = Belief(state, drawn.log_weights + correction)
    weighed, log_evidence = filtering.update(moved, inputs.measurement, adapted)
    ess = effective_size(weighed.log_weights)
    return weighed, StepInfo(log_evidence, ess, drawn.resampled, drawn.ancestors, moved.log_weights)
