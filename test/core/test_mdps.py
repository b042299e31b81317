"""Filters and smoother over whole sequences."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core.kernels import ProductKernel, gaussian_log_prob
from mdps_ros.core.mdps import (
    FilterRecord,
    filter_sequence,
    fold_time,
    predictive_mixtures,
    reverse_inputs,
    smooth_sequence,
    stack_records,
    unfold_time,
)
from mdps_ros.core.resampling import IndexResampler, MixtureResampler
from mdps_ros.core.smoothing import GenerativeScorer
from mdps_ros.core.types import Belief, StepInputs
from mdps_ros.core.weights import uniform

from .gaussians import Generative, Normal, check_moments, line_kernel
from .oracles import F64, ScalarModel, scalar_system
from .scalar_smoothing import (
    ReversedModel,
    backward_filter,
    forward_filter,
    repeated_sequence,
    rts,
)

ROWS, COUNT, BANDWIDTH = 30, 400, 0.05
SYSTEM = scalar_system()


def measured(inputs: list[StepInputs]) -> Generative:
    """The generative weight function on rows b T + t."""
    measurements = torch.stack([step.measurement for step in inputs], dim=1)
    return Generative(fold_time(measurements)[:, None], SYSTEM.r)


def smooth(
    forward: list[FilterRecord], backward: list[FilterRecord], inputs: list[StepInputs]
) -> Belief:
    kernel, generator = line_kernel(BANDWIDTH), torch.Generator().manual_seed(104)
    return smooth_sequence(forward, backward, kernel, kernel, measured(inputs), COUNT, generator)


def check_against(smoothed: Belief, exact: tuple[Tensor, Tensor]) -> None:
    """Mean and variance of every time over the rows."""
    assert smoothed.state.shape == (ROWS, len(exact[0]), 2 * COUNT, 1)
    for t, (mean, variance) in enumerate(zip(*exact, strict=True)):
        belief = Belief(smoothed.state[:, t], smoothed.log_weights[:, t])
        check_moments(belief, Normal(mean.item(), variance.item()), 8e-3)


class Case(NamedTuple):
    inputs: list[StepInputs]
    forward: list[FilterRecord]
    backward: list[FilterRecord]
    exact: tuple[Tensor, Tensor]


def make_case(steps: int) -> Case:
    inputs, measurements, controls = repeated_sequence(SYSTEM, steps, ROWS, seed=89)
    return Case(
        inputs,
        forward_filter(SYSTEM, inputs, COUNT, BANDWIDTH, 102),
        backward_filter(SYSTEM, inputs, COUNT, BANDWIDTH, 103),
        rts(SYSTEM, measurements, controls),
    )


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case(5)


def test_smoother_equals_rts_at_every_time(case: Case) -> None:
    """Specification 16: narrow kernels, exactly reversed motion, flat start."""
    check_against(smooth(case.forward, case.backward, case.inputs), case.exact)


def test_one_frame_alone_is_smoothed_with_priors_on_both_sides() -> None:
    """Specification 20."""
    inputs, forward, backward, exact = make_case(1)
    check_against(smooth(forward, backward, inputs), exact)


def test_filtered_instead_of_predictive_sets_count_the_measurement_twice(case: Case) -> None:
    """Specification 17."""
    updated = [
        [record._replace(predicted_log_weights=record.log_weights) for record in records]
        for records in (case.forward, case.backward)
    ]
    with pytest.raises(AssertionError):
        check_against(smooth(*updated, case.inputs), case.exact)


def reversed_filters(case: Case) -> tuple[list[FilterRecord], list[FilterRecord]]:
    """The filters of the reversed sequence: the motion backwards first, then forwards."""
    backwards = reverse_inputs(case.inputs)
    first, second = torch.Generator().manual_seed(105), torch.Generator().manual_seed(106)
    resampler = MixtureResampler(line_kernel(BANDWIDTH))
    flat = ReversedModel(SYSTEM).sample_initial(ROWS, COUNT, None, first)
    start = Belief(flat, uniform(ROWS, COUNT, flat))
    forward = filter_sequence(start, backwards, ReversedModel(SYSTEM), resampler, first)
    prior = Belief(case.forward[0].state, case.forward[0].predicted_log_weights)
    backward = filter_sequence(
        prior, reverse_inputs(backwards), ScalarModel(SYSTEM), resampler, second
    )
    return forward, backward[::-1]


def test_the_reversed_sequence_has_the_same_posterior(case: Case) -> None:
    """Specification 20: everything reversed and the filters exchanged."""
    forward, backward = reversed_filters(case)
    exact = (case.exact[0].flip(0), case.exact[1].flip(0))
    check_against(smooth(forward, backward, case.inputs[::-1]), exact)


def test_a_backward_filter_left_in_its_own_order_does_not_smooth(case: Case) -> None:
    with pytest.raises(AssertionError):
        check_against(smooth(case.forward, case.backward[::-1], case.inputs), case.exact)


class TwoCorridors:
    """x near -3 or +3; only |x| is seen until the last frame, which shows the side."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Tensor:
        if prior == "flat":
            return 10.0 * torch.rand(batch, count, 1, generator=generator, dtype=F64) - 5.0
        side = torch.rand(batch, count, 1, generator=generator, dtype=F64) < 0.5
        noise = torch.randn(side.shape, generator=generator, dtype=F64)
        return torch.where(side, -3.0, 3.0) + 0.3 * noise

    def propagate(
        self, state: Tensor, control: Any, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        return state + 0.1 * torch.randn(state.shape, generator=generator, dtype=F64)

    def update(self, state: Tensor, measurement: tuple[float, bool]) -> tuple[Tensor, Tensor]:
        value, side_seen = measurement
        x = state[..., 0] if side_seen else state[..., 0].abs()
        return state, gaussian_log_prob(x - value, torch.tensor(0.4, dtype=F64))


def right_share(state: Tensor, log_weights: Tensor) -> Tensor:
    return (log_weights.exp() * (state[..., 0] > 0)).sum(-1)


@pytest.mark.parametrize("side_seen", [True, False])
def test_the_smoother_knows_the_corridor_that_only_the_end_shows(side_seen: bool) -> None:
    """Specification 22; where the end shows nothing, smoothing must not decide either."""
    model, kernel = TwoCorridors(), line_kernel(0.1)
    resampler, generator = MixtureResampler(kernel), torch.Generator().manual_seed(91)
    inputs = [StepInputs(None, 1.0, (3.0, side_seen and t == 3)) for t in range(4)]
    records = []
    for prior, sequence in (("both", inputs), ("flat", reverse_inputs(inputs))):
        state = model.sample_initial(4, 400, prior, generator)
        start = Belief(state, uniform(4, 400, state))
        records.append(filter_sequence(start, sequence, model, resampler, generator))
    forward, backward = records[0][:3], records[1][::-1][:3]
    for record in forward:
        assert ((right_share(record.state, record.log_weights) - 0.5).abs() < 0.15).all()
    scorer = GenerativeScorer(lambda points: model.update(points, (3.0, False))[1])
    smoothed = smooth_sequence(forward, backward, kernel, kernel, scorer, 400, generator)
    right = right_share(smoothed.state, smoothed.log_weights)
    assert right.shape == (4, 3)
    if side_seen:
        assert (right > 0.95).all()
    else:
        assert ((right - 0.5).abs() < 0.3).all()


def posterior_of_rows(inputs: list[StepInputs], rows: list[int]) -> Belief:
    """Filters and smoother over the given rows of one data set."""
    own = [StepInputs(s.control[rows], s.dt_s, s.measurement[rows]) for s in inputs]
    forward = forward_filter(SYSTEM, own, 40, 0.2, 111)
    backward = backward_filter(SYSTEM, own, 40, 0.2, 112)
    kernel, generator = line_kernel(0.2), torch.Generator().manual_seed(113)
    return smooth_sequence(forward, backward, kernel, kernel, measured(own), 30, generator)


def test_rows_of_a_batch_equal_single_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Specification 15: same random numbers, other data: row b is the run of data b alone."""
    inputs, *_ = repeated_sequence(SYSTEM, 4, 3, seed=110)
    shift = torch.tensor([0.0, 0.7, -1.1], dtype=F64)
    inputs = [step._replace(measurement=step.measurement + shift) for step in inputs]
    originals = {"rand": torch.rand, "randn": torch.randn}

    def repeated(name: str):
        def draw(*shape, **options):
            size = tuple(shape[0]) if len(shape) == 1 else tuple(shape)
            return originals[name](1, *size[1:], **options).expand(size).clone()

        return draw

    for name in originals:
        monkeypatch.setattr(torch, name, repeated(name))
    together = posterior_of_rows(inputs, [0, 1, 2])
    for row in range(3):
        alone = posterior_of_rows(inputs, [row])
        torch.testing.assert_close(together.state[row], alone.state[0], atol=1e-12, rtol=0)
        torch.testing.assert_close(
            together.log_weights[row], alone.log_weights[0], atol=1e-9, rtol=0
        )
    assert not torch.allclose(together.log_weights[0], together.log_weights[1])


def test_bandwidths_per_row_follow_their_row_over_time(case: Case) -> None:
    widths = torch.linspace(0.1, 0.4, ROWS, dtype=F64)[:, None]
    kernel = ProductKernel(widths, (False,))
    folded = predictive_mixtures(case.forward, kernel).kernel.bandwidth
    assert torch.equal(unfold_time(folded, 5), widths[:, None].expand(ROWS, 5, 1))


def test_times_with_more_particles_than_others_are_smoothed_alike(case: Case) -> None:
    """The prior may have more particles (N0) than the filter goes on with."""
    inputs = case.inputs
    first, generator = case.forward[0], torch.Generator().manual_seed(114)
    prior = Belief(first.state, first.predicted_log_weights)
    resampler = MixtureResampler(line_kernel(BANDWIDTH))
    forward = filter_sequence(
        prior, inputs, ScalarModel(SYSTEM), resampler, generator, count=COUNT // 2
    )
    assert [r.log_weights.shape[1] for r in forward] == [COUNT] + [COUNT // 2] * 4
    stacked = stack_records(forward)
    assert stacked.state.shape == (ROWS, 5, COUNT, 1)
    torch.testing.assert_close(stacked.log_weights.exp().sum(-1), torch.ones(ROWS, 5, dtype=F64))
    check_against(smooth(forward, case.backward, inputs), case.exact)


def test_impossible_arguments_are_named(case: Case) -> None:
    prior = Belief(case.forward[0].state, case.forward[0].log_weights)
    model, resampler, generator = ScalarModel(SYSTEM), IndexResampler(), torch.Generator()
    with pytest.raises(ValueError, match="empty"):
        filter_sequence(prior, [], model, resampler, generator)
    with pytest.raises(ValueError, match="truncate_every is 0"):
        filter_sequence(prior, case.inputs, model, resampler, generator, truncate_every=0)
    with pytest.raises(ValueError, match="5 forward and 4 backward"):
        smooth(case.forward, case.backward[1:], case.inputs)
