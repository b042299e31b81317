"""Smoothing by ancestry: exact at small lags, degenerate at large ones."""

from __future__ import annotations

import pytest
import torch

from mdps_ros.core import filtering, genealogy
from mdps_ros.core.genealogy import Genealogy
from mdps_ros.core.resampling import IndexResampler
from mdps_ros.core.types import Belief

from .gaussians import Normal, check_moments, mean_and_variance
from .oracles import F64, ScalarModel
from .random_walk import WALK
from .scalar_smoothing import repeated_sequence, rts

ROWS, STEPS = 60, 25


def run(rows: int, count: int, lag: int, forget: bool = False) -> tuple[Genealogy, Belief]:
    """A bootstrap filter with its genealogy; `forget` makes every particle its own parent."""
    inputs, *_ = repeated_sequence(WALK, STEPS, rows, 241)
    model, generator = ScalarModel(WALK), torch.Generator().manual_seed(242)
    belief = filtering.init(model, None, rows, count, generator)
    own = torch.arange(count).expand(rows, count)
    remembered = Genealogy()
    for step in inputs:
        belief, info = filtering.step(belief, step, model, IndexResampler(), generator)
        ancestors = own if forget else info.ancestors
        remembered = genealogy.step(remembered, belief.state, ancestors, lag)
        assert len(remembered.states) == len(remembered.lines) <= lag + 1, "memory grows"
    return remembered, belief


def check_lag(remembered: Genealogy, belief: Belief, lag: int) -> None:
    _, measurements, controls = repeated_sequence(WALK, STEPS, 1, 241)
    means, variances = rts(WALK, measurements, controls)
    exact = Normal(means[-1 - lag].item(), variances[-1 - lag].item())
    check_moments(genealogy.smoothed(remembered, belief.log_weights, lag), exact, 5e-3)


@pytest.mark.parametrize("lag", [0, 1, 2, 5])
def test_ancestors_under_the_newest_weights_are_the_fixed_lag_smoother(lag: int) -> None:
    """Against the exact smoother: N = 2000, 60 rows, 5 standard errors."""
    check_lag(*run(ROWS, 2000, 5), lag)


def test_particles_taken_for_their_own_parents_are_not() -> None:
    with pytest.raises(AssertionError):
        check_lag(*run(ROWS, 2000, 5, forget=True), 1)


def test_few_ancestors_are_left_beyond_the_coalescence() -> None:
    """N = 50: their number falls with the lag, and the variance with it."""
    remembered, belief = run(ROWS, 50, STEPS - 1)
    counts = torch.stack([genealogy.distinct(remembered, lag) for lag in range(STEPS)])
    assert (counts[0] == 50).all()
    assert (counts[1:] <= counts[:-1]).all()
    assert counts[-1].to(F64).mean() < 4
    _, variance = mean_and_variance(genealogy.smoothed(remembered, belief.log_weights, STEPS - 1))
    _, measurements, controls = repeated_sequence(WALK, STEPS, 1, 241)
    exact = rts(WALK, measurements, controls)[1][0]
    assert variance.mean() < 0.5 * exact


def test_distinct_ancestors_are_counted_by_row() -> None:
    first = torch.arange(4.0).reshape(1, 4, 1).repeat(2, 1, 1)
    own = torch.arange(4).expand(2, 4)
    remembered = genealogy.step(Genealogy(), first, own, 2)
    parents = torch.tensor([[0, 0, 3, 3], [2, 1, 0, 1]])
    remembered = genealogy.step(remembered, first + 10, parents, 2)
    assert genealogy.distinct(remembered, 1).tolist() == [2, 3]
    grandchildren = torch.tensor([[1, 1, 0], [0, 2, 2]])
    remembered = genealogy.step(remembered, first[:, :3] + 20, grandchildren, 2)
    assert genealogy.distinct(remembered, 0).tolist() == [3, 3]
    assert genealogy.distinct(remembered, 2).tolist() == [1, 2]
    even = torch.zeros(2, 3) - torch.tensor(3.0).log()
    oldest = genealogy.smoothed(remembered, even, 2).state
    assert oldest[..., 0].tolist() == [[0.0, 0.0, 0.0], [2.0, 0.0, 0.0]]


def test_a_lag_that_is_not_remembered_is_named() -> None:
    remembered, belief = run(1, 5, 2)
    with pytest.raises(ValueError, match="lag 3 asked of 3"):
        genealogy.smoothed(remembered, belief.log_weights, 3)
    with pytest.raises(ValueError, match="lag -1"):
        genealogy.distinct(remembered, -1)


def test_a_negative_lag_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 0"):
        genealogy.step(Genealogy(), torch.zeros(1, 2, 1), torch.zeros(1, 2, dtype=torch.long), -1)


def run_with_late(rows: int, count: int, lag: int, forget: bool = False) -> Belief:
    """The newest measurement but `lag` comes after all others."""
    inputs, *_ = repeated_sequence(WALK, STEPS, rows, 241)
    model, generator = ScalarModel(WALK), torch.Generator().manual_seed(243)
    belief = filtering.init(model, None, rows, count, generator)
    parents, states = [], []
    for number, step in enumerate(inputs):
        given = step._replace(measurement=None) if number == STEPS - 1 - lag else step
        belief, info = filtering.step(belief, given, model, IndexResampler(), generator)
        parents.append(info.ancestors)
        states.append(belief.state)
    late = states[-1 - lag]
    _, score = model.update(late, inputs[-1 - lag].measurement)
    line = genealogy.ancestors(parents[STEPS - lag :])
    found = score if forget else torch.gather(score, 1, line)
    log_weights = torch.log_softmax(belief.log_weights + found, 1)
    return Belief(belief.state, log_weights)


@pytest.mark.parametrize("lag", [1, 2, 4])
def test_a_measurement_that_comes_late_counts_by_ancestors_as_one_in_time(lag: int) -> None:
    """Against the Kalman filter that had it in time: N = 2000, 60 rows, 5 standard errors."""
    _, measurements, controls = repeated_sequence(WALK, STEPS, 1, 241)
    means, variances = rts(WALK, measurements, controls)
    exact = Normal(means[-1].item(), variances[-1].item())
    check_moments(run_with_late(ROWS, 2000, lag), exact, 5e-3)


def test_a_late_measurement_that_is_credited_by_number_is_not() -> None:
    _, measurements, controls = repeated_sequence(WALK, STEPS, 1, 241)
    means, variances = rts(WALK, measurements, controls)
    exact = Normal(means[-1].item(), variances[-1].item())
    with pytest.raises(AssertionError):
        check_moments(run_with_late(ROWS, 2000, 2, forget=True), exact, 5e-3)


def test_ancestors_over_several_frames_are_the_lines_of_the_genealogy() -> None:
    remembered, _ = run(2, 40, 3)
    inputs, *_ = repeated_sequence(WALK, STEPS, 2, 241)
    model, generator = ScalarModel(WALK), torch.Generator().manual_seed(242)
    belief = filtering.init(model, None, 2, 40, generator)
    parents = []
    for step in inputs:
        belief, info = filtering.step(belief, step, model, IndexResampler(), generator)
        parents.append(info.ancestors)
    for lag in (1, 2, 3):
        assert torch.equal(genealogy.ancestors(parents[-lag:]), remembered.lines[-1 - lag])
    with pytest.raises(ValueError, match="no frame since"):
        genealogy.ancestors([])
