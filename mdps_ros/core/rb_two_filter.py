"""Rao-Blackwellised two-filter smoothing: a forward bank meets a backward one.

The backward filter's particles xi~_t carry the message of their own future, z integrated out.
Because that message need not be integrable, it is paired with an artificial prior gamma_t(xi, z)
that the caller chooses and that is divided out again (Briers, Doucet and Maskell, Annals of the
Institute of Statistical Mathematics 62, 2010):

    weight of j at t  ~  gamma_t(xi_j) * integral gamma_t(z | xi_j) message_j(z) dz

The combination at t weighs every backward particle by what all forward particles at t-1 predict
for it. O(N M) per time. gamma_t must be wide enough to cover the smoothed density.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import information, kalman_bank
from mdps_ros.core.information import Message
from mdps_ros.core.kalman_bank import Predicted
from mdps_ros.core.protocols import IndexScheme
from mdps_ros.core.rb_smoothing import Record, pair_log_weights, pair_posteriors
from mdps_ros.core.rbpf import ConditionallyLinearModel
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import StepInputs
from mdps_ros.core.weights import moments, normalise


class BackwardRecord(NamedTuple):
    """The backward filter's particles at t, which know y_t..T.

    `log_prior` is log(gamma_t(xi) integral gamma_t(z | xi) message(z) dz), part of the weight.
    """

    pose: Float[Tensor, "B M D"]
    message: Message
    log_prior: Float[Tensor, "B M"]
    log_weights: Float[Tensor, "B M"]


@runtime_checkable
class BackwardProposal(Protocol):
    """Draws xi_t from a density q(. | xi_t+1); the first draw (at T) has no xi_t+1."""

    def __call__(
        self, t: int, next_pose: Float[Tensor, "B M D"] | None, generator: torch.Generator
    ) -> tuple[Float[Tensor, "B M D"], Float[Tensor, "B M"]]:
        """The draw and its log-density."""
        ...


def backward_filter(
    inputs: Sequence[StepInputs],
    priors: Sequence[Predicted],
    model: ConditionallyLinearModel,
    proposal: BackwardProposal,
    scheme: IndexScheme,
    generator: torch.Generator,
) -> list[BackwardRecord]:
    """Particles for the future of every time.

    Args:
        inputs: One per time; the control of `inputs[t]` leads from t-1 to t.
        priors: gamma_t over (xi, z) for every time, particle axis of one.
        model: The conditionally linear model.
        proposal: Where the particles come from; fixes their number.
        scheme: Resampling, before every step.
        generator: On the particles' device.

    Returns:
        One record per time, in the order of time.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    last = len(inputs) - 1
    pose, log_q = proposal(last, None, generator)
    message = information.nothing(pose, priors[last].mean_l.shape[-1])
    records = [_weigh(pose, message, inputs[last], priors[last], model, -log_q)]
    for t in range(last - 1, -1, -1):
        after = records[-1]
        index = scheme(after.log_weights, pose.shape[1], generator)
        next_pose, message = gather_axis(after.pose, index), after.message.gather_particles(index)
        pose, log_q = proposal(t, next_pose, generator)
        control, dt_s, _ = inputs[t + 1]
        message = information.predict_back(message, model.dynamics(pose, control, dt_s), next_pose)
        base = -log_q - gather_axis(after.log_prior, index)
        records.append(_weigh(pose, message, inputs[t], priors[t], model, base))
    return records[::-1]


def _weigh(
    pose: Tensor,
    message: Message,
    inputs: StepInputs,
    prior: Predicted,
    model: ConditionallyLinearModel,
    base: Tensor,
) -> BackwardRecord:
    if inputs.measurement is not None:
        message = information.observe(message, model.observe(pose, inputs.measurement))
    mean, log_density = kalman_bank.regress(prior, pose)
    log_prior = log_density + information.log_overlap(mean, prior.chol_ll, message)
    return BackwardRecord(pose, message, log_prior, normalise(base + log_prior)[0])


class SmoothedPoints(NamedTuple):
    """Weighted xi at one time given all measurements, and moments of z given each."""

    pose: Float[Tensor, "B M D"]
    log_weights: Float[Tensor, "B M"]
    mean: Float[Tensor, "B M L"]
    covariance: Float[Tensor, "B M L L"]


def combine(
    forward: Record,
    backward: BackwardRecord,
    inputs: StepInputs,
    model: ConditionallyLinearModel,
) -> SmoothedPoints:
    """p(xi_t, z_t | all y) from the forward filter at t-1 and the backward filter at t.

    For t >= 1. At t = 0 there is nothing before: with gamma_0 the model's own prior the backward
    filter is the smoother.

    Args:
        forward: At t-1, given y_0..t-1.
        backward: At t, given y_t..T.
        inputs: Those of t; its control leads from t-1 to t.
        model: The conditionally linear model.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    belief = forward.belief
    dynamics = model.dynamics(belief.state.pose, inputs.control, inputs.dt_s)
    pairs = pair_log_weights(belief, dynamics, backward.pose, backward.message)
    log_weights = backward.log_weights - backward.log_prior + torch.logsumexp(pairs, -1)
    means, chol = pair_posteriors(belief, dynamics, backward.pose, backward.message)
    shares, _ = normalise(pairs.flatten(0, 1))
    batch, count, particles = pairs.shape
    mean, between = moments(means.flatten(0, 1), shares)
    within = chol @ chol.mT
    weights = shares.exp().reshape(batch, count, particles, 1, 1)
    if within.shape[2] == 1:
        weights = weights.sum(2, keepdim=True)
    covariance = between.reshape(batch, count, *between.shape[1:]) + (weights * within).sum(2)
    return SmoothedPoints(
        backward.pose,
        normalise(log_weights)[0],
        mean.reshape(batch, count, -1),
        covariance,
    )
