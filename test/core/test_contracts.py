"""What every public function of the core keeps: the caller's data, dtypes, numeric edges."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mdps_ros.core import (
    adaptive,
    angles,
    cells,
    estimates,
    filtering,
    gradients,
    implicit,
    kalman,
    kernels,
    mixture,
    resampling,
    se2,
    transport,
    tree,
    weights,
)
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs

ROWS, PARTICLES, DRAWS = 2, 6, 9


class Walk:
    """Poses that drift; a measurement is a pose."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Tensor:
        return torch.randn(batch, count, 3, generator=generator)

    def propagate(
        self, state: Tensor, control: Tensor, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        noise = 0.1 * torch.randn(state.shape, generator=generator, dtype=state.dtype)
        return se2.compose(state, control[:, None] * dt_s) + noise

    def update(self, state: Tensor, measurement: Tensor) -> tuple[Tensor, Tensor]:
        difference = estimates.pose_difference(state, measurement[:, None])
        return state, -0.5 * difference.square().sum(-1)


def poses(dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(51)
    return torch.randn(ROWS, PARTICLES, 3, generator=generator, dtype=dtype)


def log_weights(dtype: torch.dtype) -> Tensor:
    values = torch.randn(
        ROWS, PARTICLES, generator=torch.Generator().manual_seed(52), dtype=dtype
    ).log_softmax(-1)
    values[0, 2] = -math.inf
    return weights.normalise(values)[0]


def kernel(dtype: torch.dtype) -> kernels.ProductKernel:
    return kernels.pose_kernel(torch.tensor([0.3, 0.4, 0.02], dtype=dtype))


def belief(dtype: torch.dtype) -> MixtureBelief:
    return MixtureBelief(poses(dtype), log_weights(dtype), kernel(dtype))


Call = Callable[..., Any]
Arguments = Callable[[torch.dtype], tuple[Any, ...]]


def resampled(resampler: Any) -> tuple[Call, Arguments]:
    return (
        lambda generator, *rest: resampler(*rest, DRAWS, generator),
        lambda dtype: (poses(dtype), log_weights(dtype)),
    )


def resampled_alike(resampler: Any) -> tuple[Call, Arguments]:
    """To the same number of particles."""
    return (
        lambda generator, *rest: resampler(*rest, PARTICLES, generator),
        lambda dtype: (poses(dtype), log_weights(dtype)),
    )


def stepped(generator: torch.Generator, start: Belief, inputs: StepInputs) -> Any:
    resampler = resampling.EssTriggered(resampling.IndexResampler(), 0.9)
    return filtering.step(start, inputs, Walk(), resampler, generator)


CASES: dict[str, tuple[Call, Arguments]] = {
    "wrap": (lambda g, a: angles.wrap(a), lambda d: (poses(d),)),
    "circular_mean": (
        lambda g, a, w: angles.circular_mean(a, w),
        lambda d: (poses(d)[..., 2], log_weights(d).exp()),
    ),
    "compose": (lambda g, a, b: se2.compose(a, b), lambda d: (poses(d), poses(d))),
    "exp": (lambda g, a: se2.exp(a), lambda d: (poses(d),)),
    "log": (lambda g, a: se2.log(a), lambda d: (poses(d),)),
    "normalise": (lambda g, w: weights.normalise(w), lambda d: (log_weights(d),)),
    "moments": (lambda g, *a: estimates.moments(*a), lambda d: (poses(d), log_weights(d))),
    "modes": (
        lambda g, *a: estimates.modes(*a, 3, 1.0, 0.5),
        lambda d: (poses(d), log_weights(d)),
    ),
    "mixture_modes": (
        lambda g, m: estimates.mixture_modes(m, 2, 20, (1.0, 1.0, 0.5), g),
        lambda d: (belief(d),),
    ),
    "mixture log_prob": (lambda g, *a: mixture.log_prob(*a), lambda d: (belief(d), poses(d))),
    "mixture sample": (
        lambda g, m: mixture.sample(m, DRAWS, resampling.residual, g)[0],
        lambda d: (belief(d),),
    ),
    "index": resampled(resampling.IndexResampler(resampling.systematic)),
    "mixture float32 kernel": (
        lambda g, p, w: resampling.MixtureResampler(kernel(p.dtype))(p, w, DRAWS, g),
        lambda d: (poses(d), log_weights(d)),
    ),
    "soft": resampled(gradients.Soft(0.2)),
    "stop gradient": resampled(gradients.StopGradient()),
    "truncated": resampled(gradients.Truncated(resampling.IndexResampler())),
    "transport": resampled_alike(transport.Transport((False, False, True))),
    "implicit": (
        lambda g, m: implicit.ImplicitlyReparameterised(resampling.MixtureResampler(m.kernel))(
            m.poses, m.log_weights, DRAWS, g
        ),
        lambda d: (belief(d),),
    ),
    "step": (
        stepped,
        lambda d: (
            Belief(poses(d), log_weights(d)),
            StepInputs(poses(d)[:, 0], 0.5, poses(d)[:, 1]),
        ),
    ),
    "occupied cells": (
        lambda g, *a: adaptive.occupied_cells(*a, cells.PoseGrid(0.5, 0.3)),
        lambda d: (poses(d), log_weights(d)),
    ),
    "cell entropy": (
        lambda g, *a: estimates.cell_entropy(*a, cells.PoseGrid(0.5, 0.3)),
        lambda d: (poses(d), log_weights(d)),
    ),
    "gather": (
        lambda g, p: tree.gather_particles(p, torch.zeros(ROWS, DRAWS, dtype=torch.long)),
        lambda d: (poses(d),),
    ),
    "kalman predict": (
        lambda g, m, s: kalman.predict(m, s, s, m, s),
        lambda d: (torch.ones(ROWS, 3, dtype=d), torch.eye(3, dtype=d).expand(ROWS, 3, 3)),
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", list(CASES))
def test_arguments_are_not_changed_results_repeat_and_keep_the_dtype(
    name: str, dtype: torch.dtype
) -> None:
    call, make_arguments = CASES[name]
    arguments = make_arguments(dtype)
    before = copy.deepcopy(arguments)
    results = [call(torch.Generator().manual_seed(53), *arguments) for _ in range(2)]
    for left, right in zip(tree_leaves(arguments), tree_leaves(before), strict=True):
        if isinstance(left, Tensor):
            assert torch.equal(left, right)
    for first, second in zip(*map(tree_leaves, results), strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=0, equal_nan=True)
        assert not first.dtype.is_floating_point or first.dtype == dtype


def test_poses_on_either_side_of_the_cut_are_neighbours() -> None:
    both = torch.tensor([[[0.0, 0.0, math.pi - 1e-3], [0.0, 0.0, -math.pi + 1e-3]]])
    even = weights.uniform(1, 2, both)
    mean, covariance = estimates.moments(both, even)
    assert abs(abs(mean[0, 2].item()) - math.pi) < 1e-5
    assert covariance[0, 2, 2].item() == pytest.approx(1e-6, rel=0.05)
    found = estimates.modes(both, even, 1, 1.0, 0.1)
    assert found.mass.item() == pytest.approx(1.0)
    density = mixture.log_prob(MixtureBelief(both, even, kernel(torch.float32)), both)
    torch.testing.assert_close(density[0, 0], density[0, 1])


def test_one_particle_goes_through_a_step() -> None:
    start = Belief(torch.zeros(1, 1, 3), torch.zeros(1, 1))
    inputs = StepInputs(torch.tensor([[1.0, 0.0, 0.1]]), 0.0, torch.zeros(1, 3))
    after, info = stepped(torch.Generator().manual_seed(54), start, inputs)
    assert after.log_weights.item() == 0.0
    assert info.ess.item() == 1.0


def test_a_nan_likelihood_stops_the_step_with_its_place() -> None:
    start = Belief(poses(torch.float32), log_weights(torch.float32))
    measurement = torch.tensor([[0.0, 0.0, 0.0], [math.nan, 0.0, 0.0]])
    with pytest.raises(weights.DegenerateWeightsError, match="batch row 1, particle 0 is nan"):
        stepped(
            torch.Generator().manual_seed(55),
            start,
            StepInputs(torch.zeros(ROWS, 3), 1.0, measurement),
        )


def test_beliefs_with_all_but_one_dead_particle_survive_a_mixture_step() -> None:
    dead = torch.full((ROWS, PARTICLES), -math.inf)
    dead[:, 3] = 0.0
    width = torch.tensor([0.3, 0.4, 0.02], requires_grad=True)
    resampler = gradients.ImportanceWeighted(
        resampling.MixtureResampler(kernels.pose_kernel(width))
    )
    inputs = StepInputs(torch.zeros(ROWS, 3), 1.0, torch.zeros(ROWS, 3))
    after, info = filtering.step(
        Belief(poses(torch.float32), dead),
        inputs,
        Walk(),
        resampler,
        torch.Generator().manual_seed(56),
    )
    assert (info.ancestors == 3).all()
    (gradient,) = torch.autograd.grad(info.log_evidence.sum(), width)
    assert torch.isfinite(gradient).all()
    assert torch.isfinite(after.log_weights).all()
