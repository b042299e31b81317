"""Beliefs and step records. The glossary of axes lives here.

B batch, N particles, M smoother particles, T time, D pose dimension (x, y, yaw: 3), L linear
sub-state, K modes. Leading axes always come in the order B, T, N. Metres, radians, seconds.

A *state tree* is a tensor (B, N, D), or a NamedTuple of tensors (B, N, ...). A NamedTuple in
which some tensors are shared by all particles says so itself by a method
`gather_particles(index)` (see `tree.ParticleTree`); every leaf keeps the batch axis first.
A state tree that is not the pose tensor itself has a field `pose` (B, N, D).
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from jaxtyping import Bool, Float, Int
from torch import Tensor

from mdps_ros.core.kernels import ProductKernel

StateTree: TypeAlias = Any
"""Tensor (B, N, D) or NamedTuple of tensors, as told at the top of this file."""


class Belief(NamedTuple):
    """Weighted particles. `log_weights` are normalised: logsumexp over N is 0, -inf is legal."""

    state: StateTree
    log_weights: Float[Tensor, "B N"]

    @property
    def particle_count(self) -> int:
        """Number of particles N."""
        return self.log_weights.shape[1]


class Resampled(NamedTuple):
    """What a resampler returns.

    `log_weights` have exponentials whose sum is one (in expectation for the soft resampler); they
    carry the gradient of the draw where the resampler has one. `ancestors` index the N particles
    that went in; `resampled` is false for rows that were passed on unchanged.
    """

    state: StateTree
    log_weights: Float[Tensor, "B M"]
    ancestors: Int[Tensor, "B M"]
    resampled: Bool[Tensor, " B"]


class StepInputs(NamedTuple):
    """Everything one step takes from outside.

    `control` and `measurement` are what the model understands; `measurement` None means that
    nothing was measured and the weights stay as they are. `dt_s` is seconds.
    """

    control: Any
    dt_s: float
    measurement: Any | None


class StepInfo(NamedTuple):
    """What happened in a step, for people and tests; the next step does not need it.

    `log_evidence` is the step's log p(y_t | y_1..t-1) estimate, `ess` the effective number of
    particles after weighting. With `predicted_log_weights` the new particles are the predictive
    belief p(x_t | y_1..t-1), which smoothers need.
    """

    log_evidence: Float[Tensor, " B"]
    ess: Float[Tensor, " B"]
    resampled: Bool[Tensor, " B"]
    ancestors: Int[Tensor, "B N"]
    predicted_log_weights: Float[Tensor, "B N"]


class MixtureBelief(NamedTuple):
    """A density over poses, one kernel at each particle; `mixture.log_prob` evaluates it."""

    poses: Float[Tensor, "B N D"]
    log_weights: Float[Tensor, "B N"]
    kernel: ProductKernel


class Modes(NamedTuple):
    """K local concentrations of a belief, heaviest first.

    A mode that was not found has mass 0 and NaN mean and covariance.
    """

    mean: Float[Tensor, "B K 3"]
    covariance: Float[Tensor, "B K 3 3"]
    mass: Float[Tensor, "B K"]
