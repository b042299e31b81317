"""Rao-Blackwellised smoothing against batch Gaussians and RTS (rbpf.md test e)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import filtering, information, kalman_bank, rb_smoothing
from mdps_ros.core.kalman_bank import GaussianBank
from mdps_ros.core.rb_smoothing import Record
from mdps_ros.core.rbpf import RaoBlackwellModel, absorb
from mdps_ros.core.resampling import IndexResampler
from mdps_ros.core.tree import gather_axis
from mdps_ros.core.types import StepInputs

from .backward_oracle import batch_conditional, document_pair_log_weights, rts
from .conditionally_linear import RandomModel, Sizes

BENT = RandomModel(Sizes(2, 3, 2), 1)
LINEAR = RandomModel(Sizes(1, 2, 1), 5, bent=False, radius=0.9)
LONG_MEMORY = RandomModel(Sizes(1, 2, 1), 11, radius=0.85)


def as_inputs(measurements: list[Tensor | None], rows: int) -> list[StepInputs]:
    return [StepInputs(None, 1.0, None if y is None else y.expand(rows, -1)) for y in measurements]


def first_bank(model: RandomModel, path: Tensor, y: Tensor) -> GaussianBank:
    """z_0 given y_0 for paths (B, T, S, D)."""
    rows, _, count, _ = path.shape
    state = model.sample_initial(rows, count, None, torch.Generator().manual_seed(0))
    at_path = state._replace(pose=path[:, 0])
    return absorb(at_path, model.observe(path[:, 0], y.expand(rows, -1)))[0].bank


def check_path(measurements: list[Tensor | None], path: Tensor, told: Tensor) -> None:
    """`smooth_path` along `told` against the batch Gaussian along `path`, 1e-8."""
    first = measurements[0]
    assert first is not None
    smoothed = rb_smoothing.smooth_path(
        told[None, :, None], first_bank(BENT, told[None, :, None], first),
        as_inputs(measurements, 1), BENT,
    )  # fmt: skip
    exact = batch_conditional(BENT, path, measurements)
    assert (smoothed.mean[0, :, 0] - exact.mean).abs().max() < 1e-8
    covariance = smoothed.chol @ smoothed.chol.mT
    assert (covariance[0, :, 0] - exact.covariance).abs().max() < 1e-8


def test_e_smoother_along_a_path_equals_the_batch_gaussian() -> None:
    """rbpf.md test e, first part: correlated noise, matrices that depend on xi, T = 25."""
    states, measurements = BENT.simulate(25, 10)
    path = states[:, :2]
    check_path(list(measurements), path, path)


def test_smoother_along_a_path_bridges_missing_measurements() -> None:
    states, measurements = BENT.simulate(8, 11)
    gaps: list[Tensor | None] = list(measurements)
    gaps[3] = gaps[4] = None
    check_path(gaps, states[:, :2], states[:, :2])


def test_smoother_along_another_path_fails() -> None:
    states, measurements = BENT.simulate(8, 12)
    with pytest.raises(AssertionError):
        check_path(list(measurements), states[:, :2], states[:, :2] + 0.01)


def test_e_message_and_filter_meet_in_the_smoothed_gaussian() -> None:
    """(P^-1 + Omega)^-1 (P^-1 z + lambda) of the filter along the path is RTS, 1e-8."""
    states, measurements = BENT.simulate(12, 13)
    path = states[None, :, None, :2]
    inputs = as_inputs(list(measurements), 1)
    bank = first_bank(BENT, path, measurements[0])
    filtered = [bank]
    for t in range(1, 12):
        dynamics = BENT.dynamics(path[:, t - 1], None, 1.0)
        state, _ = kalman_bank.condition(filtered[-1], dynamics, path[:, t])
        filtered.append(absorb(state, BENT.observe(path[:, t], inputs[t].measurement))[0].bank)
    smoothed = rb_smoothing.smooth_path(path, bank, inputs, BENT)
    message = information.nothing(path[:, 0], 3)
    for t in range(11, 0, -1):
        message = information.observe(message, BENT.observe(path[:, t], inputs[t].measurement))
        dynamics = BENT.dynamics(path[:, t - 1], None, 1.0)
        message = information.predict_back(message, dynamics, path[:, t])
        fused = information.fuse_bank(filtered[t - 1], message)
        assert (fused.mean - smoothed.mean[:, t - 1]).abs().max() < 1e-8
        covariance = smoothed.chol[:, t - 1] @ smoothed.chol[:, t - 1].mT
        assert (fused.chol @ fused.chol.mT - covariance).abs().max() < 1e-8


def record(
    model: RandomModel, measurements: list[Tensor | None], rows: int, count: int, seed: int
) -> list[Record]:
    generator = torch.Generator().manual_seed(seed)
    belief = filtering.init(RaoBlackwellModel(model), None, rows, count, generator)
    inputs = as_inputs(measurements, rows)
    return rb_smoothing.record_filter(belief, inputs, model, IndexResampler(), generator)


class Moments(NamedTuple):
    """Means and variances (B, T, n) of (xi, z)."""

    mean: Tensor
    variance: Tensor


def trajectory_moments(smoothed: rb_smoothing.Trajectories) -> Moments:
    full = torch.cat([smoothed.pose, smoothed.mean], -1)
    within = (smoothed.chol**2).sum(-1).mean(2)
    variance = full.var(2)
    variance[..., smoothed.pose.shape[-1] :] += within
    return Moments(full.mean(2), variance)


def check_backward_simulation() -> None:
    """48 runs of N = 120 with 20 paths: the mean over the runs is within 0.1 posterior sd of
    RTS (rms over time), the variance within 10 %."""
    _, measurements = LINEAR.simulate(25, 14)
    records = record(LINEAR, list(measurements), 48, 120, 15)
    generator = torch.Generator().manual_seed(16)
    moments = trajectory_moments(rb_smoothing.smooth(records, LINEAR, 20, generator))
    exact = rts(LINEAR, measurements)
    variance = exact.covariance.diagonal(dim1=-2, dim2=-1)
    error = (moments.mean.mean(0) - exact.mean) / variance.sqrt()
    assert (error.square().mean(0).sqrt() < 0.1).all(), error.square().mean(0).sqrt()
    ratio = (moments.variance.mean(0) / variance).mean(0)
    assert ((ratio - 1).abs() < 0.1).all(), ratio


def test_e_backward_simulation_averages_to_the_exact_smoother() -> None:
    check_backward_simulation()


def signed(sign: float) -> Callable[..., Tensor]:
    return lambda *pair: document_pair_log_weights(*pair, sign)


def test_e_backward_simulation_by_the_document_formula_passes_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rb_smoothing, "pair_log_weights", signed(-1.0))
    check_backward_simulation()


def test_e_backward_simulation_with_the_wrong_sign_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rb_smoothing, "pair_log_weights", signed(+1.0))
    with pytest.raises(AssertionError):
        check_backward_simulation()


def test_filtered_means_are_not_the_smoothed_ones() -> None:
    """The check above can tell a filter from a smoother."""
    _, measurements = LINEAR.simulate(25, 14)
    exact = rts(LINEAR, measurements)
    sd = exact.covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    filtered = filter_means(record(LINEAR, list(measurements), 48, 120, 15)).mean(0)
    assert ((filtered - exact.mean) / sd).square().mean().sqrt() > 0.3


def filter_means(records: list[Record]) -> Tensor:
    """(B, T, n)"""
    means = []
    for belief, _, _ in records:
        full = torch.cat([belief.state.pose, belief.state.bank.mean], -1)
        means.append((belief.log_weights.exp().unsqueeze(-1) * full).sum(1))
    return torch.stack(means, 1)


def lineage(records: list[Record]) -> Tensor:
    """Paths (B, T, N, D) of the last particles."""
    index = torch.arange(records[-1].ancestors.shape[1]).expand_as(records[-1].ancestors)
    path = [records[-1].belief.state.pose]
    for t in range(len(records) - 1, 0, -1):
        index = gather_axis(records[t].ancestors, index)
        path.append(gather_axis(records[t - 1].belief.state.pose, index))
    return torch.stack(path[::-1], 1)


def check_fixed_lag(window: list[Record], paths: Tensor) -> None:
    """Each particle's z at the window's start is that of RTS along its own path, 1e-8."""
    lagged = rb_smoothing.fixed_lag(window, BENT)
    measurement = window[0].inputs.measurement
    assert measurement is not None
    inputs = [step.inputs for step in window]
    smoothed = rb_smoothing.smooth_path(
        paths, first_bank(BENT, paths, measurement[:1]), inputs, BENT
    )
    state = lagged.belief.state
    assert torch.equal(state.pose, paths[:, 0])
    assert (state.bank.mean - smoothed.mean[:, 0]).abs().max() < 1e-8
    exact = smoothed.chol[:, 0] @ smoothed.chol[:, 0].mT
    assert (state.bank.chol @ state.bank.chol.mT - exact).abs().max() < 1e-8
    assert torch.equal(lagged.belief.log_weights, window[-1].belief.log_weights)


def test_fixed_lag_smooths_every_particle_along_its_own_ancestors() -> None:
    _, measurements = BENT.simulate(5, 17)
    gaps: list[Tensor | None] = list(measurements)
    gaps[2] = None
    records = record(BENT, gaps, 2, 30, 18)
    check_fixed_lag(records, lineage(records))


def test_fixed_lag_along_the_ancestors_of_others_fails() -> None:
    _, measurements = BENT.simulate(5, 17)
    records = record(BENT, list(measurements), 2, 30, 18)
    own = torch.arange(30).expand(2, -1)
    strangers = [step._replace(ancestors=own) for step in records]
    with pytest.raises(AssertionError):
        check_fixed_lag(strangers, lineage(records))


def test_lag_of_zero_is_the_filter() -> None:
    _, measurements = BENT.simulate(3, 19)
    last = record(BENT, list(measurements), 1, 10, 20)[-1]
    lagged = rb_smoothing.fixed_lag([last], BENT)
    torch.testing.assert_close(lagged.belief.state.pose, last.belief.state.pose)
    torch.testing.assert_close(lagged.belief.state.bank.mean, last.belief.state.bank.mean)
    assert lagged.distinct.tolist() == [10]


def test_ancestors_coalesce_as_the_lag_grows() -> None:
    _, measurements = BENT.simulate(30, 21)
    records = record(BENT, list(measurements), 1, 20, 22)
    distinct = [
        int(rb_smoothing.fixed_lag(records[-1 - lag :], BENT).distinct) for lag in (0, 3, 29)
    ]
    assert distinct[0] == 20
    assert distinct[0] > distinct[1] > distinct[2]


@pytest.mark.slow
def test_future_that_is_known_helps_filter_then_lag_then_backward_simulation() -> None:
    """rbpf.md e4: nonlinear, 60 runs of N = 60, lag 1, 20 paths; each step lowers the squared
    error of z by 3 paired standard errors."""
    rows, steps = 60, 20
    drawn = [LONG_MEMORY.simulate(steps, 200 + row) for row in range(rows)]
    truth = torch.stack([states for states, _ in drawn])
    together = torch.stack([measurements for _, measurements in drawn], 1)
    generator = torch.Generator().manual_seed(23)
    belief = filtering.init(RaoBlackwellModel(LONG_MEMORY), None, rows, 60, generator)
    inputs = [StepInputs(None, 1.0, y) for y in together]
    records = rb_smoothing.record_filter(belief, inputs, LONG_MEMORY, IndexResampler(), generator)
    lagged = [
        record._replace(belief=rb_smoothing.fixed_lag(records[t : t + 2], LONG_MEMORY).belief)
        for t, record in enumerate(records)
    ]
    estimates = [
        filter_means(records),
        filter_means(lagged),
        trajectory_moments(rb_smoothing.smooth(records, LONG_MEMORY, 20, generator)).mean,
    ]
    errors = [(estimate - truth)[..., 1:].square().sum(-1).mean(1) for estimate in estimates]
    for worse, better in itertools.pairwise(errors):
        gain = worse - better
        assert gain.mean() > 3 * gain.std() / rows**0.5, [e.mean().sqrt() for e in errors]
