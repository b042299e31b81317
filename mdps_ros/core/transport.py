"""Resampling by entropy-regularised optimal transport: the particles are moved, none is drawn.

The OT-PF of Corenflos, Thornton, Deligiannidis and Doucet (ICML 2021), for comparison. The plan
that carries weights w to equal weights over the same points at the least cost |x_i - x_j|^2 / 2,
less epsilon times its entropy, gives every new particle a share of every old one; the new particle
is the mean of its shares (barycentric map). As in the paper, coordinates are first divided by
sqrt(F) times the largest of their F standard deviations, so epsilon has no unit.

The plan is differentiable, but it shrinks the cloud (epsilon) and averages modes: the gradient is
exact for this map and biased for the filter. The paper's code differentiates one further Sinkhorn
iteration; here the potentials are differentiated implicitly, which costs one linear system of N
unknowns and leaves nothing out. Its clipping of the plan's gradient is left to the trainer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.types import Resampled, StateTree
from mdps_ros.core.weights import uniform

# Products between two returns to the log domain: few enough for the factors to stay in range.
_PRODUCTS = 25


@dataclass(frozen=True)
class Transport:
    """The barycentric map of the regularised plan, with equal weights. Deterministic.

    Only for plain pose tensors: the average of two particles' Kalman filters, maps or identities
    is not one. `ancestors` names the old particle with the largest share in each new one.

    Attributes:
        circular: For each of the D dimensions, whether it is an angle. Costs and means of angles
            are those of the points radius (cos, sin).
        epsilon: Regularisation, > 0, in units of the scaled cost. Small is near to the
            unregularised plan and slow.
        scaling: In (0, 1): epsilon falls to its value by the square of this per iteration.
        threshold: Ends the iteration: largest relative error of a new particle's mass.
        max_iterations: Ends it in any case; the weighted mean is kept even then.
        radius: Length that a radian counts as, in the unit of the lines.

    Raises:
        ValueError: if one of the numbers is out of its range.
    """

    circular: tuple[bool, ...]
    epsilon: float = 0.5
    scaling: float = 0.75
    threshold: float = 1e-3
    max_iterations: int = 500
    radius: float = 1.0

    def __post_init__(self) -> None:
        if not (self.epsilon > 0.0 and 0.0 < self.scaling < 1.0 and self.radius > 0.0):
            raise ValueError(
                f"epsilon {self.epsilon}, scaling {self.scaling}, radius {self.radius}; "
                "give epsilon > 0, scaling between 0 and 1, radius > 0"
            )

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Moves the particles; see `protocols.Resampler`. The generator is not used.

        Raises:
            TypeError: if the state is more than the pose tensor.
            ValueError: if `count` is not the present number, or not every dimension is described.
        """
        self._check(state, log_weights.shape[1], count)
        plan = self.plan(state, log_weights)
        # shares of a new particle add to one only as far as the iteration went; by differences
        # from the mean the map commutes with shifts, and keeps the mean, all the same
        mean = log_weights.exp().unsqueeze(1) @ state
        moved = mean + count * (plan.mT @ (state - mean))
        columns = [
            self._direction(plan, state[..., d]) if circular else moved[..., d]
            for d, circular in enumerate(self.circular)
        ]
        everywhere = torch.ones(plan.shape[0], dtype=torch.bool, device=plan.device)
        new = torch.stack(columns, dim=-1)
        even = uniform(plan.shape[0], count, log_weights)
        return Resampled(new, even, plan.detach().argmax(dim=1), everywhere)

    def plan(
        self, poses: Float[Tensor, "B N D"], log_weights: Float[Tensor, "B N"]
    ) -> Float[Tensor, "B N N"]:
        """Mass that goes from old particle j (axis 1) to new particle i (axis 2), differentiable.

        Sums over i are w_j exactly, sums over j are 1/N within `threshold` / N.
        """
        exponent = -self._cost(poses) / self.epsilon
        with torch.no_grad():
            potential = self._potential(exponent * self.epsilon, log_weights)
        if exponent.requires_grad or log_weights.requires_grad:
            potential = _with_implicit_gradient(potential, exponent, log_weights)
        return _share(potential, exponent) * log_weights.exp().unsqueeze(-1)

    def _check(self, state: StateTree, present: int, count: int) -> None:
        if not isinstance(state, Tensor):
            raise TypeError(
                f"optimal transport averages particles and cannot average {type(state).__name__}; "
                "use it on pose tensors, or gradients.ImportanceWeighted"
            )
        if count != present:
            raise ValueError(
                f"optimal transport keeps the particle number, asked for {count} of {present}; "
                "change it by another resampler"
            )
        if state.shape[-1] != len(self.circular):
            raise ValueError(
                f"{state.shape[-1]} dimensions but {len(self.circular)} entries in `circular`; "
                "give one per dimension"
            )

    def _cost(self, poses: Float[Tensor, "B N D"]) -> Float[Tensor, "B N N"]:
        columns = []
        for dimension, circular in enumerate(self.circular):
            value = poses[..., dimension]
            if circular:
                columns += [self.radius * value.cos(), self.radius * value.sin()]
            else:
                columns.append(value)
        points = torch.stack(columns, dim=-1)
        points = points - points.mean(dim=1, keepdim=True)
        spread = points.square().mean(dim=1).amax(dim=-1) * points.shape[-1]
        spread = torch.where(spread > 0.0, spread, torch.ones_like(spread))
        half = 0.5 * points.square().sum(-1)
        cost = half.unsqueeze(-1) + half.unsqueeze(-2) - points @ points.mT
        return cost / spread[:, None, None]

    def _potential(
        self, negative_cost: Float[Tensor, "B N N"], log_weights: Float[Tensor, "B N"]
    ) -> Float[Tensor, "B N"]:
        """Log-factor of each new particle at convergence, by Sinkhorn's iteration."""
        count = log_weights.shape[1]
        new = torch.zeros_like(log_weights)  # times the present level
        level, done = max(self.epsilon, -float(negative_cost.min())), 0
        while done < self.max_iterations:
            level = max(level * self.scaling**2, self.epsilon)
            exponent = negative_cost / level
            old = math.log(count) - (exponent + (new / level).unsqueeze(1)).logsumexp(-1)
            # the cost is symmetric: sums over old particles run along the contiguous axis, too
            log_factor = -(exponent + (old + log_weights).unsqueeze(1)).logsumexp(-1)
            done += 1
            if level == self.epsilon:
                scaled = exponent + log_factor.unsqueeze(1) + old.unsqueeze(2)
                rounds = min(_PRODUCTS, self.max_iterations - done)
                change, used = _iterate(scaled.exp_(), log_weights.exp(), rounds, self.threshold)
                log_factor, done = log_factor + change, done + used
                if used < rounds:
                    return log_factor
            new = level * log_factor
        return new / level

    def _direction(self, plan: Tensor, angle: Tensor) -> Tensor:
        sine, cosine = (plan.mT @ torch.stack((angle.sin(), angle.cos()), -1)).unbind(-1)
        return torch.atan2(sine, cosine)


def _iterate(
    scaled: Float[Tensor, "B N N"], weights: Float[Tensor, "B N"], rounds: int, threshold: float
) -> tuple[Float[Tensor, "B N"], int]:
    """Sinkhorn's iteration by products, about potentials that are nearly right.

    Returns:
        The change of the new particles' log-factors, and the iterations used; fewer than `rounds`
        if it converged.
    """
    mass = weights.unsqueeze(-1)
    factor = torch.ones_like(mass)
    for used in range(rounds):
        old = weights.shape[1] / (scaled @ factor)
        row = factor * (scaled.mT @ (mass * old))
        error = (row - 1.0).abs().amax()
        factor = factor / row
        if bool(error < threshold):
            return factor.squeeze(-1).log(), used
    return factor.squeeze(-1).log(), rounds


def _share(
    potential: Float[Tensor, "B N"], exponent: Float[Tensor, "B N N"]
) -> Float[Tensor, "B N N"]:
    """Fraction of old particle j (axis 1) that goes to new particle i (axis 2)."""
    return torch.softmax(exponent + potential.unsqueeze(1), dim=-1)


def _with_implicit_gradient(
    potential: Float[Tensor, "B N"],
    exponent: Float[Tensor, "B N N"],
    log_weights: Float[Tensor, "B N"],
) -> Float[Tensor, "B N"]:
    """The same values with the derivative that keeps the new particles' masses at 1/N.

    With masses N F(u, theta) = 1: du = -(dF/du)^-1 dF. The matrix has the null vector of equal
    changes, along which F never moves; it is filled up.
    """
    count = potential.shape[1]
    share, weights = _share(potential, exponent), log_weights.exp()
    mass = count * (share.mT @ weights.unsqueeze(-1))
    with torch.no_grad():
        joint = share.mT @ (count * weights.unsqueeze(-1) * share)
        ridge = 10.0 * torch.finfo(joint.dtype).eps  # a plan near a permutation has no curvature
        matrix = torch.diag_embed(mass.squeeze(-1) + ridge) - joint + 1.0 / count
    change: Tensor = torch.linalg.solve(matrix, mass - mass.detach())
    return potential - change.squeeze(-1)
