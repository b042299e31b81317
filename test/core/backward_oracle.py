"""The backward recursion as rbpf.md 11.2 writes it, with inverses; and exact smoothers.

`sign` is that of m' X m in tau: -1 is right. pyParticleEst 1.1.4 has +1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mdps_ros.core.information import Message
from mdps_ros.core.kalman_bank import Dynamics
from mdps_ros.core.types import Belief

from .conditionally_linear import F64, RandomModel


class Statistic(NamedTuple):
    """Omega, lambda and log Z (without powers of 2 pi)."""

    precision: Tensor
    shift: Tensor
    log_z: Tensor


def times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[..., None])[..., 0]


def inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1)


def backward_prediction(
    precision: Tensor, shift: Tensor, dynamics: Dynamics, next_pose: Tensor, sign: float = -1.0
) -> Statistic:
    """Leading axes broadcast."""
    f_n, F_n, f_l, F_l, G_n, G_l = dynamics
    S_inv = torch.linalg.inv(G_n @ G_n.mT)
    D = G_l @ G_n.mT @ S_inv
    r = next_pose - f_n
    f, F, Q = f_l + times(D, r), F_l - D @ F_n, G_l @ G_l.mT - D @ (G_n @ G_l.mT)
    eye = torch.eye(precision.shape[-1], dtype=F64)
    root = torch.linalg.cholesky(Q + 1e-14 * eye)
    M = eye + root.mT @ precision @ root
    X = root @ torch.linalg.inv(M) @ root.mT
    m = shift - times(precision, f)
    tau = inner(r, times(S_inv, r)) + inner(f, times(precision, f)) - 2.0 * inner(shift, f)
    tau = tau + sign * inner(m, times(X, m))
    return Statistic(
        F.mT @ (precision - precision @ X @ precision) @ F + F_n.mT @ S_inv @ F_n,
        times(F.mT, m - times(precision @ X, m)) + times(F_n.mT @ S_inv, r),
        -0.5 * (torch.logdet(M) - torch.logdet(S_inv) + tau),
    )


def log_meeting(mean: Tensor, chol: Tensor, statistic: Statistic) -> Tensor:
    """log Z - log|Lambda| / 2 - eta / 2."""
    eye = torch.eye(chol.shape[-1], dtype=F64)
    Lambda = eye + chol.mT @ statistic.precision @ chol
    q = times(chol.mT, statistic.shift - times(statistic.precision, mean))
    eta = inner(mean, times(statistic.precision, mean)) - 2.0 * inner(statistic.shift, mean)
    eta = eta - inner(q, times(torch.linalg.inv(Lambda), q))
    return statistic.log_z - 0.5 * torch.logdet(Lambda) - 0.5 * eta


def document_pair_log_weights(
    belief: Belief, dynamics: Dynamics, next_pose: Tensor, message: Message, sign: float
) -> Tensor:
    """`rb_smoothing.pair_log_weights` by the formulas of rbpf.md 11.2, axes (B, S, N)."""
    per_particle = Dynamics(
        *(part.unsqueeze(1) if part.ndim > 2 and part.shape[0] == len(next_pose) else part
          for part in dynamics)
    )  # fmt: skip
    root = message.root.unsqueeze(2)
    statistic = backward_prediction(
        root @ root.mT, message.shift.unsqueeze(2), per_particle, next_pose.unsqueeze(2), sign
    )
    bank = belief.state.bank
    meeting = log_meeting(bank.mean.unsqueeze(1), bank.chol.unsqueeze(1), statistic)
    return belief.log_weights.unsqueeze(1) + meeting + message.log_constant.unsqueeze(2)


class Smoothed(NamedTuple):
    """Means (T, n) and covariances (T, n, n)."""

    mean: Tensor
    covariance: Tensor


def rts(model: RandomModel, measurements: Tensor) -> Smoothed:
    """Textbook Kalman filter and RTS smoother over (xi, z) of a linear model."""
    H, R = torch.cat([model.C, model.H], 1), model.chol_R @ model.chol_R.T
    A, Q = model.A, model.G @ model.G.T
    predicted, filtered = [], []
    mean, P = model.mean, model.chol @ model.chol.T
    for t, y in enumerate(measurements):
        if t > 0:
            mean, P = A @ mean, A @ P @ A.T + Q
        predicted.append((mean, P))
        S = H @ P @ H.T + R
        K = P @ H.T @ torch.linalg.inv(S)
        mean, P = mean + K @ (y - H @ mean), P - K @ S @ K.T
        filtered.append((mean, P))
    smoothed = [filtered[-1]]
    for t in range(len(measurements) - 2, -1, -1):
        (mean, P), (next_mean, next_P) = filtered[t], predicted[t + 1]
        J = P @ A.T @ torch.linalg.inv(next_P)
        later_mean, later_P = smoothed[-1]
        smoothed.append((mean + J @ (later_mean - next_mean), P + J @ (later_P - next_P) @ J.T))
    means, covariances = zip(*smoothed[::-1], strict=True)
    return Smoothed(torch.stack(means), torch.stack(covariances))


def batch_conditional(
    model: RandomModel, path: Tensor, measurements: list[Tensor | None]
) -> Smoothed:
    """z_0..z_T-1 given the path (T, D) and the measurements, from one Gaussian over z_0 and all
    noises: xi' is an exact observation of them, y a noisy one."""
    D, L, M = model.sizes
    T, W = len(path), D + L
    size = L + (T - 1) * W
    lift = torch.zeros(T, L, size, dtype=F64)
    offset = torch.zeros(T, L, dtype=F64)
    lift[0, :, :L] = model.chol[D:, D:]
    offset[0] = model.mean[D:]
    rows, values, variances = [], [], []
    for t, y in enumerate(measurements):
        if y is not None:
            h, H = model.output(path[t : t + 1])
            H = H.reshape(M, L)
            rows.append(H @ lift[t])
            values.append(y - h[0] - H @ offset[t])
            variances.append(model.chol_R.diagonal() ** 2)
        if t == T - 1:
            break
        f_n, F_n, f_l, F_l, G_n, G_l = model.dynamics(path[t : t + 1], None, 1.0)
        F_n, F_l = F_n.reshape(D, L), F_l.reshape(L, L)
        noise = slice(L + t * W, L + (t + 1) * W)
        seen = F_n @ lift[t]
        seen[:, noise] += G_n
        rows.append(seen)
        values.append(path[t + 1] - f_n[0] - F_n @ offset[t])
        variances.append(torch.zeros(D, dtype=F64))
        lift[t + 1] = F_l @ lift[t]
        lift[t + 1][:, noise] += G_l
        offset[t + 1] = f_l[0] + F_l @ offset[t]
    C = torch.cat(rows)
    S = C @ C.T + torch.diag(torch.cat(variances))
    gain = torch.linalg.solve(S, C).T
    u = gain @ torch.cat(values)
    P = torch.eye(size, dtype=F64) - gain @ C
    return Smoothed(offset + lift @ u, lift @ P @ lift.mT)
