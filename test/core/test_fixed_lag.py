"""The fixed-lag window on the scalar system (specification: 35) and its bookkeeping."""

from __future__ import annotations

import math

import pytest
import torch

from mdps_ros.core import fixed_lag
from mdps_ros.core.fixed_lag import FixedLag, Frame, Smoothed, Window
from mdps_ros.core.gradients import ImportanceWeighted
from mdps_ros.core.mdps import FilterRecord, smooth_sequence
from mdps_ros.core.protocols import Resampler
from mdps_ros.core.resampling import MixtureResampler
from mdps_ros.core.types import Belief
from mdps_ros.core.weights import uniform

from .gaussians import Generative, Normal, check_moments, line_kernel, mean_and_variance
from .oracles import F64, scalar_kalman
from .random_walk import (
    BANDWIDTH,
    COUNT,
    FILTERED,
    LAGS,
    ROWS,
    STEPS,
    WALK,
    Case,
    R,
    closed_form,
    setup,
)
from .scalar_smoothing import ReversedModel, backward_filter, forward_filter


@pytest.fixture(scope="module")
def case() -> Case:
    return Case(ROWS, COUNT)


def check_smoothed(smoothed: tuple[Smoothed, ...], case: Case) -> None:
    """Mean against the exact smoother, variance against the closed form."""
    for result in smoothed:
        mean = case.means[-1 - result.lag].item()
        check_moments(result.belief, Normal(mean, closed_form(result.lag)), 5e-3)


def test_closed_form_is_that_of_the_specification(case: Case) -> None:
    for lag, value in zip((*LAGS, 10), (0.418, 0.316, 0.282, 0.265, 0.264), strict=True):
        assert abs(closed_form(lag) - value) < 6e-4
    for lag in LAGS:
        assert abs(closed_form(lag) - case.variances[-1 - lag].item()) < 1e-9


def test_fixed_lag_smoother_has_the_variance_of_the_closed_form(case: Case) -> None:
    """Specification 35, L = 0, 1, 2, 5 from one window."""
    generator = torch.Generator().manual_seed(203)
    check_smoothed(fixed_lag.smooth(case.frames, LAGS, setup(), generator), case)


def check_with_start(case: Case, start: Belief, lag: int) -> None:
    generator = torch.Generator().manual_seed(204)
    _, box = fixed_lag.window_start(case.frames[-1].record, setup(), generator)
    check_smoothed(fixed_lag.smooth_from(start, box, case.frames, [lag], setup(), generator), case)


@pytest.mark.parametrize("lag", [1, 2])
def test_a_window_without_the_weights_of_its_start_counts_the_past_twice(
    case: Case, lag: int
) -> None:
    """Specification 35: the variance comes out about 0.07 (0.02) too small at L = 1 (2)."""
    generator = torch.Generator().manual_seed(205)
    start, _ = fixed_lag.window_start(case.frames[-1].record, setup(), generator)
    check_with_start(case, start, lag)
    even = uniform(ROWS, COUNT, start.log_weights)
    with pytest.raises(AssertionError):
        check_with_start(case, start._replace(log_weights=even), lag)


@pytest.mark.parametrize("lag", [1, 2])
def test_a_window_that_starts_from_the_posterior_counts_the_past_twice(
    case: Case, lag: int
) -> None:
    record = case.frames[-1].record
    with pytest.raises(AssertionError):
        check_with_start(case, Belief(record.state, record.log_weights), lag)


def test_at_lag_zero_the_smoother_is_the_filter(case: Case) -> None:
    """Specification 35: row by row the moments of the filter, with new particles."""
    generator = torch.Generator().manual_seed(206)
    (result,) = fixed_lag.smooth(case.frames, [0], setup(lag=0), generator)
    assert result.backward is None
    record = case.frames[-1].record
    filtered = mean_and_variance(Belief(record.state, record.log_weights))
    for ours, theirs in zip(mean_and_variance(result.belief), filtered, strict=True):
        difference = ours - theirs
        assert difference.mean().abs() < 5 * difference.std() / ROWS**0.5 + 5e-3
    exact = scalar_kalman(WALK, case.measurements, case.controls)
    check_moments(result.belief, Normal(exact.mean[0, -1].item(), FILTERED), 5e-3)


@pytest.mark.slow
def test_a_window_over_everything_is_the_offline_smoother(case: Case) -> None:
    """Specification 35: L = T - t, at every t; both from rows with the same forward filter."""
    kernel, generator = line_kernel(BANDWIDTH), torch.Generator().manual_seed(207)
    backward = backward_filter(WALK, case.inputs, COUNT, BANDWIDTH, 208)
    measured = Generative(case.measurements.expand(ROWS, -1).reshape(-1, 1), R)
    forward = [frame.record for frame in case.frames]
    offline = smooth_sequence(forward, backward, kernel, kernel, measured, COUNT, generator)
    lags = range(STEPS - 1, -1, -1)
    online = fixed_lag.smooth(case.frames, lags, setup(), generator)
    for t, result in enumerate(online):
        at_t = Belief(offline.state[:, t], offline.log_weights[:, t])
        pairs = zip(mean_and_variance(result.belief), mean_and_variance(at_t), strict=True)
        for ours, theirs in pairs:
            difference = ours - theirs
            assert difference.mean().abs() < 5 * difference.std() / ROWS**0.5 + 5e-3, t


def test_an_older_window_misses_the_newest_measurement(case: Case) -> None:
    """The frame before the last, smoothed by a window that ends with itself, is not lag 1."""
    generator = torch.Generator().manual_seed(209)
    (result,) = fixed_lag.smooth(case.frames[:-1], [0], setup(), generator)
    with pytest.raises(AssertionError):
        check_smoothed((result._replace(lag=1),), case)


def run_all(case: Case, chosen: FixedLag, seed: int) -> list[tuple[Window, tuple[Smoothed, ...]]]:
    window, generator = Window(), torch.Generator().manual_seed(seed)
    results = []
    for frame in case.frames:
        window, smoothed = fixed_lag.step(window, frame, chosen, generator)
        results.append((window, smoothed))
    return results


@pytest.mark.parametrize(("lag", "stride"), [(0, 1), (2, 1), (1, 3), (0, 2), (3, 4)])
def test_every_frame_is_smoothed_once_and_in_order(lag: int, stride: int) -> None:
    small = Case(rows=2, count=30)
    results = run_all(small, setup(lag, stride, window_count=20, count=10), 210)
    smoothed_times = []
    for now, (window, smoothed) in enumerate(results):
        assert len(window.frames) <= lag + stride, "memory grows"
        assert len(smoothed) in (0, stride)
        smoothed_times += [now - result.lag for result in smoothed]
        assert all(lag <= result.lag < lag + stride for result in smoothed)
    windows = (STEPS - lag) // stride
    assert smoothed_times == list(range(windows * stride))


def test_a_step_smooths_the_frames_that_it_remembers() -> None:
    small, chosen = Case(rows=2, count=30), setup(2, 3, window_count=20, count=10)
    _, smoothed = run_all(small, chosen, 211)[4]
    generator = torch.Generator().manual_seed(211)
    again = fixed_lag.smooth(small.frames[:5], [4, 3, 2], chosen, generator)
    for a, b in zip(smoothed, again, strict=True):
        assert torch.equal(a.belief.state, b.belief.state)
        assert torch.equal(a.belief.log_weights, b.belief.log_weights)


def test_the_window_remembers_no_graph() -> None:
    frame = Case(rows=2, count=30).frames[0]
    attached = frame.record._replace(state=frame.record.state.clone().requires_grad_())
    generator = torch.Generator().manual_seed(212)
    window, _ = fixed_lag.step(Window(), frame._replace(record=attached), setup(), generator)
    assert not window.frames[0].record.state.requires_grad


def test_frames_without_a_measurement_are_smoothed_by_the_others(case: Case) -> None:
    """Dropping y at t - 2 gives there the product of the two predictions alone."""
    inputs = [
        step._replace(measurement=None) if t == STEPS - 3 else step
        for t, step in enumerate(case.inputs)
    ]
    records = forward_filter(WALK, inputs, COUNT, BANDWIDTH, 213)
    frames = [Frame(r, i) for r, i in zip(records, inputs, strict=True)]
    generator = torch.Generator().manual_seed(214)
    (result,) = fixed_lag.smooth(frames, [2], setup(), generator)
    gone = 1 / (1 / closed_form(2) - 1 / R)  # what is left without its own measurement
    y, mean = case.measurements[0, -3].item(), case.means[-3].item()
    check_moments(result.belief, Normal(gone * (mean / closed_form(2) - y / R), gone), 1e-2)


def test_the_window_passes_gradients_to_the_backward_motion() -> None:
    """As training with sampled lags needs them."""
    small = Case(rows=2, count=30)
    a = torch.ones((), dtype=F64, requires_grad=True)
    resampler: Resampler = ImportanceWeighted(MixtureResampler(line_kernel(0.3)))
    chosen = setup(model=ReversedModel(WALK._replace(a=a)), resampler=resampler, window_count=40)
    generator = torch.Generator().manual_seed(215)
    (result,) = fixed_lag.smooth(small.frames, [3], chosen, generator)
    (gradient,) = torch.autograd.grad(mean_and_variance(result.belief)[0].sum(), a)
    assert bool(torch.isfinite(gradient))
    assert bool(gradient != 0)


def test_the_start_stands_for_the_flat_density(case: Case) -> None:
    """Weighted start particles have the moments of the uniform density on the box."""
    generator = torch.Generator().manual_seed(216)
    start, box = fixed_lag.window_start(case.frames[-1].record, setup(), generator)
    scaled = (start.state - box.centre.unsqueeze(1)) / box.half_width.unsqueeze(1)
    check_moments(Belief(scaled, start.log_weights), Normal(0.0, 1 / 3), 0.02)
    even = uniform(ROWS, COUNT, start.log_weights)
    with pytest.raises(AssertionError):
        check_moments(Belief(scaled, even), Normal(0.0, 1 / 3), 0.02)


def test_impossible_arguments_are_named(case: Case) -> None:
    generator = torch.Generator()
    with pytest.raises(ValueError, match=r"lags 1..8 asked of 8 frames"):
        fixed_lag.smooth(case.frames, [1, 8], setup(), generator)
    with pytest.raises(ValueError, match="stride 0"):
        setup(1, 0)
    with pytest.raises(ValueError, match=r"share of 1.0"):
        setup(flat_share=1.0)


def test_records_may_differ_in_their_number_of_particles(case: Case) -> None:
    """Adaptive filters: every second frame keeps every second particle."""

    def thin(record: FilterRecord) -> FilterRecord:
        kept = record.log_weights[:, ::2]
        return FilterRecord(
            record.state[:, ::2],
            record.predicted_log_weights[:, ::2] + math.log(2.0),
            kept - kept.logsumexp(-1, keepdim=True),
            record.log_evidence,
        )

    frames = [
        frame._replace(record=thin(frame.record)) if t % 2 else frame
        for t, frame in enumerate(case.frames)
    ]
    generator = torch.Generator().manual_seed(217)
    results = fixed_lag.smooth(frames, [1, 2], setup(), generator)
    for result in results:
        mean, variance = mean_and_variance(result.belief)
        assert (mean.mean() - case.means[-1 - result.lag]).abs() < 0.05
        assert (variance.mean() - closed_form(result.lag)).abs() < 0.03
