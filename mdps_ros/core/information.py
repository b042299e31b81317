"""What the future says of z: Gaussian likelihood messages that run backwards along a path.

Given the path xi_t..xi_T the future's density is an exponential of a quadratic in z_t,

    p(y_t..T, xi_t+1..T | xi_t, z_t) = exp(log_constant - z' Omega z / 2 + shift' z),

which need not be integrable (Omega = 0 says nothing). It is carried with Omega = root root', so
that no step subtracts and Omega stays non-negative (array form of the recursion of Lindsten,
Bunch, Sarkka, Schon and Godsill, IEEE JSTSP 10(2), 2016). Leading axes are free and broadcast;
`root` may keep an axis of one where no matrix depends on the particle.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import kalman
from mdps_ros.core.kalman import matvec, whiten
from mdps_ros.core.kalman_bank import Dynamics, GaussianBank
from mdps_ros.core.rbpf import Observation
from mdps_ros.core.tree import gather_axis


class Message(NamedTuple):
    """Likelihood of z; see the top of this file."""

    root: Float[Tensor, "*_ L L"]
    shift: Float[Tensor, "*_ L"]
    log_constant: Float[Tensor, "*_"]

    def gather_particles(self, index: Tensor) -> Message:
        """The messages of the chosen particles (axes (B, N)); a common root is passed on."""
        root = self.root if self.root.shape[1] == 1 else gather_axis(self.root, index)
        return Message(root, gather_axis(self.shift, index), gather_axis(self.log_constant, index))


def nothing(pose: Float[Tensor, "B N D"], size: int) -> Message:
    """The message that says nothing of a z of `size`: the future beyond the last measurement."""
    batch, count, _ = pose.shape
    return Message(
        pose.new_zeros(batch, 1, size, size),
        pose.new_zeros(batch, count, size),
        pose.new_zeros(batch, count),
    )


def observe(message: Message, observation: Observation) -> Message:
    """Adds a measurement made at the same time; axes (B, N)."""
    root, shift, log_constant = message
    if observation.log_likelihood is not None:
        log_constant = log_constant + observation.log_likelihood
    if observation.linear is not None:
        H, offset, chol_R, y = observation.linear
        scaled = torch.linalg.solve_triangular(chol_R, H, upper=False)
        whitened = whiten(chol_R, y.unsqueeze(1) - offset)
        root = kalman.tria(kalman.block([[root, scaled.mT]]))
        shift = shift + matvec(scaled.mT, whitened)
        log_constant = log_constant + kalman.log_density(whitened, chol_R)
    return Message(root, shift, log_constant)


class _Split(NamedTuple):
    """The dynamics of z given xi': z' = offset + F z + spread w, and xi' = pull z + noise."""

    residual: Tensor
    chol_nn: Tensor
    pull: Tensor
    offset: Tensor
    F: Tensor
    spread: Tensor


def _split(dynamics: Dynamics, next_pose: Tensor) -> _Split:
    """Takes out of z's noise what the known xi' tells of it; whitened by xi's own noise."""
    width = dynamics.noise_n.shape[-2]
    joint = kalman.tria(kalman.block([[dynamics.noise_n], [dynamics.noise_l]]))
    chol_nn, cross = joint[..., :width, :width], joint[..., width:, :width]
    residual = whiten(chol_nn, next_pose - dynamics.offset_n)
    pull = torch.linalg.solve_triangular(chol_nn, dynamics.F_n, upper=False)
    offset = dynamics.offset_l + matvec(cross, residual)
    F = dynamics.F_l - cross @ pull
    return _Split(residual, chol_nn, pull, offset, F, joint[..., width:, width:])


def predict_back(message: Message, dynamics: Dynamics, next_pose: Float[Tensor, "*_ D"]) -> Message:
    """The message at t from that at t+1, for the step to the known xi_t+1.

    The paper's recursion in array form; the noise of xi must not be degenerate (noise_n of full
    row rank).
    """
    root, shift, log_constant = message
    split = _split(dynamics, next_pose)
    eye = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
    towards = root.mT @ split.spread
    # (I + root' Q root) and (I + spread' Omega spread), of equal determinant
    outer = kalman.tria(kalman.block([[eye, towards]]))
    inner = kalman.tria(kalman.block([[eye, towards.mT]]))
    through = torch.linalg.solve_triangular(outer, root.mT @ split.F, upper=False)
    moved = shift - matvec(root, matvec(root.mT, split.offset))
    seen = whiten(inner, matvec(split.spread.mT, moved))
    back = matvec(split.spread, _whiten_back(inner, seen))
    kept = moved - matvec(root, matvec(root.mT, back))
    quadratic = matvec(root.mT, split.offset).square().sum(-1)
    linear = (split.offset * shift).sum(-1)
    log_scale = inner.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return Message(
        kalman.tria(kalman.block([[through.mT, split.pull.mT]])),
        matvec(split.F.mT, kept) + matvec(split.pull.mT, split.residual),
        log_constant
        + kalman.log_density(split.residual, split.chol_nn)
        - log_scale
        - 0.5 * (quadratic - 2.0 * linear - seen.square().sum(-1)),
    )


def _whiten_back(chol: Tensor, vector: Tensor) -> Tensor:
    """chol^-T vector; the inverse is of a well-conditioned factor I + positive."""
    eye = torch.eye(chol.shape[-1], dtype=chol.dtype, device=chol.device)
    return matvec(torch.linalg.solve_triangular(chol, eye, upper=False).mT, vector)


def log_overlap(
    mean: Float[Tensor, "*_ L"], chol: Float[Tensor, "*_ L L"], message: Message
) -> Float[Tensor, "*_"]:
    """Logarithm of the integral of N(z; mean, chol chol') times the message."""
    scale, seen = _meet(mean, chol, message)
    known = matvec(message.root.mT, mean).square().sum(-1) - 2.0 * (message.shift * mean).sum(-1)
    log_scale = scale.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return message.log_constant - log_scale - 0.5 * (known - seen.square().sum(-1))


def fuse(
    mean: Float[Tensor, "*_ L"], chol: Float[Tensor, "*_ L L"], message: Message
) -> tuple[Float[Tensor, "*_ L"], Float[Tensor, "*_ L L"]]:
    """Mean and factor of N(mean, chol chol') times the message, normalised."""
    scale, seen = _meet(mean, chol, message)
    new_mean = mean + matvec(chol, _whiten_back(scale, seen))
    # chol Lambda^-1 chol' with Lambda = scale scale'
    return new_mean, kalman.tria(torch.linalg.solve_triangular(scale, chol.mT, upper=False).mT)


def _meet(mean: Tensor, chol: Tensor, message: Message) -> tuple[Tensor, Tensor]:
    """The factor of Lambda = I + chol' Omega chol and the whitened surprise."""
    eye = torch.eye(chol.shape[-1], dtype=chol.dtype, device=chol.device)
    towards = chol.mT @ message.root
    scale = kalman.tria(kalman.block([[eye, towards]]))
    surprise = message.shift - matvec(message.root, matvec(message.root.mT, mean))
    return scale, whiten(scale, matvec(chol.mT, surprise))


def fuse_bank(bank: GaussianBank, message: Message) -> GaussianBank:
    """`fuse` for every filter of a bank."""
    return GaussianBank(*fuse(bank.mean, bank.chol, message))
