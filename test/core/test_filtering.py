"""The step and the loop: against the Kalman filter, and their contracts."""

from __future__ import annotations

import pytest
import torch

from mdps_ros.core import filtering
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.protocols import Resampler
from mdps_ros.core.resampling import EssTriggered, IndexResampler, MixtureResampler
from mdps_ros.core.types import Belief, StepInfo, StepInputs

from .oracles import F64, ScalarModel, scalar_kalman, scalar_system, simulate

STEPS = 10


def line_kernel(bandwidth: float) -> ProductKernel:
    return ProductKernel(torch.tensor([bandwidth], dtype=F64), (False,))


def mean_and_variance(belief: Belief, info: StepInfo) -> tuple[torch.Tensor, ...]:
    weights = belief.log_weights.exp()
    mean = (weights * belief.state[..., 0]).sum(-1)
    variance = (weights * (belief.state[..., 0] - mean[:, None]) ** 2).sum(-1)
    return mean, variance, info.log_evidence


def repeated_run(
    resampler: Resampler, particles: int, repetitions: int, seed: int
) -> tuple[torch.Tensor, ...]:
    """Mean, variance, log-evidence (repetitions, T) of filters on the same measurements."""
    system = scalar_system()
    measurements, controls = simulate(system, 1, STEPS, seed=5)
    wide_y, wide_u = (x.expand(repetitions, -1) for x in (measurements, controls))
    generator = torch.Generator().manual_seed(seed)
    model = ScalarModel(system)
    belief = filtering.init(model, None, repetitions, particles, generator)
    sequence = [StepInputs(wide_u[:, t], 1.0, wide_y[:, t]) for t in range(STEPS)]
    _, kept = filtering.run(belief, sequence, model, resampler, generator, mean_and_variance)
    return kept


def check_against_kalman(resampler: Resampler, bandwidth: float) -> None:
    """Means within 5 standard errors over 60 repetitions of N = 1000, plus the 1/N bias."""
    system = scalar_system()
    exact = scalar_kalman(system, *simulate(system, 1, STEPS, seed=5), bandwidth=bandwidth)
    mean, variance, log_evidence = repeated_run(resampler, 1000, 60, seed=11)
    for estimate, truth in (
        (mean, exact.mean),
        (variance, exact.variance),
        (log_evidence, exact.log_evidence),
    ):
        error = (estimate.mean(0) - truth[0]).abs()
        standard_error = estimate.std(0) / 60**0.5
        assert (error < 5 * standard_error + 2e-3).all(), (error, standard_error)


@pytest.mark.parametrize(
    ("resampler", "bandwidth"),
    [
        (IndexResampler(), 0.0),
        (EssTriggered(IndexResampler(), 0.5), 0.0),
        (MixtureResampler(line_kernel(0.6)), 0.6),
        (MixtureResampler(line_kernel(0.01)), 0.0),
    ],
    ids=["hard", "ess", "mixture wide", "mixture narrow"],
)
def test_filter_equals_kalman_with_inflated_noise(resampler: Resampler, bandwidth: float) -> None:
    """Specification 12."""
    check_against_kalman(resampler, bandwidth)


def test_wide_mixture_does_not_match_the_uninflated_kalman() -> None:
    """Specification 12."""
    with pytest.raises(AssertionError):
        check_against_kalman(MixtureResampler(line_kernel(0.6)), 0.0)


def test_error_of_the_mean_falls_with_the_root_of_n() -> None:
    """Specification 12: RMS over time and 60 runs, N = 100 against N = 2500, must be near 5."""
    exact = scalar_kalman(scalar_system(), *simulate(scalar_system(), 1, STEPS, 5), bandwidth=0.6)
    errors = []
    for particles in (100, 2500):
        mean, _, _ = repeated_run(MixtureResampler(line_kernel(0.6)), particles, 60, seed=12)
        errors.append((mean - exact.mean).square().mean().sqrt().item())
    assert 3.5 < errors[0] / errors[1] < 7.0, errors


def run_inputs(
    steps: int, rows: int
) -> tuple[ScalarModel, list[StepInputs], torch.Tensor, torch.Tensor]:
    system = scalar_system()
    measurements, controls = simulate(system, rows, steps, seed=6)
    sequence = [StepInputs(controls[:, t], 1.0, measurements[:, t]) for t in range(steps)]
    return ScalarModel(system), sequence, measurements, controls


def test_run_stacks_over_time_and_returns_the_last_belief() -> None:
    model, sequence, _, _ = run_inputs(4, rows=2)
    generator = torch.Generator().manual_seed(13)
    belief = filtering.init(model, None, 2, 5, generator)
    last, (beliefs, infos) = filtering.run(belief, sequence, model, IndexResampler(), generator)
    assert beliefs.state.shape == (2, 4, 5, 1)
    assert infos.log_evidence.shape == (2, 4)
    assert infos.ancestors.shape == (2, 4, 5)
    assert torch.equal(beliefs.state[:, -1], last.state)
    torch.testing.assert_close(beliefs.log_weights.exp().sum(-1), torch.ones(2, 4, dtype=F64))


def test_run_is_the_repeated_step() -> None:
    model, sequence, _, _ = run_inputs(3, rows=2)
    generator = torch.Generator().manual_seed(14)
    belief = filtering.init(model, None, 2, 5, generator)
    state = generator.get_state()
    last, _ = filtering.run(belief, sequence, model, IndexResampler(), generator)
    generator.set_state(state)
    for inputs in sequence:
        belief, _ = filtering.step(belief, inputs, model, IndexResampler(), generator)
    assert torch.equal(belief.state, last.state)
    assert torch.equal(belief.log_weights, last.log_weights)


def test_run_refuses_an_empty_sequence() -> None:
    model, _, _, _ = run_inputs(1, rows=1)
    generator = torch.Generator().manual_seed(15)
    belief = filtering.init(model, None, 1, 5, generator)
    with pytest.raises(ValueError, match="empty"):
        filtering.run(belief, [], model, IndexResampler(), generator)


def test_without_a_measurement_the_weights_stay_and_the_evidence_is_one() -> None:
    model, sequence, _, _ = run_inputs(1, rows=2)
    generator = torch.Generator().manual_seed(16)
    log_weights = torch.log_softmax(torch.arange(10.0, dtype=F64).reshape(2, 5), -1)
    belief = filtering.init(model, None, 2, 5, generator)._replace(log_weights=log_weights)
    moved, info = filtering.step(
        belief,
        sequence[0]._replace(measurement=None),
        model,
        EssTriggered(IndexResampler(), 0.0),
        generator,
    )
    torch.testing.assert_close(moved.log_weights, log_weights)
    torch.testing.assert_close(info.log_evidence, torch.zeros(2, dtype=F64))
    assert not info.resampled.any()
    assert not torch.equal(moved.state, belief.state)


def test_predict_and_update_are_the_step_without_resampling() -> None:
    model, sequence, _, _ = run_inputs(1, rows=2)
    generator = torch.Generator().manual_seed(17)
    belief = filtering.init(model, None, 2, 5, generator)
    state = generator.get_state()
    whole, info = filtering.step(
        belief, sequence[0], model, EssTriggered(IndexResampler(), 0.0), generator
    )
    generator.set_state(state)
    moved = filtering.predict(belief, sequence[0].control, 1.0, model, generator)
    weighed, log_evidence = filtering.update(moved, sequence[0].measurement, model)
    assert torch.equal(weighed.state, whole.state)
    assert torch.equal(weighed.log_weights, whole.log_weights)
    assert torch.equal(log_evidence, info.log_evidence)


def test_the_particle_number_can_change_in_a_step() -> None:
    model, sequence, _, _ = run_inputs(1, rows=2)
    generator = torch.Generator().manual_seed(18)
    belief = filtering.init(model, None, 2, 50, generator)
    smaller, info = filtering.step(
        belief, sequence[0], model, MixtureResampler(line_kernel(0.1)), generator, count=7
    )
    assert smaller.particle_count == 7
    assert smaller.state.shape == (2, 7, 1)
    assert info.ancestors.shape == (2, 7)


def test_rows_of_a_batch_equal_single_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Same random numbers, other data: row b is the run of data b alone (specification: 15)."""
    model, _, measurements, controls = run_inputs(6, rows=3)
    originals = {"rand": torch.rand, "randn": torch.randn}

    def repeated(name: str):
        def draw(*shape, **options):
            size = tuple(shape[0]) if len(shape) == 1 else tuple(shape)
            return originals[name](1, *size[1:], **options).expand(size).clone()

        return draw

    for name in originals:
        monkeypatch.setattr(torch, name, repeated(name))

    def posterior(rows: list[int]) -> Belief:
        generator = torch.Generator().manual_seed(19)
        belief = filtering.init(model, None, len(rows), 40, generator)
        sequence = [StepInputs(controls[rows, t], 1.0, measurements[rows, t]) for t in range(6)]
        # without the ESS trigger, whose draws depend on whether any row needs them
        resampler = MixtureResampler(line_kernel(0.2))
        last, _ = filtering.run(belief, sequence, model, resampler, generator)
        return last

    together = posterior([0, 1, 2])
    alike = posterior([1, 1])
    assert torch.equal(alike.state[0], alike.state[1])
    for row in range(3):
        alone = posterior([row])
        torch.testing.assert_close(together.state[row], alone.state[0], atol=1e-12, rtol=0)
        torch.testing.assert_close(
            together.log_weights[row], alone.log_weights[0], atol=1e-10, rtol=0
        )
    assert not torch.allclose(together.log_weights[0], together.log_weights[1])
