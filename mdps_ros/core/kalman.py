"""Linear-Gaussian prediction, update and smoothing on (mean, Cholesky factor).

Covariances never appear: P = S S^T with S lower triangular, and every step is one
triangularisation of a "pre-array" (Kaminski, Bryson and Schmidt, IEEE TAC 16(6), 1971). Leading
axes are free and broadcast against each other. Noise factors need not be triangular or square:
chol_Q (..., n, q) stands for Q = chol_Q chol_Q^T.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor


def tria(matrix: Float[Tensor, "*_ n m"]) -> Float[Tensor, "*_ n n"]:
    """Lower-triangular L with non-negative diagonal and L L^T = M M^T.

    Differentiable where M has full row rank. Does not square the condition number, as the
    Cholesky factor of M M^T would.
    """
    missing = matrix.shape[-2] - matrix.shape[-1]
    if missing > 0:
        matrix = torch.nn.functional.pad(matrix, (0, missing))
    _, upper = torch.linalg.qr(matrix.mT, mode="reduced")
    diagonal = upper.diagonal(dim1=-2, dim2=-1)
    signs = torch.where(diagonal < 0, -torch.ones_like(diagonal), torch.ones_like(diagonal))
    lower: Tensor = (upper * signs.unsqueeze(-1)).mT
    return lower


def matvec(matrix: Float[Tensor, "*_ n m"], vector: Float[Tensor, "*_ m"]) -> Tensor:
    """Matrix times vector with broadcast leading axes.

    One matrix for all vectors of the last leading axis is not copied.
    """
    shared = _shared(matrix, vector)
    if shared is not None:
        return vector @ shared.mT
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def whiten(chol: Float[Tensor, "*_ n n"], vector: Float[Tensor, "*_ n"]) -> Tensor:
    """chol^-1 vector with broadcast leading axes; as in `matvec` for a common factor."""
    shared = _shared(chol, vector)
    solution: Tensor
    if shared is not None:
        solution = torch.linalg.solve_triangular(shared, vector.mT, upper=False).mT
    else:
        column = vector.unsqueeze(-1)
        solution = torch.linalg.solve_triangular(chol, column, upper=False).squeeze(-1)
    return solution


def _shared(matrix: Tensor, vector: Tensor) -> Tensor | None:
    """The matrix without the axis that the vectors run along, if it has only one entry there."""
    if vector.ndim < 2:
        return None
    if matrix.ndim == 2:
        return matrix
    return matrix.squeeze(-3) if matrix.shape[-3] == 1 else None


def block(rows: list[list[Tensor]]) -> Tensor:
    """Block matrix (..., sum of heights, sum of widths); leading axes broadcast."""
    shapes = [part.shape[:-2] for row in rows for part in row]
    lead: torch.Size = torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call]
    return torch.cat(
        [torch.cat([part.expand(lead + part.shape[-2:]) for part in row], -1) for row in rows], -2
    )


def predict(
    mean: Float[Tensor, "*_ n"],
    chol: Float[Tensor, "*_ n n"],
    F: Float[Tensor, "*_ n n"],
    c: Float[Tensor, "*_ n"],
    chol_Q: Float[Tensor, "*_ n q"],
) -> tuple[Float[Tensor, "*_ n"], Float[Tensor, "*_ n n"]]:
    """Moments of F x + c + q for x ~ N(mean, chol chol^T), q ~ N(0, chol_Q chol_Q^T)."""
    return matvec(F, mean) + c, tria(block([[F @ chol, chol_Q]]))


def update(
    mean: Float[Tensor, "*_ n"],
    chol: Float[Tensor, "*_ n n"],
    H: Float[Tensor, "*_ m n"],
    d: Float[Tensor, "*_ m"],
    chol_R: Float[Tensor, "*_ m m"],
    y: Float[Tensor, "*_ m"],
) -> tuple[Float[Tensor, "*_ n"], Float[Tensor, "*_ n n"], Float[Tensor, "*_"]]:
    """Conditions x ~ N(mean, chol chol^T) on y = H x + d + r, r ~ N(0, chol_R chol_R^T).

    Returns:
        Mean and factor of x given y, and log p(y).
    """
    width = H.shape[-2]
    zero = chol.new_zeros(chol.shape[-1], chol_R.shape[-1])
    post = tria(block([[chol_R, H @ chol], [zero, chol]]))
    chol_y, gain = post[..., :width, :width], post[..., width:, :width]
    new_chol = post[..., width:, width:]
    residual = y - matvec(H, mean) - d
    whitened = whiten(chol_y, residual)
    return mean + matvec(gain, whitened), new_chol, log_density(whitened, chol_y)


def log_density(whitened: Float[Tensor, "*_ m"], chol: Float[Tensor, "*_ m m"]) -> Tensor:
    """Log N of a residual that was already multiplied by chol^-1."""
    log_scale = chol.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    constant = 0.5 * math.log(2.0 * math.pi) * whitened.shape[-1]
    return -0.5 * whitened.square().sum(-1) - log_scale - constant


def rts_step(
    mean: Float[Tensor, "*_ n"],
    chol: Float[Tensor, "*_ n n"],
    next_mean: Float[Tensor, "*_ k"],
    next_chol: Float[Tensor, "*_ k k"],
    F: Float[Tensor, "*_ k n"],
    c: Float[Tensor, "*_ k"],
    chol_Q: Float[Tensor, "*_ k q"],
) -> tuple[Float[Tensor, "*_ n"], Float[Tensor, "*_ n n"]]:
    """One backward step of the Rauch-Tung-Striebel smoother.

    The state may have another size at t + 1: one that also holds a part that is known exactly
    (zero rows in `next_chol`) gives the smoother along a given path; see `rb_smoothing`.

    Args:
        mean: Filtered mean at t.
        chol: Filtered factor at t.
        next_mean: Smoothed mean at t + 1.
        next_chol: Smoothed factor at t + 1.
        F: Transition from t to t + 1.
        c: Offset of the transition.
        chol_Q: Noise factor of the transition; F chol and chol_Q together have full row rank.

    Returns:
        Smoothed mean and factor at t.
    """
    k = F.shape[-2]
    zero = chol.new_zeros(chol.shape[-1], chol_Q.shape[-1])
    post = tria(block([[F @ chol, chol_Q], [chol, zero]]))
    chol_predicted, cross, remaining = post[..., :k, :k], post[..., k:, :k], post[..., k:, k:]
    # gain = cross chol_predicted^-1
    gain = torch.linalg.solve_triangular(chol_predicted, cross, upper=False, left=False)
    surprise = next_mean - matvec(F, mean) - c
    return mean + matvec(gain, surprise), tria(block([[gain @ next_chol, remaining]]))
