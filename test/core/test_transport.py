"""Resampling by optimal transport: the plan, its limits, and its gradient by differences."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import transport
from mdps_ros.core.angles import circular_mean, resultant
from mdps_ros.core.gradients import Truncated
from mdps_ros.core.resampling import EssTriggered
from mdps_ros.core.transport import Transport
from mdps_ros.core.types import Resampled
from mdps_ros.core.weights import uniform

from .oracles import F64

POSE = (False, False, True)
EXACT = {"threshold": 1e-13, "max_iterations": 5000}


def cloud(batch: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Poses about the cut of the angle, and weights of very different size."""
    generator = torch.Generator().manual_seed(seed)
    poses = torch.randn(batch, count, 3, generator=generator, dtype=F64)
    poses = poses * torch.tensor([3.0, 1.0, 0.5], dtype=F64) + torch.tensor([5.0, -2.0, math.pi])
    log_weights = torch.randn(batch, count, generator=generator, dtype=F64).mul(1.5)
    return poses, log_weights.log_softmax(-1)


def moved(resampler: Transport, poses: Tensor, log_weights: Tensor) -> Resampled:
    return resampler(poses, log_weights, poses.shape[1], torch.Generator())


@pytest.mark.parametrize("epsilon", [2.0, 0.5, 0.1])
def test_plan_has_the_old_weights_and_equal_new_ones(epsilon: float) -> None:
    poses, log_weights = cloud(3, 12, seed=1)
    log_weights[0, :4] = -math.inf
    log_weights = log_weights.log_softmax(-1)
    plan = Transport(POSE, epsilon, **EXACT).plan(poses, log_weights)
    torch.testing.assert_close(plan.sum(2), log_weights.exp(), atol=1e-14, rtol=0)
    torch.testing.assert_close(plan.sum(1), torch.full((3, 12), 1 / 12, dtype=F64))
    rough = Transport(POSE, epsilon, threshold=1e-2).plan(poses, log_weights)
    error = (12 * rough.sum(1) - 1).abs().max()
    assert 1e-12 < error < 1e-2


def scaled_cost(poses: Tensor, radius: float) -> Tensor:
    """Half squared distances of one cloud (N, 3), each coordinate over sqrt(4) the largest spread.

    Written out from the paper.
    """
    x, y, yaw = poses.unbind(-1)
    points = torch.stack((x, y, radius * yaw.cos(), radius * yaw.sin()), -1)
    points = points / (2.0 * points.std(0, correction=0).max())
    return 0.5 * (points[:, None] - points[None]).square().sum(-1)


def check_optimal(plan: Tensor, cost: Tensor, epsilon: float) -> None:
    """The optimum, and only it, is exp(-C / epsilon) with rows and columns scaled."""
    rest = plan.log() + cost / epsilon
    interaction = rest - rest.mean(0, keepdim=True) - rest.mean(1, keepdim=True) + rest.mean()
    assert interaction.abs().max() < 1e-9


@pytest.mark.parametrize("radius", [1.0, 2.5])
def test_plan_is_the_optimum_for_the_scaled_cost(radius: float) -> None:
    poses, log_weights = cloud(2, 9, seed=2)
    plans = Transport(POSE, 0.3, radius=radius, **EXACT).plan(poses, log_weights)
    for plan, row in zip(plans, poses, strict=True):
        check_optimal(plan, scaled_cost(row, radius), 0.3)
        with pytest.raises(AssertionError):
            check_optimal(plan, scaled_cost(row, radius), 0.31)


def test_small_epsilon_is_the_monotone_map_of_the_line() -> None:
    """Unregularised transport on a line: sorted quantiles; here 1/4 of the mass sits left."""
    state = torch.tensor([[[0.0], [1.0], [2.0], [3.0]]], dtype=F64)
    log_weights = torch.tensor([[0.25, 0.0, 0.0, 0.75]], dtype=F64).log()
    drawn = moved(Transport((False,), 0.002, **EXACT), state, log_weights)
    expected = torch.tensor([0.0, 3.0, 3.0, 3.0], dtype=F64)
    torch.testing.assert_close(drawn.state[0, :, 0], expected, atol=1e-6, rtol=0)
    assert drawn.ancestors.tolist() == [[0, 3, 3, 3]]


def test_large_epsilon_moves_everything_to_the_mean() -> None:
    poses, log_weights = cloud(1, 12, seed=3)
    drawn = moved(Transport(POSE, 1e6, **EXACT), poses, log_weights)
    mean = (log_weights.exp().unsqueeze(1) @ poses)[..., :2]
    torch.testing.assert_close(drawn.state[..., :2], mean.expand(1, 12, 2), atol=1e-4, rtol=0)
    angle = circular_mean(poses[..., 2], log_weights.exp())
    off = (drawn.state[..., 2] - angle[:, None]).sin().abs()
    assert off.max() < 1e-4


@pytest.mark.parametrize("max_iterations", [1, 4, 500])
def test_new_set_keeps_the_weighted_mean_even_where_the_iteration_was_cut(
    max_iterations: int,
) -> None:
    poses, log_weights = cloud(4, 20, seed=4)
    drawn = moved(Transport(POSE, 0.05, max_iterations=max_iterations), poses, log_weights)
    mean = (log_weights.exp().unsqueeze(1) @ poses).squeeze(1)
    torch.testing.assert_close(drawn.state[..., :2].mean(1), mean[:, :2], atol=1e-12, rtol=0)
    torch.testing.assert_close(drawn.log_weights, uniform(4, 20, poses), atol=0, rtol=0)
    assert drawn.resampled.all()


def test_the_cut_of_the_angle_does_not_matter() -> None:
    """Whole turns change nothing; a rotation of all turns the result; the mean is circular."""
    poses, log_weights = cloud(2, 12, seed=5)
    plain = moved(Transport(POSE, 0.3, **EXACT), poses, log_weights).state
    turns = torch.zeros_like(poses)
    turns[:, ::3, 2] = 2 * math.pi
    turned = moved(Transport(POSE, 0.3, **EXACT), poses + turns, log_weights).state
    torch.testing.assert_close(turned, plain, atol=1e-9, rtol=0)
    shifted = moved(Transport(POSE, 0.3, **EXACT), poses + 1.3, log_weights).state
    difference = shifted - plain - 1.3
    assert difference[..., :2].abs().max() < 1e-9
    assert difference[..., 2].sin().abs().max() < 1e-9
    weights = uniform(2, 12, poses).exp()
    assert resultant(plain[..., 2], weights).min() > 0.9, "headings about the cut were averaged"
    as_line = moved(Transport((False, False, False), 0.3), poses + turns, log_weights).state
    assert resultant(as_line[..., 2], weights).min() < 0.9, "the case says nothing"


def map_of(resampler: Transport, poses: Tensor, logits: Tensor) -> Tensor:
    """The moved particles in coordinates that have no cut."""
    state = moved(resampler, poses, logits.log_softmax(-1)).state
    return torch.cat((state[..., :2], state[..., 2:].cos(), state[..., 2:].sin()), -1)


def check_gradient(epsilon: float) -> None:
    poses, log_weights = cloud(2, 6, seed=6)
    resampler = Transport(POSE, epsilon, radius=1.5, **EXACT)
    leaves = (poses.requires_grad_(), log_weights.clone().requires_grad_())
    assert torch.autograd.gradcheck(lambda *x: map_of(resampler, *x), leaves, atol=1e-6)


@pytest.mark.parametrize("epsilon", [0.5, 0.1])
def test_gradient_is_that_of_the_map_by_finite_differences(epsilon: float) -> None:
    """Of poses and weights, through potentials, cost and its scale."""
    check_gradient(epsilon)


def test_gradient_with_frozen_potentials_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_with_implicit_gradient", lambda potential, *rest: potential)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        check_gradient(0.5)


def test_gradient_of_one_more_iteration_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the paper's code does: one differentiable Sinkhorn iteration at convergence."""

    def extrapolated(potential: Tensor, exponent: Tensor, log_weights: Tensor) -> Tensor:
        old = -(exponent + potential.unsqueeze(1)).logsumexp(-1)
        return -(exponent + (old + log_weights).unsqueeze(2)).logsumexp(1)

    monkeypatch.setattr(transport, "_with_implicit_gradient", extrapolated)
    with pytest.raises(RuntimeError, match="Jacobian mismatch"):
        check_gradient(0.5)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_gradients_stay_finite_at_the_edges(dtype: torch.dtype) -> None:
    """Dead particles, one with all the mass, equal particles, a plan that is the identity."""
    poses = cloud(4, 8, seed=7)[0].to(dtype)
    poses[2] = poses[2, :1]
    logits = torch.zeros(4, 8, dtype=dtype)
    logits[0, :3] = -math.inf
    logits[1, 1:] = -math.inf
    logits[3] = 0.0
    poses.requires_grad_()
    logits.requires_grad_()
    for epsilon in (0.5, 0.01):
        state = moved(Transport(POSE, epsilon), poses, logits.log_softmax(-1)).state
        assert state.dtype == dtype
        gradients = torch.autograd.grad(state.sin().sum(), (poses, logits))
        assert all(torch.isfinite(gradient).all() for gradient in gradients)


def test_single_precision_far_from_the_origin_agrees_with_double() -> None:
    poses, log_weights = cloud(3, 25, seed=8)
    far = poses + torch.tensor([4096.0, -2048.0, 0.0], dtype=F64)
    far = far.float().double()  # the same points in both
    exact = moved(Transport(POSE, 0.5), far, log_weights).state
    single = moved(Transport(POSE, 0.5), far.float(), log_weights.float()).state
    difference = single.double() - exact
    assert difference[..., :2].abs().max() < 5e-3
    assert difference[..., 2].sin().abs().max() < 5e-3


class Odd(NamedTuple):
    pose: Tensor
    mean: Tensor


def test_states_beside_the_pose_and_other_numbers_are_refused() -> None:
    poses, log_weights = cloud(1, 5, seed=9)
    generator = torch.Generator()
    with pytest.raises(TypeError, match="cannot average Odd"):
        Transport(POSE)(Odd(poses, poses), log_weights, 5, generator)
    with pytest.raises(ValueError, match="asked for 4 of 5"):
        Transport(POSE)(poses, log_weights, 4, generator)
    with pytest.raises(ValueError, match="3 dimensions but 1 entries"):
        Transport((False,))(poses, log_weights, 5, generator)


def test_it_composes_with_the_other_wrappers_and_draws_nothing() -> None:
    poses, log_weights = cloud(2, 10, seed=10)
    log_weights[1] = -math.log(10)
    poses.requires_grad_()
    generator = torch.Generator().manual_seed(11)
    before = generator.get_state()
    drawn = EssTriggered(Transport(POSE), 0.9)(poses, log_weights, 10, generator)
    assert torch.equal(generator.get_state(), before)
    assert drawn.resampled.tolist() == [True, False]
    assert torch.equal(drawn.state[1], poses[1])
    assert drawn.state.requires_grad
    assert not Truncated(Transport(POSE))(poses, log_weights, 10, generator).state.requires_grad


@pytest.mark.parametrize("wrong", [{"epsilon": 0.0}, {"epsilon": -1.0}, {"scaling": 1.5}])
def test_settings_that_cannot_converge_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="give epsilon > 0"):
        Transport((False,), **wrong)
