"""Filter banks over a discrete mode: exact, GPB1, GPB2 and IMM, on the bank of `kalman_bank`.

A jump-Markov linear system switches between K sets of matrices. Given the history of modes it is
linear-Gaussian, so the belief is a bank of Kalman filters, one per history, weighed by their
predictive likelihoods: the Rao-Blackwellised filter with a mode in the place of the particle
(Hendeby, Karlsson and Gustafsson, EURASIP JASP 2010:724087, section 2). The number of histories
grows K-fold per step; the classical methods differ only in what they merge, and when (Bar-Shalom,
Li and Kirubarajan, Estimation with Applications to Tracking and Navigation, 2001, section 11.6;
IMM: Blom and Bar-Shalom, IEEE TAC 33(8), 1988).

    exact  branch, filter
    GPB1   merge all to one, branch, filter        K filters
    GPB2   branch, filter, merge per mode          K^2 filters
    IMM    branch, merge per new mode, filter      K filters
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from mdps_ros.core import kalman
from mdps_ros.core.kalman_bank import GaussianBank
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.weights import log_sum, normalise


class SwitchingSystem(NamedTuple):
    """x' = F x + c + q, y = H x + d + r with the matrices of mode k; noise factors as in `kalman`.

    `log_transition` [i, k] is log p(mode k at t | mode i at t-1); -inf is legal.
    """

    F: Float[Tensor, "K L L"]
    c: Float[Tensor, "K L"]
    chol_Q: Float[Tensor, "K L W"]
    H: Float[Tensor, "K M L"]
    d: Float[Tensor, "K M"]
    chol_R: Float[Tensor, "K M M"]
    log_transition: Float[Tensor, "K K"]

    @property
    def mode_count(self) -> int:
        """Number of modes K."""
        return self.log_transition.shape[0]


class ModeBelief(NamedTuple):
    """N hypotheses: a Gaussian, the present mode, and a normalised log-weight for each.

    The bank's factors are one per hypothesis. The three leaves' second axis is the particle axis
    of a state tree, so resampling (random pruning) works as for particles.
    """

    bank: GaussianBank
    modes: Int[Tensor, "B N"]
    log_weights: Float[Tensor, "B N"]


Step = Callable[
    [ModeBelief, Float[Tensor, "B M"], SwitchingSystem], tuple[ModeBelief, Float[Tensor, " B"]]
]
"""(belief at t-1, y_t, system) -> belief at t, log p(y_t | y_1..t-1)."""


def start(
    mean: Float[Tensor, "B L"], chol: Float[Tensor, "B L L"], log_prior: Float[Tensor, " K"]
) -> ModeBelief:
    """One hypothesis per mode, all with the same Gaussian."""
    batch, modes = mean.shape[0], log_prior.shape[0]
    bank = GaussianBank(
        mean.unsqueeze(1).expand(-1, modes, -1), chol.unsqueeze(1).expand(-1, modes, -1, -1)
    )
    labels = torch.arange(modes, device=mean.device).expand(batch, -1)
    return ModeBelief(bank, labels, normalise(log_prior.expand(batch, -1))[0])


def branch(belief: ModeBelief, system: SwitchingSystem) -> ModeBelief:
    """Every hypothesis with every next mode: N K of them, weighed by the mode's prediction."""
    batch, count = belief.modes.shape
    modes = system.mode_count
    index = torch.arange(count * modes, device=belief.modes.device).expand(batch, -1)
    parent, label = index // modes, index % modes
    steps = system.log_transition[gather_axis(belief.modes, parent), label]
    log_weights = gather_axis(belief.log_weights, parent) + steps
    return ModeBelief(belief.bank.gather_particles(parent), label, log_weights)


def predict_and_update(
    belief: ModeBelief, measurement: Float[Tensor, "B M"], system: SwitchingSystem
) -> tuple[ModeBelief, Float[Tensor, " B"]]:
    """Every hypothesis through the Kalman filter of its mode, weighed by its predictive likelihood.

    Returns:
        The belief given the measurement, and the measurement's log-evidence.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    k = belief.modes
    mean, chol = kalman.predict(*belief.bank, system.F[k], system.c[k], system.chol_Q[k])
    y = measurement.unsqueeze(1)
    mean, chol, log_likelihood = kalman.update(
        mean, chol, system.H[k], system.d[k], system.chol_R[k], y
    )
    log_weights, log_evidence = normalise(belief.log_weights + log_likelihood)
    return ModeBelief(GaussianBank(mean, chol), k, log_weights), log_evidence


def merge(belief: ModeBelief, groups: Bool[Tensor, "B G N"]) -> GaussianBank:
    """One Gaussian per group with the mean and covariance of the group's mixture.

    In array form: the columns of the pre-array are sqrt(w) times the members' factors and
    deviations. A group without mass has the moments of its members at equal weights, one without
    members those of all hypotheses, so that it stays a Gaussian.
    """
    groups = groups | ~groups.any(-1, keepdim=True)
    log_weights = belief.log_weights.unsqueeze(1).masked_fill(~groups, -math.inf)
    massless = torch.isneginf(log_weights.detach()).all(-1, keepdim=True)
    even = torch.zeros_like(log_weights).masked_fill(~groups, -math.inf)
    log_share = torch.log_softmax(torch.where(massless, even, log_weights), -1)
    mean = log_share.exp() @ belief.bank.mean
    deviation = (belief.bank.mean.unsqueeze(1) - mean.unsqueeze(2)).unsqueeze(-1)
    members = torch.cat(
        [belief.bank.chol.unsqueeze(1).expand(*groups.shape, -1, -1), deviation], -1
    )
    # half the logarithm: the root itself has an infinite derivative at a share of zero
    columns = (0.5 * log_share).exp()[..., None, None] * members  # (B, G, N, L, L + 1)
    return GaussianBank(mean, kalman.tria(columns.transpose(2, 3).flatten(-2)))


def merge_per_mode(belief: ModeBelief, modes: int) -> ModeBelief:
    """One hypothesis per present mode."""
    labels = torch.arange(modes, device=belief.modes.device)
    groups = belief.modes.unsqueeze(1) == labels.unsqueeze(-1)
    masses = log_sum(belief.log_weights.unsqueeze(1).masked_fill(~groups, -math.inf), -1)
    return ModeBelief(merge(belief, groups), labels.expand(len(masses), -1), masses)


def merge_all(belief: ModeBelief) -> GaussianBank:
    """A single Gaussian (B, 1, ...) with the moments of the whole belief."""
    return merge(belief, torch.ones_like(belief.modes, dtype=torch.bool).unsqueeze(1))


def keep_heaviest(belief: ModeBelief, count: int) -> ModeBelief:
    """The `count` heaviest hypotheses, with their weights normalised: deterministic pruning."""
    log_weights, index = belief.log_weights.topk(min(count, belief.log_weights.shape[1]), dim=1)
    bank = belief.bank.gather_particles(index)
    return ModeBelief(bank, gather_axis(belief.modes, index), normalise(log_weights)[0])


def exact_step(
    belief: ModeBelief, measurement: Float[Tensor, "B M"], system: SwitchingSystem
) -> tuple[ModeBelief, Float[Tensor, " B"]]:
    """The true posterior; K times as many hypotheses with every step."""
    return predict_and_update(branch(belief, system), measurement, system)


def gpb1_step(
    belief: ModeBelief, measurement: Float[Tensor, "B M"], system: SwitchingSystem
) -> tuple[ModeBelief, Float[Tensor, " B"]]:
    """Generalised pseudo-Bayes of order 1: the past is one Gaussian."""
    common = merge_all(belief)
    shared = GaussianBank(
        *(leaf.expand_as(own) for leaf, own in zip(common, belief.bank, strict=True))
    )
    children = branch(belief._replace(bank=shared), system)
    # all children of a mode carry the same Gaussian: merging them adds up their weights
    return predict_and_update(merge_per_mode(children, system.mode_count), measurement, system)


def gpb2_step(
    belief: ModeBelief, measurement: Float[Tensor, "B M"], system: SwitchingSystem
) -> tuple[ModeBelief, Float[Tensor, " B"]]:
    """Generalised pseudo-Bayes of order 2: the past is one Gaussian per mode."""
    filtered, log_evidence = exact_step(belief, measurement, system)
    return merge_per_mode(filtered, system.mode_count), log_evidence


def imm_step(
    belief: ModeBelief, measurement: Float[Tensor, "B M"], system: SwitchingSystem
) -> tuple[ModeBelief, Float[Tensor, " B"]]:
    """Interacting multiple model: merges before it filters, so K filters do the work of K^2."""
    mixed = merge_per_mode(branch(belief, system), system.mode_count)
    return predict_and_update(mixed, measurement, system)
