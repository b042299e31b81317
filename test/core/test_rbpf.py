"""Algorithm 2 against Algorithm 1 and the Kalman filter (rbpf.md tests a and b)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from mdps_ros.core import covariance_forms, filtering, kalman_bank, rbpf
from mdps_ros.core.covariance_forms import Moments, Update
from mdps_ros.core.kalman_bank import Predicted, RaoBlackwellState
from mdps_ros.core.protocols import StateSpaceModel
from mdps_ros.core.rbpf import GaussianProposal, LinearisedProposal, RaoBlackwellModel
from mdps_ros.core.resampling import IndexResampler, stratified, systematic
from mdps_ros.core.types import Belief, StepInfo, StepInputs

from .conditionally_linear import F64, MarginalisedFilter, RandomModel, Sizes, Snapshot

Step = Callable[[Belief, StepInputs, torch.Generator], tuple[Belief, StepInfo]]


def run(
    model: RandomModel, measurements: Tensor, rows: int, count: int, seed: int, step: Step
) -> list[tuple[Belief, Tensor]]:
    """Belief and log-evidence (B,) after each measurement (T, M)."""
    generator = torch.Generator().manual_seed(seed)
    adapted = RaoBlackwellModel(model)
    belief = filtering.init(adapted, None, rows, count, generator)
    history = []
    for t, y in enumerate(measurements):
        inputs = StepInputs(None, 1.0, y.expand(rows, -1))
        if t == 0:
            belief, log_evidence = filtering.update(belief, inputs.measurement, adapted)
        else:
            belief, info = step(belief, inputs, generator)
            log_evidence = info.log_evidence
        history.append((belief, log_evidence))
    return history


def bootstrap(model: RandomModel, **options: Any) -> Step:
    adapted: StateSpaceModel = RaoBlackwellModel(model)
    resampler = IndexResampler(options.get("scheme", stratified))
    return lambda belief, inputs, generator: filtering.step(
        belief, inputs, adapted, resampler, generator
    )


class StandardBank:
    """Algorithm 2 with full-state Kalman filters in covariance form: N filters of size D + L."""

    def __init__(self, model: RandomModel, update: Update) -> None:
        self.model, self.measure = model, update

    def run(self, measurements: Tensor, count: int, seed: int) -> list[Snapshot]:
        generator = torch.Generator().manual_seed(seed)
        (pose,), bank = self.model.sample_initial(1, count, None, generator)
        z = Moments(bank.mean[0], (bank.chol @ bank.chol.mT)[0].expand(count, -1, -1))
        log_weights = torch.full((1, count), 1.0 / count, dtype=F64).log()
        kept = []
        for t, y in enumerate(measurements):
            if t > 0:
                index = systematic(log_weights, count, generator)[0]
                log_weights = torch.full_like(log_weights, 1.0 / count).log()
                pose, z = self._move(
                    pose[index], Moments(z.mean[index], z.covariance[index]), generator
                )
            h, H = self.model.output(pose)
            R = self.model.chol_R @ self.model.chol_R.T
            z, log_likelihood = self.measure(z, H, h, R, y)
            joint = log_weights + log_likelihood
            log_evidence = torch.logsumexp(joint, -1)
            log_weights = joint - log_evidence
            kept.append(Snapshot(pose, *z, log_weights[0].exp(), log_evidence[0]))
        return kept

    def _move(self, pose: Tensor, z: Moments, generator: torch.Generator) -> tuple[Tensor, Moments]:
        d = self.model.dynamics(pose, None, 1.0)
        D, L = self.model.sizes[:2]
        F = torch.cat([part.expand(len(pose), -1, L) for part in (d.F_n, d.F_l)], 1)
        G = torch.cat([d.noise_n, d.noise_l])
        joint = covariance_forms.predict(z, F, torch.cat([d.offset_n, d.offset_l], -1), G @ G.T)
        noise = torch.randn(1, *pose.shape, generator=generator, dtype=F64)[0]
        spread = torch.linalg.cholesky(joint.covariance[:, :D, :D])
        pose = joint.mean[:, :D] + (spread @ noise[..., None])[..., 0]
        return pose, covariance_forms.condition_leading(joint, pose, self.measure)[0]


def snapshots(history: list[tuple[Belief, Tensor]]) -> list[Snapshot]:
    """The only row of a run."""
    return [
        Snapshot(
            belief.state.pose[0],
            belief.state.bank.mean[0],
            (belief.state.bank.chol @ belief.state.bank.chol.mT)[0],
            belief.log_weights[0].exp(),
            log_evidence[0],
        )
        for belief, log_evidence in history
    ]


def largest_difference(one: list[Snapshot], other: list[Snapshot]) -> float:
    return max(
        float((a - b).abs().max())
        for left, right in zip(one, other, strict=True)
        for a, b in zip(left, right, strict=True)
    )


SYSTEMS = {
    "correlated": RandomModel(Sizes(2, 3, 2), 1),
    "independent": RandomModel(Sizes(2, 3, 2), 2, correlated=False),
    "no z in y": RandomModel(Sizes(2, 3, 2), 3, coupled=False),
    "one output": RandomModel(Sizes(3, 5, 1), 4),
}
COUNT, STEPS = 60, 80


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_algorithms_1_and_2_and_the_array_form_agree_on_shared_noise(name: str) -> None:
    """rbpf.md test a: particles, means, covariances, weights and evidence within 1e-8."""
    model = SYSTEMS[name]
    _, measurements = model.simulate(STEPS, 5)
    array = snapshots(run(model, measurements, 1, COUNT, 6, bootstrap(model, scheme=systematic)))
    marginalised = MarginalisedFilter(model).run(measurements, COUNT, systematic, 6)
    assert largest_difference(marginalised, array) < 1e-8
    for update in (covariance_forms.standard_update, covariance_forms.joseph_update):
        bank = StandardBank(model, update).run(measurements, COUNT, 6)
        assert largest_difference(bank, array) < 1e-8


def test_a_algorithm_1_without_conditioning_on_the_draw_fails() -> None:
    model = SYSTEMS["correlated"]
    _, measurements = model.simulate(5, 5)
    array = snapshots(run(model, measurements, 1, COUNT, 6, bootstrap(model, scheme=systematic)))
    blind = MarginalisedFilter(model, keep_gain=False).run(measurements, COUNT, systematic, 6)
    assert largest_difference(blind, array) > 1e-3


LINEAR = RandomModel(Sizes(1, 3, 2), 7, bent=False, noise=1.2)


def kalman_filter(model: RandomModel, measurements: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Textbook filter over (xi, z): means (T, n), sds (T, n), total log-evidence."""
    H = torch.cat([model.C, model.H], 1)
    R = model.chol_R @ model.chol_R.T
    mean, P = model.mean, model.chol @ model.chol.T
    means, sds, total = [], [], torch.zeros((), dtype=F64)
    for t, y in enumerate(measurements):
        if t > 0:
            mean, P = model.A @ mean, model.A @ P @ model.A.T + model.G @ model.G.T
        S = H @ P @ H.T + R
        total = total + torch.distributions.MultivariateNormal(H @ mean, S).log_prob(y)
        K = P @ H.T @ torch.linalg.inv(S)
        mean, P = mean + K @ (y - H @ mean), P - K @ S @ K.T
        means.append(mean)
        sds.append(P.diagonal().sqrt())
    return torch.stack(means), torch.stack(sds), total


def state_means(history: list[tuple[Belief, Tensor]]) -> Tensor:
    """Weighted means of (xi, z): (B, T, n)."""
    means = []
    for belief, _ in history:
        full = torch.cat([belief.state.pose, belief.state.bank.mean], -1)
        means.append((belief.log_weights.exp().unsqueeze(-1) * full).sum(1))
    return torch.stack(means, 1)


ROWS = 60


@functools.cache
def errors_by_count(make: Callable[[RandomModel], Step]) -> tuple[dict[int, float], list[Tensor]]:
    """RMS error of the means in posterior sds for each N, and exp(LL - LL_KF) per run."""
    _, measurements = LINEAR.simulate(30, 8)
    exact, sd, log_evidence = kalman_filter(LINEAR, measurements)
    errors, ratios = {}, []
    for count in (20, 80, 320, 1280):
        history = run(LINEAR, measurements, ROWS, count, 9 + count, make(LINEAR))
        errors[count] = float(((state_means(history) - exact) / sd).square().mean().sqrt())
        ratios.append((torch.stack([step for _, step in history]).sum(0) - log_evidence).exp())
    return errors, ratios


def check_convergence(make: Callable[[RandomModel], Step]) -> None:
    """Error falls as N^-1/2; the evidence is unbiased within 3 standard errors."""
    errors, ratios = errors_by_count(make)
    scaled = [error * count**0.5 for count, error in errors.items()]
    assert max(scaled) < 1.35 * min(scaled), errors
    for ratio in ratios[1:]:  # N = 20 is so skewed that its standard error means nothing
        assert abs(ratio.mean() - 1) < 3 * ratio.std() / ROWS**0.5, ratio.mean()


def test_b_means_converge_to_kalman_and_the_evidence_is_unbiased() -> None:
    """rbpf.md test b: N = 20 .. 1280, 60 runs each."""
    check_convergence(bootstrap)


def deaf(model: RandomModel) -> Step:
    """Forgets the log-determinant in the filters' predictive likelihoods: weighs with R only."""

    class Deaf(RaoBlackwellModel):
        def update(
            self, state: RaoBlackwellState, measurement: Any
        ) -> tuple[RaoBlackwellState, Tensor]:
            new, _ = super().update(state, measurement)
            H, offset, chol_R, y = self.model.observe(state.pose, measurement).linear or ()
            still = state.bank._replace(chol=torch.zeros_like(state.bank.chol))
            return new, kalman_bank.update(still, H, offset, chol_R, y)[1]

    return lambda belief, inputs, generator: filtering.step(
        belief, inputs, Deaf(model), IndexResampler(), generator
    )


def test_b_weights_that_ignore_the_spread_of_z_fail() -> None:
    with pytest.raises(AssertionError):
        check_convergence(deaf)


def guided(model: RandomModel) -> Step:
    proposal = LinearisedProposal(model.linearise)
    return lambda belief, inputs, generator: rbpf.guided_step(
        belief, inputs, model, IndexResampler(), proposal, generator
    )


def test_guided_filter_converges_to_kalman_and_its_evidence_is_unbiased() -> None:
    check_convergence(guided)


def test_guided_filter_has_less_error_than_the_bootstrap_filter() -> None:
    """At N = 320 on the linear model, where the linearised proposal is the optimal one."""
    assert errors_by_count(guided)[0][320] < 0.9 * errors_by_count(bootstrap)[0][320]


def uncorrected(model: RandomModel) -> Step:
    """Draws from the proposal, but claims that it was the prediction."""
    proposal = LinearisedProposal(model.linearise)

    class Guided(RaoBlackwellModel):
        measurement: Tensor

        def propagate(
            self, state: RaoBlackwellState, control: Any, dt_s: float, generator: torch.Generator
        ) -> RaoBlackwellState:
            dynamics = self.model.dynamics(state.pose, control, dt_s)
            predicted = kalman_bank.predict(state.bank, dynamics)
            mean, chol = proposal(predicted, control)
            noise = torch.randn(mean.shape, generator=generator, dtype=F64)
            pose = mean + (chol @ noise[..., None])[..., 0]
            return kalman_bank.condition_prediction(predicted, pose)[0]

    return lambda belief, inputs, generator: filtering.step(
        belief,
        inputs._replace(control=inputs.measurement),
        Guided(model),
        IndexResampler(),
        generator,
    )


def test_guided_filter_without_weight_correction_fails() -> None:
    with pytest.raises(AssertionError):
        check_convergence(uncorrected)


def test_optimal_proposal_makes_the_weight_independent_of_the_draw() -> None:
    """On a linear model p(xi' | path, y') is exact: log p + log p(y) - log q is p(y | path)."""
    state = LINEAR.sample_initial(1, 1, None, torch.Generator().manual_seed(20))
    inputs = StepInputs(None, 1.0, torch.tensor([[0.4, -1.1]], dtype=F64))
    belief = Belief(state, torch.zeros(1, 1, dtype=F64))
    evidences = [
        guided(LINEAR)(belief, inputs, torch.Generator().manual_seed(seed))[1].log_evidence
        for seed in range(21, 26)
    ]
    torch.testing.assert_close(torch.cat(evidences), evidences[0].expand(5))


def test_proposal_equal_to_the_prediction_is_the_bootstrap_filter() -> None:
    model = SYSTEMS["correlated"]

    def same(predicted: Predicted, measurement: Any) -> GaussianProposal:
        return GaussianProposal(predicted.mean_n, predicted.chol_nn)

    _, measurements = model.simulate(6, 27)
    plain = run(model, measurements, 2, 10, 28, bootstrap(model))
    via_proposal = run(
        model,
        measurements,
        2,
        10,
        28,
        lambda belief, inputs, generator: rbpf.guided_step(
            belief, inputs, model, IndexResampler(), same, generator
        ),
    )
    torch.testing.assert_close(via_proposal[-1], plain[-1])


def test_guided_step_without_a_measurement_is_the_prediction() -> None:
    model = SYSTEMS["correlated"]
    generator = torch.Generator().manual_seed(29)
    belief = filtering.init(RaoBlackwellModel(model), None, 2, 10, generator)
    inputs = StepInputs(None, 1.0, None)
    plain = bootstrap(model)(belief, inputs, torch.Generator().manual_seed(30))
    torch.testing.assert_close(
        guided(model)(belief, inputs, torch.Generator().manual_seed(30)), plain
    )


def test_likelihood_of_xi_alone_and_linear_part_add_up() -> None:
    model = SYSTEMS["correlated"]
    state = model.sample_initial(1, 4, None, torch.Generator().manual_seed(31))
    y = torch.tensor([[0.3, 0.8]], dtype=F64)
    linear = model.observe(state.pose, y).linear
    alone = -state.pose.square().sum(-1)
    both, log_likelihood = rbpf.absorb(state, rbpf.Observation(alone, linear))
    only, linear_likelihood = rbpf.absorb(state, rbpf.Observation(None, linear))
    torch.testing.assert_close(log_likelihood, alone + linear_likelihood)
    torch.testing.assert_close(both, only)
    untouched, nothing = rbpf.absorb(state, rbpf.Observation(None, None))
    assert untouched.bank is state.bank
    assert (nothing == 0).all()
