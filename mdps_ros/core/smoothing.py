"""Two-filter smoothing: a forward and a backward filter combined at one time (MDPS).

It (Younis and Sudderth, NeurIPS 2024, Eqs. 16-21) rests on

    p(x_t | y_1..T)  ~  p(y_t | x_t) m_f(x_t) m_b(x_t) / gamma_t(x_t)

with the *predictive* mixtures of the forward filter (knows y_1..t-1) and of the backward filter
(knows y_t+1..T, started from a prior gamma; flat gamma needs no division). A set that already
knows y_t would count it twice.

Whole sequences are in `mdps`, online smoothing in `fixed_lag`, the reference methods in
`backward_simulation`.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import boxes, mixture
from mdps_ros.core.boxes import Box
from mdps_ros.core.resampling import stratified
from mdps_ros.core.types import Belief, MixtureBelief
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


@dataclass(frozen=True)
class GenerativeScorer:
    """The weight function of Bayes' rule, for a flat gamma.

    Attributes:
        log_likelihood: log p(y_t | pose) at points (B, M, D); None where nothing was measured.
    """

    log_likelihood: Callable[[Float[Tensor, "B M D"]], Float[Tensor, "B M"]] | None

    def __call__(
        self,
        points: Float[Tensor, "B M D"],
        log_forward: Float[Tensor, "B M"],
        log_backward: Float[Tensor, "B M"],
    ) -> Float[Tensor, "B M"]:
        """Scores every point; see `Scorer`."""
        score = log_forward + log_backward
        return score if self.log_likelihood is None else score + self.log_likelihood(points)


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


def combine_with_flat(
    forward: MixtureBelief, box: Box, scorer: Scorer, count: int, generator: torch.Generator
) -> Belief:
    """The same where the future is not known yet: lag 0, the filter's posterior.

    The backward density is flat. The second half of the points comes from `box`, but the weight
    function sees the same density outside it, where the forward mixture may reach.

    Returns:
        Poses (B, 2 `count`, D) and their log-weights.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    drawn, _ = mixture.sample(forward, count, stratified, generator)
    points = torch.cat((drawn, boxes.sample(box, count, generator)), dim=1)
    log_forward = mixture.log_prob(forward, points)
    log_flat = -boxes.log_volume(box).unsqueeze(-1).expand_as(log_forward)
    inside = log_flat.masked_fill(~boxes.contains(box, points), -math.inf)
    log_q = torch.logaddexp(log_forward.detach(), inside)
    return Belief(points, normalise(scorer(points, log_forward, log_flat) - log_q)[0])


def _draw_from_both(
    forward: MixtureBelief, backward: MixtureBelief, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    halves = [mixture.sample(half, count, stratified, generator)[0] for half in (forward, backward)]
    points = torch.cat(halves, dim=1)
    return points, points.new_full(points.shape[:2], -math.log(2.0 * count))


def _union(forward: MixtureBelief, backward: MixtureBelief) -> tuple[Tensor, Tensor]:
    log_weights = torch.cat((forward.log_weights, backward.log_weights), dim=1)
    return torch.cat((forward.poses, backward.poses), dim=1), log_weights - math.log(2.0)
