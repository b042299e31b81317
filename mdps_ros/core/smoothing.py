"""Smoothing: two filters combined at one time (MDPS), and backward simulation as the reference.

Two-filter smoothing (Younis and Sudderth, NeurIPS 2024, Eqs. 16-21) rests on

    p(x_t | y_1..T)  ~  p(y_t | x_t) m_f(x_t) m_b(x_t) / gamma_t(x_t)

with the *predictive* mixtures of the forward filter (knows y_1..t-1) and of the backward filter
(knows y_t+1..T, started from a prior gamma; flat gamma needs no division). A set that already
knows y_t would count it twice.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.resampling import multinomial, stratified
from mdps_ros.core.tree import gather_particles, stack_time
from mdps_ros.core.types import Belief, MixtureBelief, StateTree
from mdps_ros.core.weights import normalise


@runtime_checkable
class Scorer(Protocol):
    """log of the smoother's weight function l(x; y_t, m_f(x), m_b(x)), unnormalised.

    The generative one is log p(y_t | x) + log m_f + log m_b - log gamma_t(x).
    """

    def __call__(
        self,
        points: Float[Tensor, "B M D"],
        log_forward: Float[Tensor, "B M"],
        log_backward: Float[Tensor, "B M"],
    ) -> Float[Tensor, "B M"]:
        """Scores every point."""
        ...


class Proposal(enum.Enum):
    """Where the smoother's particles come from, and what they pass gradients to."""

    SAMPLED = "sampled"
    """Drawn from both mixtures; points and proposal density detached. Unbiased; the default."""

    UNION = "union"
    """The particles of both filters, all attached. Unbiased, slightly under-dispersed."""

    UNION_DETACHED = "union_detached"
    """The same with the proposal density detached, as in the authors' released code. Its gradient
    keeps a bias at any particle number; for comparison only."""


def combine_two_filter(
    forward: MixtureBelief,
    backward: MixtureBelief,
    scorer: Scorer,
    count: int,
    generator: torch.Generator,
    proposal: Proposal = Proposal.SAMPLED,
) -> Belief:
    """The smoothed belief at one time, from the two predictive mixtures.

    The proposal is q = (m_f + m_b) / 2 and the weights are l / q.

    Args:
        forward: Predictive mixture of the forward filter.
        backward: Predictive mixture of the backward filter.
        scorer: l, in logs.
        count: Particles drawn from each of the two mixtures (`SAMPLED` only).
        generator: On the mixtures' device.
        proposal: See `Proposal`.

    Returns:
        Poses (B, M, D) and their log-weights; M is 2 `count`, or the sum of the filters' numbers.
        As a density it needs the smoother's own kernel.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    if proposal is Proposal.SAMPLED:
        points, log_base = _draw_from_both(forward, backward, count, generator)
    else:
        points, log_base = _union(forward, backward)
    log_forward = mixture.log_prob(forward, points)
    log_backward = mixture.log_prob(backward, points)
    log_q = torch.logaddexp(log_forward, log_backward)
    if proposal is not Proposal.UNION:
        log_q = log_q.detach()
    score = scorer(points, log_forward, log_backward)
    return Belief(points, normalise(score - log_q + log_base)[0])


def _draw_from_both(
    forward: MixtureBelief, backward: MixtureBelief, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    halves = [mixture.sample(half, count, stratified, generator)[0] for half in (forward, backward)]
    points = torch.cat(halves, dim=1)
    return points, points.new_full(points.shape[:2], -math.log(2.0 * count))


def _union(forward: MixtureBelief, backward: MixtureBelief) -> tuple[Tensor, Tensor]:
    log_weights = torch.cat((forward.log_weights, backward.log_weights), dim=1)
    return torch.cat((forward.poses, backward.poses), dim=1), log_weights - math.log(2.0)


LogTransition = Callable[[int, StateTree, StateTree], Float[Tensor, "B S N"]]
"""(t, states at t with N particles, states at t + 1 with S) -> log p(x_t+1 of s | x_t of n)."""


def backward_simulation(
    beliefs: list[Belief], log_transition: LogTransition, count: int, generator: torch.Generator
) -> Any:
    """`count` trajectories from p(x_1..T | y_1..T) over the filter's own particles (FFBSi).

    Godsill, Doucet and West, JASA 99(465), 2004. O(T N count). It can choose only among what the
    filter kept: where the future moves the posterior far, few particles are left to choose from.

    Args:
        beliefs: Filtered beliefs at t = 0..T-1.
        log_transition: The motion model's log-density.
        count: Number of trajectories S, equally weighted.
        generator: On the particles' device.

    Returns:
        A state tree (B, T, S, ...).
    """
    last = beliefs[-1]
    chosen = gather_particles(last.state, multinomial(last.log_weights, count, generator))
    path = [chosen]
    for t in range(len(beliefs) - 2, -1, -1):
        state, log_weights = beliefs[t]
        joint = log_weights.unsqueeze(1) + log_transition(t, state, chosen)
        batch, _, particles = joint.shape
        backward_weights, _ = normalise(joint.reshape(batch * count, particles))
        index = multinomial(backward_weights, 1, generator).reshape(batch, count)
        chosen = gather_particles(state, index)
        path.append(chosen)
    return stack_time(path[::-1])
