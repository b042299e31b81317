"""A bank of Kalman filters, one per particle: the linear half of a Rao-Blackwellised filter.

Model, given the particle's own (nonlinear) state xi, with noise w ~ N(0, I) common to both rows:

    xi' = f_n(xi) + F_n(xi) z + G_n w
    z'  = f_l(xi) + F_l(xi) z + G_l w
    y   = h(xi) + H(xi) z + e,                     z | path of xi ~ N(mean, chol chol^T)

`propagate` is steps 4 and 5 of Algorithm 2 of Hendeby, Karlsson and Gustafsson (EURASIP JASP
2010:724087): time update of the joint Gaussian, draw of xi', conditioning of z' on the draw. In
array form, with xi first, one triangularisation does all three: the post-array is the conditioned
factor, and no inverse is taken. The rest of the filter is `filtering.step`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import kalman
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.weights import masses, moments


class GaussianBank(NamedTuple):
    """Means and lower-triangular factors of z.

    `chol` (B, N, L, L) is one factor per particle; (B, 1, L, L) is one for all, which stays one
    as long as no matrix of the model depends on the particle.
    """

    mean: Float[Tensor, "B N L"]
    chol: Float[Tensor, "B S L L"]

    def gather_particles(self, index: Int[Tensor, "B M"]) -> GaussianBank:
        """The filters of the chosen particles; a common factor is passed on as it is."""
        chol = self.chol if self.chol.shape[1] == 1 else gather_axis(self.chol, index)
        return GaussianBank(gather_axis(self.mean, index), chol)


class RaoBlackwellState(NamedTuple):
    """Particles xi = `pose`, each with its Gaussian."""

    pose: Float[Tensor, "B N D"]
    bank: GaussianBank


class Dynamics(NamedTuple):
    """The model's first two rows at the present xi. Leading axes broadcast to (B, N).

    `noise_n` and `noise_l` are G_n and G_l over the same W columns: noise that enters both rows
    needs nothing else.
    """

    offset_n: Float[Tensor, "*_ D"]
    F_n: Float[Tensor, "*_ D L"]
    offset_l: Float[Tensor, "*_ L"]
    F_l: Float[Tensor, "*_ L L"]
    noise_n: Float[Tensor, "*_ D W"]
    noise_l: Float[Tensor, "*_ L W"]


class Predicted(NamedTuple):
    """Joint Gaussian of (xi', z') before the draw: factor [[chol_nn, 0], [cross, chol_ll]].

    The factors' second axis S is 1 where they are common to all particles.
    """

    mean_n: Float[Tensor, "B N D"]
    mean_l: Float[Tensor, "B N L"]
    chol_nn: Float[Tensor, "B S D D"]
    cross: Float[Tensor, "B S L D"]
    chol_ll: Float[Tensor, "B S L L"]


def predict(bank: GaussianBank, dynamics: Dynamics) -> Predicted:
    """Time update of every filter over both rows of the model (step 4 of Algorithm 2)."""
    width = dynamics.F_n.shape[-2]
    post = kalman.tria(
        kalman.block(
            [
                [dynamics.F_n @ bank.chol, dynamics.noise_n],
                [dynamics.F_l @ bank.chol, dynamics.noise_l],
            ]
        )
    )
    return Predicted(
        dynamics.offset_n + kalman.matvec(dynamics.F_n, bank.mean),
        dynamics.offset_l + kalman.matvec(dynamics.F_l, bank.mean),
        post[..., :width, :width],
        post[..., width:, :width],
        post[..., width:, width:],
    )


def propagate(
    bank: GaussianBank, dynamics: Dynamics, generator: torch.Generator
) -> RaoBlackwellState:
    """Draws xi' from its prediction and conditions z' on it; reparameterised."""
    predicted = predict(bank, dynamics)
    mean = predicted.mean_n
    noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=mean.dtype)
    return RaoBlackwellState(
        mean + kalman.matvec(predicted.chol_nn, noise),
        GaussianBank(predicted.mean_l + kalman.matvec(predicted.cross, noise), predicted.chol_ll),
    )


def condition(
    bank: GaussianBank, dynamics: Dynamics, pose: Float[Tensor, "B N D"]
) -> tuple[RaoBlackwellState, Float[Tensor, "B N"]]:
    """The same for a given xi', and its log-density under the prediction.

    For proposals other than the prediction (add the log-density, subtract the proposal's) and
    for filtering along a known path. The prediction of xi' must not be degenerate.
    """
    return condition_prediction(predict(bank, dynamics), pose)


def condition_prediction(
    predicted: Predicted, pose: Float[Tensor, "B N D"]
) -> tuple[RaoBlackwellState, Float[Tensor, "B N"]]:
    """`condition` for a prediction at hand (step 5 of Algorithm 2)."""
    mean, log_density = regress(predicted, pose)
    return RaoBlackwellState(pose, GaussianBank(mean, predicted.chol_ll)), log_density


def regress(
    predicted: Predicted, pose: Float[Tensor, "*_ D"]
) -> tuple[Float[Tensor, "*_ L"], Float[Tensor, "*_"]]:
    """Mean of z' given xi', and log p(xi'); the covariance of z' does not depend on xi'.

    Leading axes broadcast, so that many poses can be tried against every prediction. An angle in
    xi' must be told on the turn next to its prediction: differences are not wrapped.
    """
    whitened = kalman.whiten(predicted.chol_nn, pose - predicted.mean_n)
    mean = predicted.mean_l + kalman.matvec(predicted.cross, whitened)
    return mean, kalman.log_density(whitened, predicted.chol_nn)


def update(
    bank: GaussianBank,
    H: Float[Tensor, "*_ M L"],
    offset: Float[Tensor, "*_ M"],
    chol_R: Float[Tensor, "*_ M M"],
    y: Float[Tensor, "B M"],
) -> tuple[GaussianBank, Float[Tensor, "B N"]]:
    """Conditions every filter on y = offset + H z + e; leading axes broadcast to (B, N).

    Returns:
        The bank, and each particle's log p(y | path), which is its log-likelihood.
    """
    mean, chol, log_likelihood = kalman.update(
        bank.mean, bank.chol, H, offset, chol_R, y.unsqueeze(1)
    )
    return GaussianBank(mean, chol), log_likelihood


def linear_moments(
    bank: GaussianBank, log_weights: Float[Tensor, "B N"]
) -> tuple[Float[Tensor, "B L"], Float[Tensor, "B L L"]]:
    """Mean and covariance of z over all particles: spread of the means plus mean of the spreads."""
    mean, between = moments(bank.mean, log_weights)
    weights = masses(log_weights)
    if bank.chol.shape[1] == 1:
        weights = weights.sum(-1, keepdim=True)
    within = (weights[..., None, None] * (bank.chol @ bank.chol.mT)).sum(1)
    return mean, between + within
