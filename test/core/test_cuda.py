"""The same results on CPU and CUDA: equal inputs, equal random numbers, values and gradients.

Random numbers are drawn on the CPU and moved, as the devices' own generators differ. Everything is
in double precision, where the order of sums is all that may differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from mdps_ros.core import estimates, filtering, gradients, kalman, kalman_bank, mixture, se2
from mdps_ros.core.implicit import ImplicitlyReparameterised
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.resampling import (
    EssTriggered,
    IndexResampler,
    MixtureResampler,
    multinomial,
    residual,
    stratified,
    systematic,
)
from mdps_ros.core.smoothing import Proposal, combine_two_filter
from mdps_ros.core.transport import Transport
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs

F64 = torch.float64
ROWS, PARTICLES = 3, 40
TOLERANCE = 1e-9

Call = Callable[..., Any]


def inputs() -> dict[str, Tensor]:
    """Everything the cases take, by name; all of it may be differentiated."""
    generator = torch.Generator().manual_seed(91)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=F64)

    factor = torch.eye(3, dtype=F64) + 0.2 * normal(ROWS, PARTICLES, 3, 3).tril()
    return {
        "poses": normal(ROWS, PARTICLES, 3),
        "log_weights": normal(ROWS, PARTICLES).log_softmax(-1),
        "bandwidth": torch.tensor([0.4, 0.3, 0.05], dtype=F64),
        "points": normal(ROWS, 17, 3),
        "mean": normal(ROWS, PARTICLES, 3),
        "factor": factor,
        "matrix": normal(3, 3),
        "measured": normal(ROWS, 2),
    }


class Walk:
    """Poses that drift; a measurement is a pose."""

    def sample_initial(
        self, batch: int, count: int, prior: Any, generator: torch.Generator
    ) -> Tensor:
        shape = (batch, count, 3)
        return torch.randn(shape, generator=generator, device=generator.device, dtype=F64)

    def propagate(
        self, state: Tensor, control: Tensor, dt_s: float, generator: torch.Generator
    ) -> Tensor:
        noise = torch.randn(
            state.shape, generator=generator, device=state.device, dtype=state.dtype
        )
        return se2.compose(state, control[:, None] * dt_s) + 0.1 * noise

    def update(self, state: Tensor, measurement: Tensor) -> tuple[Tensor, Tensor]:
        difference = estimates.pose_difference(state, measurement[:, None])
        return state, -0.5 * difference.square().sum(-1)


def belief_of(at: dict[str, Tensor]) -> MixtureBelief:
    return MixtureBelief(at["poses"], at["log_weights"], pose_kernel(at["bandwidth"]))


def bank_of(at: dict[str, Tensor]) -> kalman_bank.GaussianBank:
    return kalman_bank.GaussianBank(at["mean"], at["factor"])


def density(at: dict[str, Tensor], generator: torch.Generator) -> Any:
    far = belief_of(at)._replace(poses=at["poses"] * 1e7)  # takes the way by differences
    return mixture.log_prob(belief_of(at), at["points"]), mixture.log_prob(far, at["points"])


def resampled(make: Callable[[MixtureResampler], Any]) -> Call:
    def call(at: dict[str, Tensor], generator: torch.Generator) -> Any:
        resampler = make(MixtureResampler(pose_kernel(at["bandwidth"])))
        return resampler(at["poses"], at["log_weights"], PARTICLES, generator)

    return call


def time_update(at: dict[str, Tensor], generator: torch.Generator) -> Any:
    lower = at["factor"][0, 0]
    return kalman.predict(at["mean"], at["factor"], at["matrix"], at["mean"], lower)


def bank_step(at: dict[str, Tensor], generator: torch.Generator) -> Any:
    two, identity = at["matrix"][:2], torch.eye(3, dtype=F64, device=generator.device)
    dynamics = kalman_bank.Dynamics(
        at["poses"], at["matrix"], at["mean"], 0.9 * identity, identity, 0.1 * identity
    )
    moved = kalman_bank.propagate(bank_of(at), dynamics, generator)
    offset = torch.zeros(2, dtype=F64, device=generator.device)
    return moved, kalman_bank.update(moved.bank, two, offset, identity[:2, :2], at["measured"])


def combined(proposal: Proposal) -> Call:
    def call(at: dict[str, Tensor], generator: torch.Generator) -> Any:
        backward = belief_of(at)._replace(poses=at["poses"].flip(0) + 0.3)

        def score(points: Tensor, log_forward: Tensor, log_backward: Tensor) -> Tensor:
            return log_forward + log_backward - 0.1 * points.square().sum(-1)

        return combine_two_filter(belief_of(at), backward, score, 25, generator, proposal)

    return call


def filter_step(at: dict[str, Tensor], generator: torch.Generator) -> Any:
    resampler = gradients.ImportanceWeighted(MixtureResampler(pose_kernel(at["bandwidth"])))
    start = Belief(at["poses"], at["log_weights"])
    step = StepInputs(at["points"][:, 0], 0.5, at["points"][:, 1])
    return filtering.step(start, step, Walk(), resampler, generator)


def found_modes(at: dict[str, Tensor], generator: torch.Generator) -> Any:
    return estimates.modes(at["poses"], at["log_weights"], 3, 1.0, 0.5)


CASES: dict[str, Call] = {
    "mixture log_prob": density,
    "multinomial": resampled(lambda m: IndexResampler(multinomial)),
    "stratified": resampled(lambda m: IndexResampler(stratified)),
    "systematic": resampled(lambda m: IndexResampler(systematic)),
    "residual": resampled(lambda m: IndexResampler(residual)),
    "mixture": resampled(lambda m: m),
    "ess": resampled(lambda m: EssTriggered(m, 0.5)),
    "truncated": resampled(gradients.Truncated),
    "stop gradient": resampled(lambda m: gradients.StopGradient()),
    "soft": resampled(lambda m: gradients.Soft(0.2)),
    "importance weighted": resampled(gradients.ImportanceWeighted),
    "component weighted": resampled(gradients.ComponentWeighted),
    "implicit": resampled(ImplicitlyReparameterised),
    "transport": resampled(lambda m: Transport((False, False, True), threshold=1e-12)),
    "kalman predict": time_update,
    "bank": bank_step,
    "combination, sampled": combined(Proposal.SAMPLED),
    "combination, union": combined(Proposal.UNION),
    "filter step": filter_step,
    "modes": found_modes,
}


def evaluate(call: Call, device: str, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Every tensor of the case's result, then the gradients in the inputs, on the CPU."""
    source = torch.Generator().manual_seed(92)

    def from_source(original: Call) -> Call:
        def draw(*shape: Any, generator: Any, device: Any = None, **options: Any) -> Tensor:
            return original(*shape, generator=source, **options).to(device)

        return draw

    at = {name: value.to(device).requires_grad_() for name, value in inputs().items()}
    with monkeypatch.context() as patch:
        for name in ("rand", "randn"):
            patch.setattr(torch, name, from_source(getattr(torch, name)))
        result = call(at, torch.Generator(device))
    assert all(leaf.device.type == device for leaf in tree_leaves(result))
    total = sum((weighed(leaf) for leaf in tree_leaves(result)), next(iter(at.values())).sum())
    by_input = torch.autograd.grad(total, list(at.values()), allow_unused=True)
    leaves = [*tree_leaves(result), *(leaf for leaf in by_input if leaf is not None)]
    return [leaf.detach().cpu() for leaf in leaves]


def weighed(leaf: Tensor) -> Tensor:
    """Sum in which every element counts differently; 0 for what has no gradient."""
    if not leaf.requires_grad:
        return torch.zeros((), dtype=F64, device=leaf.device)
    factors = torch.linspace(-1.0, 2.0, leaf.numel(), dtype=F64, device=leaf.device)
    return (factors * leaf.reshape(-1)).nan_to_num().sum()


def check_parity(call: Call, other: Call, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = evaluate(call, "cpu", monkeypatch)
    there = evaluate(other, device, monkeypatch)
    for left, right in zip(here, there, strict=True):
        torch.testing.assert_close(right, left, atol=TOLERANCE, rtol=TOLERANCE, equal_nan=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here")
@pytest.mark.parametrize("name", list(CASES))
def test_cuda_gives_what_the_cpu_gives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    check_parity(CASES[name], CASES[name], "cuda", monkeypatch)


@pytest.mark.parametrize("name", list(CASES))
def test_the_comparison_repeats_itself(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """CPU against CPU: what differs on CUDA then differs because of it."""
    check_parity(CASES[name], CASES[name], "cpu", monkeypatch)


def test_the_comparison_sees_another_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another scheme, and a density that is off by 1e-6."""

    def shifted(at: dict[str, Tensor], generator: torch.Generator) -> Any:
        return tree_map(lambda leaf: leaf + 1e-6, density(at, generator))

    with pytest.raises(AssertionError):
        check_parity(density, shifted, "cpu", monkeypatch)
    with pytest.raises(AssertionError):
        check_parity(CASES["stratified"], CASES["systematic"], "cpu", monkeypatch)
