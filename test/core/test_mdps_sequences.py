"""What goes into and comes out of filters over sequences: inputs, actions, graphs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from mdps_ros.core import se2
from mdps_ros.core.estimates import pose_difference
from mdps_ros.core.gradients import ImportanceWeighted
from mdps_ros.core.mdps import (
    FilterRecord,
    filter_sequence,
    fold_time,
    reverse_inputs,
    smooth_sequence,
    stack_records,
    unfold_time,
)
from mdps_ros.core.resampling import IndexResampler, MixtureResampler
from mdps_ros.core.smoothing import GenerativeScorer
from mdps_ros.core.types import Belief, StepInputs
from mdps_ros.core.weights import uniform

from .gaussians import line_kernel
from .oracles import F64, ScalarModel, scalar_system
from .scalar_smoothing import ReversedModel, repeated_sequence

SYSTEM = scalar_system()


def test_reversed_inputs_pair_each_measurement_with_the_motion_after_it() -> None:
    inputs = [StepInputs(f"to {t}", float(t), f"y {t}") for t in range(3)]
    assert reverse_inputs(inputs) == [
        StepInputs(None, 0.0, "y 2"),
        StepInputs("to 2", 2.0, "y 1"),
        StepInputs("to 1", 1.0, "y 0"),
    ]
    assert reverse_inputs(reverse_inputs(inputs))[1:] == inputs[1:]


class Composed:
    """Poses moved by x + a without noise; every pose is as likely as another."""

    def sample_initial(
        self, batch: int, count: int, prior: Tensor, generator: torch.Generator
    ) -> Tensor:
        return prior[:, None].repeat(1, count, 1)

    def propagate(
        self, state: Tensor, control: Tensor, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        return se2.compose(state, control[:, None])

    def update(self, state: Tensor, measurement: Tensor) -> tuple[Tensor, Tensor]:
        return state, torch.zeros_like(state[..., 0])


class Decomposed(Composed):
    """The inverse motion."""

    def propagate(
        self, state: Tensor, control: Tensor, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        return se2.compose(state, se2.inverse(control)[:, None])


def drive(steps: int) -> tuple[Tensor, Tensor]:
    """True poses (T, 3), several turns, and the body-frame motions into each of them (T, 3)."""
    generator = torch.Generator().manual_seed(107)
    spread = torch.tensor([1.0, 0.2, 0.3], dtype=F64)
    motions = spread * torch.randn(steps, 3, generator=generator, dtype=F64)
    motions = motions + torch.tensor([1.0, 0.0, 0.4], dtype=F64)
    poses = [torch.tensor([5.0, -3.0, 3.1], dtype=F64)]
    for motion in motions[1:]:
        poses.append(se2.compose(poses[-1], motion))
    return torch.stack(poses), motions


def check_stays_on_truth(records: list[FilterRecord], poses: Tensor) -> None:
    stacked = stack_records(records)
    difference = pose_difference(stacked.state[0], poses[:, None])
    assert difference.abs().max() < 1e-9


def test_noise_free_actions_keep_all_particles_on_the_truth_both_ways() -> None:
    """Specification 29: 100 frames, headings beyond several turns."""
    poses, motions = drive(100)
    assert poses[:, 2].max() > 4 * math.pi
    inputs = [StepInputs(motion[None], 1.0, poses[0, :1]) for motion in motions]
    generator, resampler = torch.Generator().manual_seed(108), IndexResampler()
    for model, start, sequence, truth in (
        (Composed(), poses[0], inputs, poses),
        (Decomposed(), poses[-1], reverse_inputs(inputs), poses.flip(0)),
    ):
        state = model.sample_initial(1, 5, start[None], generator)
        prior = Belief(state, uniform(1, 5, state))
        records = filter_sequence(prior, sequence, model, resampler, generator)
        check_stays_on_truth(records, truth)
        check_stays_on_truth(records, pose_difference(truth, torch.zeros(3, dtype=F64)))


def test_actions_read_one_frame_too_early_leave_the_truth() -> None:
    poses, motions = drive(100)
    early = [StepInputs(motion[None], 1.0, poses[0, :1]) for motion in motions.roll(-1, 0)]
    generator, resampler = torch.Generator().manual_seed(109), IndexResampler()
    for model, start, sequence, truth in (
        (Composed(), poses[0], early, poses),
        (Decomposed(), poses[-1], reverse_inputs(early), poses.flip(0)),
    ):
        state = model.sample_initial(1, 5, start[None], generator)
        prior = Belief(state, uniform(1, 5, state))
        records = filter_sequence(prior, sequence, model, resampler, generator)
        with pytest.raises(AssertionError):
            check_stays_on_truth(records, truth)


def test_no_motion_returns_every_heading_as_it_came() -> None:
    """Specification 14, for the composed motion: also at plus and minus pi."""
    headings = torch.tensor([-math.pi, -1.0, 0.0, 2.0, math.pi, 9.0], dtype=F64)
    state = torch.stack((headings, -headings, headings), dim=-1)[None]
    still = torch.zeros(1, 3, dtype=F64)
    for model in (Composed(), Decomposed()):
        assert torch.equal(model.propagate(state, still, 1.0, torch.Generator()), state)


def test_folding_time_keeps_rows_together() -> None:
    values = torch.arange(24.0).reshape(2, 3, 4)
    folded = fold_time(values)
    assert torch.equal(folded[1 * 3 + 2], values[1, 2])
    assert torch.equal(unfold_time(folded, 3), values)


def kick_gradients(truncate_every: int | None) -> tuple[list[Tensor], list[Tensor]]:
    """Of the mean after each of five times, to a kick in the motion to t = 1; and the means."""
    kick = torch.zeros((), dtype=F64, requires_grad=True)
    inputs, *_ = repeated_sequence(SYSTEM, 5, 2, seed=115)
    inputs[1] = inputs[1]._replace(control=inputs[1].control + kick)
    start = torch.randn(2, 20, 1, generator=torch.Generator().manual_seed(116), dtype=F64)
    resampler = ImportanceWeighted(MixtureResampler(line_kernel(0.6)))
    records = filter_sequence(
        Belief(start, uniform(2, 20, start)),
        inputs,
        ScalarModel(SYSTEM),
        resampler,
        torch.Generator().manual_seed(117),
        truncate_every=truncate_every,
    )
    means = [(r.log_weights.exp() * r.state[..., 0]).sum() for r in records]
    gradients = [
        torch.autograd.grad(mean, kick, retain_graph=True)[0]
        if mean.requires_grad
        else torch.zeros((), dtype=F64)
        for mean in means
    ]
    return gradients, means


def test_truncation_cuts_the_graph_and_leaves_the_values() -> None:
    whole, means = kick_gradients(None)
    cut, same = kick_gradients(3)
    for a, b in zip(means, same, strict=True):
        assert torch.equal(a.detach(), b.detach())
    assert [bool(g != 0) for g in whole] == [False, True, True, True, True]
    assert [bool(g != 0) for g in cut] == [False, True, True, False, False]
    assert torch.equal(whole[1], cut[1])
    assert torch.equal(whole[2], cut[2])


def test_the_smoothed_sequence_passes_gradients_to_both_filters() -> None:
    """The generative weights see the mixtures, so motions before and after t are felt at t."""
    inputs, *_ = repeated_sequence(SYSTEM, 4, 2, seed=118)
    kicks = [torch.zeros((), dtype=F64, requires_grad=True) for _ in inputs]
    pushed = [
        step._replace(control=step.control + kick) for step, kick in zip(inputs, kicks, strict=True)
    ]
    resampler = ImportanceWeighted(MixtureResampler(line_kernel(0.4)))
    generator = torch.Generator().manual_seed(119)
    start = torch.randn(2, 30, 1, generator=generator, dtype=F64)
    prior = Belief(start, uniform(2, 30, start))
    forward = filter_sequence(prior, pushed, ScalarModel(SYSTEM), resampler, generator)
    reverse = reverse_inputs(pushed)
    backward = filter_sequence(prior, reverse, ReversedModel(SYSTEM), resampler, generator)
    kernel, flat = line_kernel(0.4), GenerativeScorer(None)
    smoothed = smooth_sequence(forward, backward[::-1], kernel, kernel, flat, 30, generator)
    mean = (smoothed.log_weights[:, 2].exp() * smoothed.state[:, 2, :, 0]).sum()
    gradients = torch.autograd.grad(mean, kicks[1:])
    assert all(bool(torch.isfinite(g)) and bool(g != 0) for g in gradients)
