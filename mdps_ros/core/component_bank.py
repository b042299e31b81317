"""A bank of Kalman filters on covariances, component by component: fast, for mild problems.

`kalman` handles factors, filter by filter, and cannot lose a covariance's sign. Here every entry
of the means and of the covariances' lower triangles is one long row over all filters, so that a
time update is a matrix product and a measurement update a few dozen vector operations, ten times
faster than batched small matrices. The form is the standard one, P - W W^T: in float32 it is for
covariances that stay within some 1e4 times the measurement noise; beyond use `kalman` or float64
(test_component_bank has the numbers). The matrices are common to all filters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

# Filters that are taken at once: their rows stay in a CPU's second-level cache.
_BLOCK = 1 << 14


class ComponentBank(NamedTuple):
    """Means and packed covariances, filters last.

    `covariance` holds the lower triangles column by column: T = n (n + 1) / 2 rows, in the order
    of `entries`.
    """

    mean: Float[Tensor, "n N"]
    covariance: Float[Tensor, "T N"]


def entries(size: int) -> list[tuple[int, int]]:
    """(row, column) of each row of a packed covariance."""
    return [(row, column) for column in range(size) for row in range(column, size)]


def pack(matrix: Float[Tensor, "*_ n n"]) -> Float[Tensor, "*_ T"]:
    """The entries of symmetric matrices, last."""
    rows, columns = zip(*entries(matrix.shape[-1]), strict=True)
    return matrix[..., rows, columns]


def unpack(packed: Float[Tensor, "*_ T"]) -> Float[Tensor, "*_ n n"]:
    """The symmetric matrices of `pack`."""
    size = (math.isqrt(8 * packed.shape[-1] + 1) - 1) // 2
    number = {entry: index for index, entry in enumerate(entries(size))}
    order = [number[max(i, j), min(i, j)] for i in range(size) for j in range(size)]
    square: Tensor = packed[..., order].reshape(*packed.shape[:-1], size, size)
    return square


def from_moments(mean: Float[Tensor, "N n"], covariance: Float[Tensor, "N n n"]) -> ComponentBank:
    """A bank of filters with these moments."""
    return ComponentBank(mean.T.contiguous(), pack(covariance).T.contiguous())


def to_moments(bank: ComponentBank) -> tuple[Float[Tensor, "N n"], Float[Tensor, "N n n"]]:
    """Mean and covariance of each filter."""
    return bank.mean.T, unpack(bank.covariance.T)


class Transition(NamedTuple):
    """x' = F x + c + q as maps of packed moments; `transition` makes it."""

    F: Float[Tensor, "k n"]
    c: Float[Tensor, "k 1"]
    spread: Float[Tensor, "U T"]
    Q: Float[Tensor, "U 1"]


class Observation(NamedTuple):
    """y = H x + d + r as maps of packed moments; `observation` makes it."""

    H: Float[Tensor, "m n"]
    d: Float[Tensor, "m 1"]
    cross: Float[Tensor, "mn T"]
    innovation: Float[Tensor, "V T"]
    R: Float[Tensor, "V 1"]


def transition(
    F: Float[Tensor, "k n"], c: Float[Tensor, " k"], Q: Float[Tensor, "k k"]
) -> Transition:
    """The time update with noise covariance Q."""
    return Transition(F, c[:, None], _pack_rows(congruence(F, F)), pack(Q)[:, None])


def observation(
    H: Float[Tensor, "m n"], d: Float[Tensor, " m"], R: Float[Tensor, "m m"]
) -> Observation:
    """The measurement update with noise covariance R."""
    eye = torch.eye(H.shape[1], dtype=H.dtype, device=H.device)
    cross = congruence(H, eye).flatten(0, 1)
    return Observation(H, d[:, None], cross, _pack_rows(congruence(H, H)), pack(R)[:, None])


def step(
    bank: ComponentBank, moves: Transition, sees: Observation, y: Float[Tensor, "m N"]
) -> tuple[ComponentBank, Float[Tensor, " N"]]:
    """`predict` and `update`, a block of filters at a time."""
    means, covariances, densities = [], [], []
    for part, seen in _blocks(bank, y):
        (mean, covariance), density = _condition(predict(part, moves), sees, seen)
        means.append(mean)
        covariances.append(covariance)
        densities.append(density)
    return ComponentBank(torch.cat(means, 1), torch.cat(covariances, 1)), torch.cat(densities)


def _blocks(bank: ComponentBank, y: Tensor) -> Iterator[tuple[ComponentBank, Tensor]]:
    parts = (torch.split(rows, _BLOCK, dim=1) for rows in (*bank, y))
    for mean, covariance, seen in zip(*parts, strict=True):
        yield ComponentBank(mean, covariance), seen


def predict(bank: ComponentBank, moves: Transition) -> ComponentBank:
    """The time update of every filter."""
    return ComponentBank(
        torch.addmm(moves.c, moves.F, bank.mean),
        torch.addmm(moves.Q, moves.spread, bank.covariance),
    )


def update(
    bank: ComponentBank, sees: Observation, y: Float[Tensor, "m N"]
) -> tuple[ComponentBank, Float[Tensor, " N"]]:
    """Conditions every filter on its y.

    Returns:
        The bank, and log p(y) of each filter; NaN where rounding made a covariance indefinite.
    """
    return _condition(bank._replace(covariance=bank.covariance.clone()), sees, y)


def _condition(
    bank: ComponentBank, sees: Observation, y: Float[Tensor, "m N"]
) -> tuple[ComponentBank, Float[Tensor, " N"]]:
    """`update` that may write to the bank's covariance."""
    mean, covariance = bank
    width, size = sees.H.shape
    gains = (sees.cross @ covariance).reshape(width, size, -1)
    chol = _factor(torch.addmm(sees.R, sees.innovation, covariance), width)
    residual = y - torch.addmm(sees.d, sees.H, mean)
    if sees.cross.requires_grad:
        covariance = covariance.clone()  # its gradient needs what was there
    constant = -0.5 * width * math.log(2.0 * math.pi)
    density = mean.new_full(mean.shape[1:], constant)
    done: list[tuple[Tensor, Tensor]] = []
    for k in range(width):
        gain, surprise = gains[k], residual[k]
        for j, (earlier, seen) in enumerate(done):
            gain = torch.addcmul(gain, earlier, chol[k, j], value=-1.0)
            surprise = torch.addcmul(surprise, seen, chol[k, j], value=-1.0)
        scale = chol[k, k].reciprocal()
        gain, surprise = gain * scale, surprise * scale
        done.append((gain, surprise))
        mean = torch.addcmul(mean, gain, surprise)
        density = torch.addcmul(density + scale.log(), surprise, surprise, value=-0.5)
        _subtract_square(covariance, gain)
    return ComponentBank(mean, covariance), density


def _subtract_square(covariance: Float[Tensor, "T N"], gain: Float[Tensor, "n N"]) -> None:
    """P - w w^T in place, column by column of the triangle."""
    begin, size = 0, gain.shape[0]
    for column in range(size):
        end = begin + size - column
        covariance[begin:end].addcmul_(gain[column:], gain[column], value=-1.0)
        begin = end


def _factor(packed: Float[Tensor, "T N"], size: int) -> dict[tuple[int, int], Float[Tensor, " N"]]:
    """Cholesky factor of each packed matrix, entry by entry."""
    rows = dict(zip(entries(size), packed.unbind(0), strict=True))
    chol: dict[tuple[int, int], Tensor] = {}
    for j in range(size):
        for i in range(j, size):
            value = rows[i, j]
            for k in range(j):
                value = torch.addcmul(value, chol[i, k], chol[j, k], value=-1.0)
            chol[i, j] = value.sqrt() if i == j else value / chol[j, j]
    return chol


def congruence(A: Float[Tensor, "a n"], B: Float[Tensor, "b n"]) -> Float[Tensor, "a b T"]:
    """The linear map from packed P to A P B^T."""
    rows, columns = (list(index) for index in zip(*entries(A.shape[-1]), strict=True))
    once = A[:, None, rows] * B[None, :, columns]
    twice = once + A[:, None, columns] * B[None, :, rows]
    diagonal = torch.tensor([row == column for row, column in zip(rows, columns, strict=True)])
    return torch.where(diagonal.to(A.device), once, twice)


def _pack_rows(square: Float[Tensor, "k k T"]) -> Float[Tensor, "U T"]:
    """Of a map to symmetric matrices the rows of the packed result."""
    rows, columns = zip(*entries(square.shape[0]), strict=True)
    return square[rows, columns]
