"""Gradients through several resamplings (specification: 10), against the Kalman filter."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mdps_ros.core import filtering
from mdps_ros.core.gradients import ImportanceWeighted, Truncated
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.protocols import Resampler
from mdps_ros.core.resampling import IndexResampler, MixtureResampler
from mdps_ros.core.types import StepInputs

from .oracles import F64, ScalarModel, ScalarSystem, scalar_kalman, scalar_system, simulate


class KickedModel(ScalarModel):
    """The scalar system with `control` a pair: known input, and a kick that may need a gradient."""

    def propagate(
        self, state: Tensor, control: tuple[Tensor, Tensor], dt_s: float, generator: torch.Generator
    ) -> Tensor:
        known, kick = control
        return super().propagate(state, known + kick, dt_s, generator)


def three_steps(
    resampler: Resampler, kick: Tensor, particles: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Log-evidence of, and mean after, three steps; the kick (rows,) acts in the first only."""
    system = scalar_system()
    measurements, controls = simulate(system, 1, 3, seed=31)
    rows = len(kick)
    generator = torch.Generator().manual_seed(seed)
    model = KickedModel(system)
    belief = filtering.init(model, None, rows, particles, generator)
    log_evidence = torch.zeros(rows, dtype=F64)
    for t in range(3):
        push = kick if t == 0 else torch.zeros_like(kick)
        control = (controls[:, t].expand(rows), push)
        inputs = StepInputs(control, 1.0, measurements[:, t].expand(rows))
        belief, info = filtering.step(belief, inputs, model, resampler, generator)
        log_evidence = log_evidence + info.log_evidence
    return log_evidence, (belief.log_weights.exp() * belief.state[..., 0]).sum(-1)


def wide_mixture() -> MixtureResampler:
    return MixtureResampler(ProductKernel(torch.tensor([0.6], dtype=F64), (False,)))


def test_truncated_filter_has_no_gradient_over_resampling() -> None:
    """Specification 10."""
    kick = torch.full((4,), 0.2, dtype=F64, requires_grad=True)
    _, mean = three_steps(Truncated(wide_mixture()), kick, 30, seed=32)
    assert not mean.requires_grad
    _, mean = three_steps(ImportanceWeighted(wide_mixture()), kick, 30, seed=32)
    (gradient,) = torch.autograd.grad(mean.sum(), kick)
    assert (gradient != 0).all()


def check_chain(resampler: Resampler) -> None:
    """d/dkick E[evidence * mean], which is exact for every N: 100,000 runs of N = 10, 4 s.e."""
    gradients = []
    for seed in range(5):
        kick = torch.full((20_000,), 0.2, dtype=F64, requires_grad=True)
        log_evidence, mean = three_steps(resampler, kick, 10, seed)
        gradients.append(torch.autograd.grad((log_evidence.exp() * mean).sum(), kick)[0])
    gradient = torch.cat(gradients)
    measurements, controls = simulate(scalar_system(), 1, 3, seed=31)
    kick = torch.tensor(0.2, dtype=F64, requires_grad=True)
    pushed = controls + kick * torch.tensor([1.0, 0.0, 0.0], dtype=F64)
    track = scalar_kalman(scalar_system(), measurements, pushed, bandwidth=0.6)
    loss = track.log_evidence.sum().exp() * track.mean[0, -1]
    (exact,) = torch.autograd.grad(loss, kick)
    error = abs(gradient.mean().item() - exact.item())
    assert error < 4 * gradient.std().item() / len(gradient) ** 0.5, (gradient.mean(), exact)


def test_gradient_through_two_resamplings_is_that_of_the_expected_loss() -> None:
    """Specification 10."""
    check_chain(ImportanceWeighted(wide_mixture()))


def test_truncated_gradient_through_two_resamplings_is_not() -> None:
    """Specification 10."""
    with pytest.raises(AssertionError):
        check_chain(Truncated(wide_mixture()))


def check_evidence_gradient(resampler: Resampler, bandwidth: float) -> None:
    """d/da of the log-evidence of ten steps against Kalman's: 200 runs of N = 200, 5 s.e."""
    runs, particles, steps = 200, 200, 10
    measurements, controls = simulate(scalar_system(), 1, steps, seed=33)
    exact_a = torch.tensor(0.9, dtype=F64, requires_grad=True)
    system = ScalarSystem(exact_a, 0.3, 0.5, 0.7, 1.5)
    exact_value = scalar_kalman(system, measurements, controls, bandwidth).log_evidence.sum()
    (exact,) = torch.autograd.grad(exact_value, exact_a)
    a = torch.full((runs, 1, 1), 0.9, dtype=F64, requires_grad=True)
    model = ScalarModel(ScalarSystem(a, 0.3, 0.5, 0.7, 1.5))
    generator = torch.Generator().manual_seed(34)
    belief = filtering.init(model, None, runs, particles, generator)
    sequence = [
        StepInputs(controls[:, t].expand(runs), 1.0, measurements[:, t].expand(runs))
        for t in range(steps)
    ]
    _, log_evidence = filtering.run(
        belief, sequence, model, resampler, generator, lambda belief, info: info.log_evidence
    )
    gradient = torch.autograd.grad(log_evidence.sum(), a)[0].reshape(-1)
    standard_error = gradient.std() / runs**0.5
    error = (gradient.mean() - exact).abs()
    assert error < 5 * standard_error, (gradient.mean(), exact, standard_error)
    assert standard_error < 0.05 * exact.abs(), "too noisy to tell"


def test_log_evidence_gradient_equals_kalmans() -> None:
    check_evidence_gradient(ImportanceWeighted(wide_mixture()), 0.6)


@pytest.mark.parametrize(
    ("resampler", "bandwidth"),
    [(IndexResampler(), 0.0), (Truncated(wide_mixture()), 0.6)],
    ids=["hard", "truncated"],
)
def test_without_importance_weights_the_log_evidence_gradient_is_another(
    resampler: Resampler, bandwidth: float
) -> None:
    with pytest.raises(AssertionError, match="tensor"):  # by its value, not by its noise
        check_evidence_gradient(resampler, bandwidth)
