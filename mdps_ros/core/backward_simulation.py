"""Forward filtering, backward smoothing: the references that two-filter smoothing is held against.

Both need the density of the motion and can choose only among the particles that the filter kept:
where the future moves the posterior far, few are left to choose from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.resampling import multinomial
from mdps_ros.core.tree import gather_particles, stack_time
from mdps_ros.core.types import Belief, StateTree
from mdps_ros.core.weights import log_sum, normalise

LogTransition: TypeAlias = Callable[[int, StateTree, StateTree], Float[Tensor, "B S N"]]
"""(t, states at t with N particles, states at t + 1 with S) -> log p(x_t+1 of s | x_t of n)."""


def backward_simulation(
    beliefs: list[Belief], log_transition: LogTransition, count: int, generator: torch.Generator
) -> Any:
    """`count` trajectories from p(x_1..T | y_1..T) over the filter's own particles (FFBSi).

    Godsill, Doucet and West, JASA 99(465), 2004. O(T N count).

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
        backward_weights = _log_backward_kernel(log_weights, log_transition(t, state, chosen))
        batch, _, particles = backward_weights.shape
        rows = backward_weights.reshape(batch * count, particles)
        index = multinomial(rows, 1, generator).reshape(batch, count)
        chosen = gather_particles(state, index)
        path.append(chosen)
    return stack_time(path[::-1])


def backward_weights(
    beliefs: list[Belief], log_transition: LogTransition
) -> list[Float[Tensor, "B N"]]:
    """Smoothed log-weights of the filter's particles at every time (FFBSm).

    w_t|T(i) = w_t(i) sum_j w_t+1|T(j) p(x_t+1(j) | x_t(i)) / sum_k w_t(k) p(x_t+1(j) | x_t(k)):
    Younis and Sudderth, NeurIPS 2024, Eq. 9. O(T N^2), no randomness, differentiable.

    Args:
        beliefs: Filtered beliefs at t = 0..T-1.
        log_transition: The motion model's log-density.

    Returns:
        Normalised log-weights over the particles of each belief, in natural time.

    Raises:
        weights.DegenerateWeightsError: if no particle at t can have moved to one at t + 1.
    """
    smoothed = [beliefs[-1].log_weights]
    for t in range(len(beliefs) - 2, -1, -1):
        state, log_weights = beliefs[t]
        log_kernel = log_transition(t, state, beliefs[t + 1].state)
        to_each = _log_backward_kernel(log_weights, log_kernel)
        smoothed.append(log_sum(smoothed[-1].unsqueeze(-1) + to_each, dim=1))
    return smoothed[::-1]


def _log_backward_kernel(
    log_weights: Float[Tensor, "B N"], log_transition: Float[Tensor, "B S N"]
) -> Float[Tensor, "B S N"]:
    """Log p(x_t = n | x_t+1 = s, y_1..t), normalised over n."""
    joint = log_weights.unsqueeze(1) + log_transition
    return normalise(joint.flatten(0, 1))[0].reshape(joint.shape)
