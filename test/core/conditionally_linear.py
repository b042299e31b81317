"""Random conditionally linear models for tests, and the particle filter of Schon et al. (2005).

x' = (xi', z') = f(xi) + F(xi) z + G w, w ~ N(0, I), y = h(xi) + H(xi) z + N(0, R). Contractive: in
a chaotic system differences of 1e-16 grow until an ancestor flips and two equal filters part.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from mdps_ros.core.kalman_bank import Dynamics, GaussianBank, RaoBlackwellState
from mdps_ros.core.protocols import IndexScheme
from mdps_ros.core.rbpf import Linearised, LinearObservation, Observation

F64 = torch.float64


class Sizes(NamedTuple):
    """Components of xi, z and y."""

    nonlinear: int
    linear: int
    outputs: int


class RandomModel:
    """One random system; with `bent` false it is linear-Gaussian in (xi, z) together.

    `coupled` false takes z out of the measurement (H = 0). The matrices of a bent model differ
    from particle to particle.
    """

    def __init__(
        self,
        sizes: Sizes,
        seed: int,
        *,
        correlated: bool = True,
        bent: bool = True,
        coupled: bool = True,
        radius: float = 0.6,
        noise: float = 0.55,
    ) -> None:
        generator = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=F64)

        self.sizes, self.bent = sizes, bent
        D, L, M = sizes
        A = normal(D + L, D + L)
        self.A = radius * A / torch.linalg.eigvals(A).abs().max()
        G = 0.3 * normal(D + L, D + L) + 0.5 * torch.eye(D + L, dtype=F64)
        self.G = G if correlated else torch.diag(G.diagonal())
        self.C = normal(M, D)
        self.H = normal(M, L) * float(coupled)
        self.chol_R = noise * torch.eye(M, dtype=F64)
        self.mean = 0.5 * normal(D + L)
        self.chol = torch.diag(0.7 + 0.5 * torch.rand(D + L, generator=generator, dtype=F64))

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> RaoBlackwellState:
        D = self.sizes.nonlinear
        noise = torch.randn(batch, count, D, generator=generator, dtype=F64)
        mean = self.mean[D:].expand(batch, count, -1)
        # one factor per particle only where the matrices differ between particles
        factors = count if self.bent else 1
        chol = self.chol[D:, D:].expand(batch, factors, -1, -1)
        return RaoBlackwellState(
            self.mean[:D] + noise @ self.chol[:D, :D].T, GaussianBank(mean, chol)
        )

    def dynamics(self, pose: Tensor, control: Any, dt_s: float) -> Dynamics:
        D = self.sizes.nonlinear
        offset_n, offset_l = pose @ self.A[:D, :D].T, pose @ self.A[D:, :D].T
        F_n, F_l = self.A[:D, D:], self.A[D:, D:]
        if self.bent:
            offset_n = torch.atan(0.9 * pose)
            offset_l = offset_l + pose.sin().sum(-1, keepdim=True)
            bend = pose[..., :1, None].cos()
            F_n, F_l = F_n * (1 + 0.5 * bend), F_l * (0.8 + 0.2 * bend)
        return Dynamics(offset_n, F_n, offset_l, F_l, self.G[:D], self.G[D:])

    def output(self, pose: Tensor) -> tuple[Tensor, Tensor]:
        """h and H at the poses."""
        h, H = pose @ self.C.T, self.H
        if self.bent:
            h = 0.5 * h * h.abs()
            H = H * (1 + 0.3 * pose[..., -1:, None].sin())
        return h, H

    def observe(self, pose: Tensor, measurement: Tensor) -> Observation:
        h, H = self.output(pose)
        return Observation(None, LinearObservation(H, h, self.chol_R, measurement))

    def linearise(self, pose: Tensor, measurement: Tensor) -> Linearised:
        h, H = self.output(pose)
        slope = self.C
        if self.bent:
            slope = (pose @ self.C.T).abs().unsqueeze(-1) * self.C
        return Linearised(measurement.unsqueeze(1) - h, slope, H, self.chol_R)

    def simulate(self, steps: int, seed: int) -> tuple[Tensor, Tensor]:
        """States (T, D + L) and measurements (T, M)."""
        generator = torch.Generator().manual_seed(seed)
        D, L, M = self.sizes
        x = self.mean + self.chol @ torch.randn(D + L, generator=generator, dtype=F64)
        states, measurements = [], []
        for _ in range(steps):
            h, H = self.output(x[None, :D])
            noise = torch.randn(M, generator=generator, dtype=F64)
            states.append(x)
            measurements.append(h[0] + H.reshape(M, L) @ x[D:] + self.chol_R @ noise)
            d = self.dynamics(x[None, :D], None, 1.0)
            w = torch.randn(D + L, generator=generator, dtype=F64)
            x = torch.cat(
                [
                    d.offset_n[0] + d.F_n.reshape(D, L) @ x[D:] + d.noise_n @ w,
                    d.offset_l[0] + d.F_l.reshape(L, L) @ x[D:] + d.noise_l @ w,
                ]
            )
        return torch.stack(states), torch.stack(measurements)


class Snapshot(NamedTuple):
    """Particles after the measurement update: (N, D), (N, L), (N, L, L), (N,), and log p(y)."""

    pose: Tensor
    mean: Tensor
    covariance: Tensor
    weights: Tensor
    log_evidence: Tensor


class MarginalisedFilter:
    """Algorithm 1: Schon, Gustafsson and Nordlund, IEEE TSP 53(7), 2005, Eqs. 22-25, with the
    terms D of correlated noise; covariance form. Draws in the order of `filtering.step`.

    `keep_gain` false forgets L_t (z - F x): what the drawn xi tells about z.
    """

    def __init__(self, model: RandomModel, *, keep_gain: bool = True) -> None:
        self.model, self.keep_gain = model, keep_gain

    def run(
        self, measurements: Tensor, count: int, scheme: IndexScheme, seed: int
    ) -> list[Snapshot]:
        generator = torch.Generator().manual_seed(seed)
        state = self.model.sample_initial(1, count, None, generator)
        xi, z = state.pose[0], state.bank.mean[0]
        P = (state.bank.chol @ state.bank.chol.mT)[0].expand(count, -1, -1)
        log_weights = torch.full((count,), 1.0 / count, dtype=F64).log()
        kept = []
        for t, y in enumerate(measurements):
            if t > 0:
                index = scheme(log_weights[None], count, generator)[0]  # (3)
                log_weights = torch.full_like(log_weights, 1.0 / count).log()
                xi, z, P = self._move(xi[index], z[index], P[index], generator)
            h, H = self.model.output(xi)
            M = H @ P @ H.mT + self.model.chol_R @ self.model.chol_R.T
            error = y - h - (H @ z[..., None])[..., 0]
            zero = torch.zeros(len(M), y.shape[0], dtype=F64)
            joint = log_weights + torch.distributions.MultivariateNormal(zero, M).log_prob(error)
            log_evidence = torch.logsumexp(joint, 0)
            log_weights = joint - log_evidence  # (2)
            K = P @ H.mT @ torch.linalg.inv(M)  # (4a)
            z, P = z + (K @ error[..., None])[..., 0], P - K @ M @ K.mT
            kept.append(Snapshot(xi, z, P, log_weights.exp(), log_evidence))
        return kept

    def _move(
        self, xi: Tensor, z: Tensor, P: Tensor, generator: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        fn, Fn, fl, Fl, Gn, Gl = self.model.dynamics(xi, None, 1.0)
        S_nn, S_ln, S_ll = Gn @ Gn.T, Gl @ Gn.T, Gl @ Gl.T
        D = S_ln @ torch.linalg.inv(S_nn)
        F_bar, Q_bar = Fl - D @ Fn, S_ll - D @ S_ln.T
        N_t = Fn @ P @ Fn.mT + S_nn
        noise = torch.randn(1, *xi.shape, generator=generator, dtype=F64)[0]
        expected = (Fn @ z[..., None])[..., 0]
        new = fn + expected + (torch.linalg.cholesky(N_t) @ noise[..., None])[..., 0]  # (4b)
        L = F_bar @ P @ Fn.mT @ torch.linalg.inv(N_t)  # (4c)
        step = new - fn
        moved = (F_bar @ z[..., None])[..., 0] + step @ D.T + fl
        if self.keep_gain:
            moved = moved + (L @ (step - expected)[..., None])[..., 0]
        return new, moved, F_bar @ P @ F_bar.mT + Q_bar - L @ N_t @ L.mT
