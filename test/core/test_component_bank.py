"""The component-by-component bank against the array form, and where it ends."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mdps_ros.core import component_bank, kalman
from mdps_ros.core.component_bank import ComponentBank

F64 = torch.float64


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


class Problem:
    """A random system of n states and m outputs with `count` filters."""

    def __init__(self, n: int, m: int, count: int, prior: float = 1.0) -> None:
        self.F = 0.4 * normal(0, n, n)
        self.c = normal(1, n)
        self.chol_Q = 0.1 * normal(2, n, n).tril() + 0.2 * torch.eye(n, dtype=F64)
        self.H = normal(3, m, n)
        self.d = normal(4, m)
        self.chol_R = 0.3 * normal(5, m, m).tril() + 0.5 * torch.eye(m, dtype=F64)
        self.mean = normal(6, count, n)
        self.chol = prior * (0.3 * normal(7, count, n, n).tril() + torch.eye(n, dtype=F64))
        self.y = normal(8, count, m)

    def by_factors(self) -> tuple[Tensor, Tensor, Tensor]:
        mean, chol = kalman.predict(self.mean, self.chol, self.F, self.c, self.chol_Q)
        mean, chol, density = kalman.update(mean, chol, self.H, self.d, self.chol_R, self.y)
        return mean, chol @ chol.mT, density

    def by_components(self, dtype: torch.dtype = F64) -> tuple[Tensor, Tensor, Tensor]:
        F, c, H, d, y = (x.to(dtype) for x in (self.F, self.c, self.H, self.d, self.y))
        Q, R = (x @ x.mT for x in (self.chol_Q, self.chol_R))
        moves = component_bank.transition(F, c, Q.to(dtype))
        sees = component_bank.observation(H, d, R.to(dtype))
        covariance = (self.chol @ self.chol.mT).to(dtype)
        bank = component_bank.from_moments(self.mean.to(dtype), covariance)
        bank, density = component_bank.step(bank, moves, sees, y.T)
        return *component_bank.to_moments(bank), density


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 2), (6, 3), (4, 4)])
def test_it_is_the_array_form(n: int, m: int) -> None:
    problem = Problem(n, m, 40)
    for found, wanted in zip(problem.by_components(), problem.by_factors(), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-11, rtol=0)


def test_blocks_do_not_change_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(3, 2, 23)
    whole = problem.by_components()
    monkeypatch.setattr(component_bank, "_BLOCK", 5)
    for found, wanted in zip(problem.by_components(), whole, strict=True):
        torch.testing.assert_close(found, wanted)


def test_a_bank_without_filters_stays_one() -> None:
    mean, covariance, density = Problem(3, 2, 0).by_components()
    assert mean.shape == (0, 3)
    assert covariance.shape == (0, 3, 3)
    assert density.shape == (0,)


def test_update_leaves_its_argument_alone() -> None:
    problem = Problem(3, 2, 7)
    bank = component_bank.from_moments(problem.mean, problem.chol @ problem.chol.mT)
    before = bank.covariance.clone()
    sees = component_bank.observation(problem.H, problem.d, problem.chol_R @ problem.chol_R.mT)
    component_bank.update(bank, sees, problem.y.T)
    assert torch.equal(bank.covariance, before)


def test_with_gradients_the_update_is_the_same() -> None:
    problem = Problem(4, 3, 7)
    bank = component_bank.from_moments(problem.mean, problem.chol @ problem.chol.mT)
    sees = component_bank.observation(problem.H, problem.d, problem.chol_R @ problem.chol_R.mT)
    plain, density = component_bank.update(bank, sees, problem.y.T)
    asked = ComponentBank(bank.mean.clone().requires_grad_(), bank.covariance)
    found, log_p = component_bank.update(asked, sees, problem.y.T)
    assert found.mean.requires_grad
    for one, other in zip((*found, log_p), (*plain, density), strict=True):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_what_comes_out_may_take_part_in_gradients() -> None:
    mean, covariance, density = Problem(3, 2, 5).by_components()
    weight = torch.ones(3, dtype=F64, requires_grad=True)
    ((mean * weight).sum() + covariance.sum() * density.sum() * weight[0]).backward()
    assert weight.grad is not None
    torch.testing.assert_close(weight.grad[1:], mean.sum(0)[1:])


def test_densities_of_very_exact_outputs_stay_finite() -> None:
    """In float32, with standard deviations of 1e-11 in four outputs."""
    problem, tiny = Problem(2, 4, 9), 1e-11
    wanted = problem.by_factors()[2] - 4 * math.log(tiny)
    for part in (problem.H, problem.d, problem.chol_R, problem.y):
        part *= tiny
    found = problem.by_components(torch.float32)[2]
    torch.testing.assert_close(found.double(), wanted, atol=1e-2, rtol=1e-4)


def test_packing_goes_both_ways() -> None:
    matrices = normal(0, 5, 4, 4)
    symmetric = matrices + matrices.mT
    torch.testing.assert_close(component_bank.unpack(component_bank.pack(symmetric)), symmetric)


def test_single_precision_is_good_for_mild_priors_only() -> None:
    """The stated error: 1e-5 of the covariance where P0 / R is about 1, lost signs at 1e7."""
    mild = Problem(6, 3, 200)
    error = mild.by_components(torch.float32)[1] - mild.by_factors()[1]
    assert error.abs().max() < 1e-5
    within = Problem(6, 3, 200, prior=1e2)
    wanted = within.by_factors()[1]
    error = (within.by_components(torch.float32)[1] - wanted).abs().amax((1, 2))
    assert (error / wanted.abs().amax((1, 2))).max() < 1e-2
    wild = Problem(6, 3, 200, prior=1e4).by_components(torch.float32)[1]
    assert torch.linalg.eigvalsh(wild.double()).amin() < 0 or not wild.isfinite().all()


def test_gradients_are_right_in_everything() -> None:
    problem = Problem(2, 2, 2)

    def value(F: Tensor, Q: Tensor, H: Tensor, R: Tensor, mean: Tensor, rows: Tensor) -> Tensor:
        moves = component_bank.transition(F, problem.c, Q)
        sees = component_bank.observation(H, problem.d, R)
        found, density = component_bank.step(ComponentBank(mean, rows), moves, sees, problem.y.T)
        return torch.cat((found.mean.flatten(), found.covariance.flatten(), density))

    bank = component_bank.from_moments(problem.mean, problem.chol @ problem.chol.mT)
    noise = (x @ x.mT for x in (problem.chol_Q, problem.chol_R))
    Q, R = noise
    leaves = (problem.F, Q, problem.H, R, *bank)
    assert torch.autograd.gradcheck(value, tuple(x.clone().requires_grad_() for x in leaves))
