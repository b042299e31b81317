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
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core.elimination import Elimination

# Filters that each thread takes at once: its rows stay in a CPU's caches, its calls are few.
_BLOCK = 1 << 15


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
    """y = H x + d + r as maps of packed moments; `observation` makes it.

    `system` gives for each output k the rows (H P H^T)_k and (H P)_k, `R` what is added to them.
    """

    H: Float[Tensor, "m n"]
    d: Float[Tensor, "m 1"]
    system: Float[Tensor, "V T"]
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
    size = H.shape[1]
    eye = torch.eye(size, dtype=H.dtype, device=H.device)
    noise = torch.nn.functional.pad(R, (0, size))
    system = congruence(H, torch.cat((H, eye)))
    return Observation(H, d[:, None], system.flatten(0, 1), noise.reshape(-1, 1))


def step(
    bank: ComponentBank, moves: Transition, sees: Observation, y: Float[Tensor, "m N"]
) -> tuple[ComponentBank, Float[Tensor, " N"]]:
    """`predict` and `update`, a block of filters at a time, both from the moments before."""
    if _differentiated(*bank, *moves, *sees, y):
        return update(predict(bank, moves), sees, y)
    # what is seen of the moments before the motion
    spread, noise = (_exact(sees.system, part) for part in (moves.spread, moves.Q))
    noise = noise + sees.R
    found = ComponentBank(*(torch.empty_like(rows) for rows in bank))
    density = torch.empty_like(y[0])
    count = y.shape[1]
    blocks = max(1, math.ceil(count / (_BLOCK * torch.get_num_threads())))
    size = max(1, math.ceil(count / blocks))
    room: Elimination | None = None
    with torch.inference_mode():  # without its bookkeeping calls take three quarters of their time
        for start in range(0, count, size):
            part = (..., slice(start, start + size))
            mean, covariance = found.mean[part], found.covariance[part]
            if room is None or mean.shape[1] < size:
                room = Elimination(len(mean), len(y), mean)
            torch.addmm(noise, spread, bank.covariance[part], out=room.system)
            torch.addmm(moves.c, moves.F, bank.mean[part], out=mean)
            torch.addmm(moves.Q, moves.spread, bank.covariance[part], out=covariance)
            torch.addmm(sees.d, sees.H, mean, out=room.residual)
            torch.sub(y[part], room.residual, out=room.residual)
            density[part] = room.run(mean, covariance)
    return found, density


def _differentiated(*tensors: Tensor) -> bool:
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)


def _exact(first: Tensor, second: Tensor) -> Tensor:
    """The product, rounded once: it is the same for all filters."""
    return (first.double() @ second.double()).to(second)


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
    if _differentiated(*bank, *sees, y):
        system = torch.addmm(sees.R, sees.system, bank.covariance)
        return _condition(bank, system, y - torch.addmm(sees.d, sees.H, bank.mean))
    found = ComponentBank(*(rows.clone() for rows in bank))
    room = Elimination(len(bank.mean), len(y), bank.mean)
    torch.addmm(sees.R, sees.system, bank.covariance, out=room.system)
    torch.sub(y, torch.addmm(sees.d, sees.H, bank.mean), out=room.residual)
    return found, room.run(*found)


def _condition(
    bank: ComponentBank, system: Float[Tensor, "V N"], residual: Float[Tensor, "m N"]
) -> tuple[ComponentBank, Float[Tensor, " N"]]:
    """`elimination` step by step for who wants gradients; it leaves what it is given alone."""
    mean, covariance = bank
    count, left = len(residual), system.view(len(residual), -1, system.shape[-1])
    rows, columns = (list(index) for index in zip(*entries(len(mean)), strict=True))
    density = torch.full_like(mean[0], -0.5 * count * math.log(2.0 * math.pi))
    for width in range(count, 0, -1):
        scale = left[0, 0].rsqrt()
        row, surprise = left[0] * scale, residual[0] * scale
        gain, rest = row[width:], row[1:width]
        mean = torch.addcmul(mean, gain, surprise)
        covariance = torch.addcmul(covariance, gain[rows], gain[columns], value=-1.0)
        left = torch.addcmul(left[1:, 1:], rest.unsqueeze(1), row[1:], value=-1.0)
        residual = torch.addcmul(residual[1:], rest, surprise, value=-1.0)
        density = density + scale.log() - 0.5 * surprise.square()
    return ComponentBank(mean, covariance), density


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
