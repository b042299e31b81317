"""Smoothing by ancestry: where the particles of now came from, under the weights of now.

The cheapest fixed-lag smoother (Kitagawa, JCGS 5(1), 1996): O(N) per frame and no backward model.
It degenerates where all particles descend from a few ancestors; `distinct` counts them. By the
same lines a measurement that comes late is credited to those who descend from where it was made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core.tree import detach, gather_axis, gather_particles
from mdps_ros.core.types import Belief, StateTree


class Genealogy(NamedTuple):
    """The newest frames' particles, oldest first, and which of them lead to the newest ones.

    Attributes:
        states: Particles of each frame as they were then (B, N_t, ...).
        lines: For each frame, the index of every newest particle's ancestor there (B, N).
    """

    states: tuple[StateTree, ...] = ()
    lines: tuple[Int[Tensor, "B N"], ...] = ()


def step(
    genealogy: Genealogy, state: StateTree, ancestors: Int[Tensor, "B N"], lag: int
) -> Genealogy:
    """Adds a frame and forgets those older than `lag` frames.

    Args:
        genealogy: What was remembered; `Genealogy()` at the start.
        state: The newest particles (B, N, ...); they are kept without their graph.
        ancestors: Index of each one's parent among the previous particles (`StepInfo.ancestors`);
            not used at the first frame.
        lag: L >= 0; L + 1 frames are kept.

    Raises:
        ValueError: if the lag is negative.
    """
    if lag < 0:
        raise ValueError(f"a lag of {lag} frames keeps nothing; give one of at least 0")
    own = torch.arange(ancestors.shape[1], device=ancestors.device).expand_as(ancestors)
    lines = (*(gather_axis(line, ancestors) for line in genealogy.lines), own)
    return Genealogy((*genealogy.states, detach(state))[-lag - 1 :], lines[-lag - 1 :])


def smoothed(genealogy: Genealogy, log_weights: Float[Tensor, "B N"], lag: int) -> Belief:
    """p(x_t-lag | y_1..t): the ancestors of the newest particles, with the newest weights.

    Raises:
        ValueError: if so old a frame is not remembered.
    """
    _check(genealogy, lag)
    state = gather_particles(genealogy.states[-1 - lag], genealogy.lines[-1 - lag])
    return Belief(state, log_weights)


def distinct(genealogy: Genealogy, lag: int) -> Int[Tensor, " B"]:
    """How many different ancestors the newest particles have `lag` frames back.

    Raises:
        ValueError: if so old a frame is not remembered.
    """
    _check(genealogy, lag)
    line = genealogy.lines[-1 - lag].sort(dim=-1).values
    return (line[:, 1:] != line[:, :-1]).sum(-1) + 1


def ancestors(parents: Sequence[Int[Tensor, "B N"]]) -> Int[Tensor, "B N"]:
    """Who the newest particles descend from, several frames back.

    A measurement of that frame that comes late weighs them by their ancestors' likelihood, and so
    they weigh what they would had it come in time; only the draws since were made without it.

    Args:
        parents: index of each particle's parent among those of the frame before
            (`StepInfo.ancestors`), of the frames since, the oldest first; at least one.

    Raises:
        ValueError: if there is no frame.
    """
    if not parents:
        raise ValueError("no frame since: the particles are their own ancestors")
    first, *later = parents
    line = first
    for step_parents in later:
        line = gather_axis(line, step_parents)
    return line


def _check(genealogy: Genealogy, lag: int) -> None:
    if not 0 <= lag < len(genealogy.states):
        raise ValueError(
            f"lag {lag} asked of {len(genealogy.states)} remembered frames; "
            "give a larger lag to `step`, or wait for more frames"
        )
