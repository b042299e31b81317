"""The filter bank: against the Kalman filter, and against the standard marginalised filter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import filtering, kalman, kalman_bank
from mdps_ros.core.kalman_bank import Dynamics, GaussianBank, RaoBlackwellState
from mdps_ros.core.resampling import IndexResampler
from mdps_ros.core.types import Belief, StepInfo, StepInputs

F64 = torch.float64


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


class Linear(NamedTuple):
    """x' = A x + c + G w, y = C x + d + e, for x = (xi, z) with D components in xi."""

    A: Tensor
    c: Tensor
    G: Tensor
    C: Tensor
    d: Tensor
    chol_R: Tensor
    mean: Tensor
    chol: Tensor
    D: int


def linear_system(D: int, L: int, outputs: int, seed: int, correlated: bool = True) -> Linear:
    size = D + L
    A = normal(seed, size, size)
    A = 0.8 * A / torch.linalg.matrix_norm(A, ord=2)
    A[:, :D] *= 0.5
    G = normal(seed + 1, size, size) if correlated else torch.diag(normal(seed + 1, size).abs())
    C = normal(seed + 2, outputs, size)
    chol = torch.block_diag(0.5 * torch.eye(D, dtype=F64), normal(seed + 3, L, L).tril())
    return Linear(
        A,
        normal(seed + 4, size),
        0.5 * G,
        C,
        normal(seed + 5, outputs),
        0.7 * torch.eye(outputs, dtype=F64),
        normal(seed + 6, size),
        chol,
        D,
    )


class BankModel:
    """The linear system with xi in the particles."""

    propagate_bank: Callable[..., RaoBlackwellState] = staticmethod(kalman_bank.propagate)

    def __init__(self, system: Linear) -> None:
        self.system = system

    def dynamics(self, pose: Tensor) -> Dynamics:
        system, D = self.system, self.system.D
        offset = kalman.matvec(system.A[:, :D], pose) + system.c
        return Dynamics(
            offset[..., :D],
            system.A[:D, D:],
            offset[..., D:],
            system.A[D:, D:],
            system.G[:D],
            system.G[D:],
        )

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> RaoBlackwellState:
        system, D = self.system, self.system.D
        noise = torch.randn(batch, count, D, generator=generator, dtype=F64)
        pose = system.mean[:D] + kalman.matvec(system.chol[:D, :D], noise)
        mean = system.mean[D:].expand(batch, count, -1)
        chol = system.chol[D:, D:].expand(batch, 1, -1, -1)
        return RaoBlackwellState(pose, GaussianBank(mean, chol))

    def propagate(
        self, state: RaoBlackwellState, control: Any, dt_s: float, generator: torch.Generator
    ) -> RaoBlackwellState:
        return self.propagate_bank(state.bank, self.dynamics(state.pose), generator)

    def update(
        self, state: RaoBlackwellState, measurement: Tensor
    ) -> tuple[RaoBlackwellState, Tensor]:
        system, D = self.system, self.system.D
        offset = kalman.matvec(system.C[:, :D], state.pose) + system.d
        bank, log_likelihood = kalman_bank.update(
            state.bank, system.C[:, D:], offset, system.chol_R, measurement
        )
        return RaoBlackwellState(state.pose, bank), log_likelihood


class SeparateFactors(BankModel):
    """Keeps one factor per particle."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> RaoBlackwellState:
        pose, (mean, chol) = super().sample_initial(batch, count, prior, generator)
        return RaoBlackwellState(pose, GaussianBank(mean, chol.expand(-1, count, -1, -1)))


def blind_propagate(
    bank: GaussianBank, dynamics: Dynamics, generator: torch.Generator
) -> RaoBlackwellState:
    """Draws xi, but forgets what the draw tells about z."""
    right = kalman_bank.propagate(bank, dynamics, generator)
    mean = dynamics.offset_l + kalman.matvec(dynamics.F_l, bank.mean)
    return RaoBlackwellState(right.pose, right.bank._replace(mean=mean))


class BlindModel(BankModel):
    propagate_bank = staticmethod(blind_propagate)


class Reference(NamedTuple):
    mean: Tensor
    covariance: Tensor
    log_evidence: Tensor


def kalman_reference(system: Linear, measurements: Tensor) -> list[Reference]:
    """Textbook filter over the whole state (B, T, M)."""
    rows = measurements.shape[0]
    mean, covariance = system.mean.expand(rows, -1), system.chol @ system.chol.T
    result = []
    for y in measurements.unbind(1):
        mean = mean @ system.A.T + system.c
        covariance = system.A @ covariance @ system.A.T + system.G @ system.G.T
        total = system.C @ covariance @ system.C.T + system.chol_R @ system.chol_R.T
        error = y - mean @ system.C.T - system.d
        zero = torch.zeros(len(total), dtype=F64)
        density = torch.distributions.MultivariateNormal(zero, total).log_prob(error)
        gain = covariance @ system.C.T @ torch.linalg.inv(total)
        mean = mean + error @ gain.T
        covariance = covariance - gain @ system.C @ covariance
        result.append(Reference(mean, covariance, density))
    return result


def run_bank(
    model: BankModel, measurements: Tensor, count: int, seed: int
) -> tuple[list[Belief], list[StepInfo]]:
    generator = torch.Generator().manual_seed(seed)
    belief = filtering.init(model, None, measurements.shape[0], count, generator)
    beliefs, infos = [], []
    for y in measurements.unbind(1):
        inputs = StepInputs(None, 1.0, y)
        belief, info = filtering.step(belief, inputs, model, IndexResampler(), generator)
        beliefs.append(belief)
        infos.append(info)
    return beliefs, infos


@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("model_type", [BankModel, SeparateFactors])
def test_rbpf_with_linear_state_equals_kalman(model_type: type[BankModel], count: int) -> None:
    system = linear_system(0, 3, 2, seed=60)
    measurements = normal(61, 2, 8, 2)
    beliefs, infos = run_bank(model_type(system), measurements, count, seed=62)
    for belief, info, exact in zip(
        beliefs, infos, kalman_reference(system, measurements), strict=True
    ):
        mean, covariance = kalman_bank.linear_moments(belief.state.bank, belief.log_weights)
        torch.testing.assert_close(mean, exact.mean)
        torch.testing.assert_close(covariance, exact.covariance.expand_as(covariance))
        torch.testing.assert_close(info.log_evidence, exact.log_evidence)


def standard_step(
    system: Linear, pose: Tensor, mean: Tensor, covariance: Tensor, y: Tensor, new_pose: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights, then update and prediction of z given the next pose: Algorithm 1 of the paper with
    the correlated-noise terms, in covariance form. (N, .) -> log-likelihood, mean, covariance."""
    D = system.D
    A, C = system.A, system.C
    total = C[:, D:] @ covariance @ C[:, D:].T + system.chol_R @ system.chol_R.T
    error = y - pose @ C[:, :D].T - mean @ C[:, D:].T - system.d
    zero = torch.zeros(len(total), dtype=F64)
    log_likelihood = torch.distributions.MultivariateNormal(zero, total).log_prob(error)
    gain = covariance @ C[:, D:].T @ torch.linalg.inv(total)
    mean = mean + error @ gain.T
    covariance = covariance - gain @ total @ gain.T
    Q = system.G @ system.G.T
    S_nn, S_ln, S_ll = Q[:D, :D], Q[D:, :D], Q[D:, D:]
    spread = S_ln @ torch.linalg.inv(S_nn)
    F_bar = A[D:, D:] - spread @ A[:D, D:]
    Q_bar = S_ll - spread @ S_ln.T
    offset = pose @ A[:, :D].T + system.c
    step = new_pose - offset[:, :D]
    N_t = A[:D, D:] @ covariance @ A[:D, D:].T + S_nn
    L_t = F_bar @ covariance @ A[:D, D:].T @ torch.linalg.inv(N_t)
    surprise = step - mean @ A[:D, D:].T
    mean = mean @ F_bar.T + step @ spread.T + offset[:, D:] + surprise @ L_t.T
    covariance = F_bar @ covariance @ F_bar.T + Q_bar - L_t @ N_t @ L_t.T
    return log_likelihood, mean, covariance


@pytest.mark.parametrize("correlated", [True, False])
def test_bank_equals_the_standard_marginalised_filter(correlated: bool) -> None:
    """Same paths, 40 steps, |difference| < 1e-8."""
    system = linear_system(2, 3, 2, seed=63, correlated=correlated)
    model = BankModel(system)
    generator = torch.Generator().manual_seed(64)
    pose, bank = model.sample_initial(1, 20, None, generator)
    mean, covariance = bank.mean[0], (bank.chol @ bank.chol.mT)[0, 0]
    for y in normal(65, 40, 1, 2):
        weighed, log_likelihood = model.update(RaoBlackwellState(pose, bank), y)
        moved = model.propagate(weighed, None, 1.0, generator)
        exact_likelihood, mean, covariance = standard_step(
            system, pose[0], mean, covariance, y, moved.pose[0]
        )
        pose, bank = moved
        assert (log_likelihood[0] - exact_likelihood).abs().max() < 1e-8
        assert (bank.mean[0] - mean).abs().max() < 1e-8
        assert ((bank.chol @ bank.chol.mT)[0, 0] - covariance).abs().max() < 1e-8


def test_conditioning_on_the_drawn_pose_is_the_draw() -> None:
    system = linear_system(2, 3, 2, seed=66)
    model = SeparateFactors(system)
    state = model.sample_initial(2, 5, None, torch.Generator().manual_seed(67))
    dynamics = model.dynamics(state.pose)
    drawn = kalman_bank.propagate(state.bank, dynamics, torch.Generator().manual_seed(68))
    again, log_density = kalman_bank.condition(state.bank, dynamics, drawn.pose)
    torch.testing.assert_close(again, drawn)
    Q = system.G @ system.G.T
    spread = system.A[:2, 2:] @ system.chol[2:, 2:]
    mean = dynamics.offset_n + kalman.matvec(dynamics.F_n, state.bank.mean)
    exact = torch.distributions.MultivariateNormal(mean, spread @ spread.T + Q[:2, :2])
    torch.testing.assert_close(log_density, exact.log_prob(drawn.pose))


def check_convergence(model_type: type[BankModel]) -> None:
    """N = 50, 400 runs: evidence unbiased, means within 5 s.e. (+ 1/N bias)."""
    system = linear_system(1, 3, 2, seed=69)
    measurements = normal(70, 1, 6, 2).expand(400, -1, -1)
    beliefs, infos = run_bank(model_type(system), measurements, 50, seed=71)
    exact = kalman_reference(system, measurements[:1])
    total = torch.stack([info.log_evidence for info in infos]).sum(0)
    ratio = (total - sum(step.log_evidence for step in exact)).exp()
    assert abs(ratio.mean() - 1) < 5 * ratio.std() / 20, ratio.mean()
    belief, last = beliefs[-1], exact[-1]
    mean, covariance = kalman_bank.linear_moments(belief.state.bank, belief.log_weights)
    deviation = last.covariance.diagonal().sqrt()
    for estimate, truth, scale in (
        (mean, last.mean[0, 1:], deviation[1:]),
        (
            (belief.log_weights.exp().unsqueeze(-1) * belief.state.pose).sum(1),
            last.mean[0, :1],
            deviation[:1],
        ),
    ):
        error = (estimate.mean(0) - truth).abs()
        assert (error < 5 * estimate.std(0) / 20 + 0.01 * scale).all(), error / scale
    spread = covariance.diagonal(dim1=-2, dim2=-1).mean(0) / last.covariance.diagonal()[1:]
    assert ((spread - 1).abs() < 0.05).all(), spread


def test_bank_converges_to_kalman() -> None:
    check_convergence(BankModel)


def test_bank_that_does_not_condition_on_the_draw_fails() -> None:
    with pytest.raises(AssertionError):
        check_convergence(BlindModel)


def test_shared_factor_equals_one_factor_per_particle() -> None:
    system = linear_system(2, 3, 2, seed=72)
    measurements = normal(73, 2, 5, 2)
    shared, _ = run_bank(BankModel(system), measurements, 6, seed=74)
    separate, _ = run_bank(SeparateFactors(system), measurements, 6, seed=74)
    assert shared[-1].state.bank.chol.shape == (2, 1, 3, 3)
    assert separate[-1].state.bank.chol.shape == (2, 6, 3, 3)
    torch.testing.assert_close(shared[-1].state.pose, separate[-1].state.pose)
    torch.testing.assert_close(shared[-1].log_weights, separate[-1].log_weights)
    torch.testing.assert_close(
        shared[-1].state.bank.chol.expand(-1, 6, -1, -1), separate[-1].state.bank.chol
    )


def test_linear_moments_are_those_of_the_mixture() -> None:
    bank = GaussianBank(
        torch.tensor([[[0.0], [2.0]]], dtype=F64),
        torch.tensor([[[[1.0]], [[2.0]]]], dtype=F64),
    )
    mean, covariance = kalman_bank.linear_moments(bank, torch.tensor([[0.25, 0.75]]).double().log())
    assert mean.item() == pytest.approx(1.5)
    assert covariance.item() == pytest.approx(0.25 * 1 + 0.75 * 4 + 0.75)
    assert math.isclose(bank.gather_particles(torch.tensor([[1]])).chol.item(), 2.0)
