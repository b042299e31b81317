"""Index schemes and resamplers (specification: 5, 7)."""

from __future__ import annotations

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from mdps_ros.core import resampling, weights
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.protocols import IndexScheme, Resampler
from mdps_ros.core.resampling import (
    EssTriggered,
    IndexResampler,
    MixtureResampler,
    multinomial,
    residual,
    stratified,
    systematic,
)
from mdps_ros.core.tree import gather_axis, gather_particles

F64 = torch.float64
SCHEMES: list[IndexScheme] = [multinomial, stratified, systematic, residual]
every_scheme = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: scheme.__name__)


def skewed_log_weights(batch: int) -> Tensor:
    row = torch.tensor([0.0, 0.31, 0.02, 0.0, 0.4, 0.07, 0.2, 0.0], dtype=F64)
    return row.log().expand(batch, -1)


def bin_counts(index: Tensor, particles: int) -> Tensor:
    return torch.nn.functional.one_hot(index, particles).sum(1).double()


@every_scheme
@pytest.mark.parametrize("count", [5, 8, 13])
def test_expected_counts_are_proportional_to_the_weights(scheme: IndexScheme, count: int) -> None:
    """Specification 5: 20,000 replications, 5 standard errors; N_draw differs from N."""
    log_weights = skewed_log_weights(20_000)
    index = scheme(log_weights, count, torch.Generator().manual_seed(1))
    assert index.shape == (20_000, count)
    counts = bin_counts(index, 8)
    error = (counts.mean(0) - count * log_weights[0].exp()).abs()
    assert (error <= 5 * counts.std(0) / 20_000**0.5 + 1e-12).all(), error
    assert (counts[:, [0, 3, 7]] == 0).all()


def test_a_scheme_that_ignores_the_weights_fails_the_count_test() -> None:
    """Specification 5."""

    def uniform_draws(log_weights: Tensor, count: int, generator: torch.Generator) -> Tensor:
        return multinomial(torch.zeros_like(log_weights), count, generator)

    with pytest.raises(AssertionError):
        test_expected_counts_are_proportional_to_the_weights(uniform_draws, 8)


@pytest.mark.parametrize(
    ("scheme", "bound"), [(stratified, 2.0), (systematic, 1.0)], ids=["stratified", "systematic"]
)
def test_counts_never_stray_far_from_expectation(scheme: IndexScheme, bound: float) -> None:
    """Specification 5."""
    generator = torch.Generator().manual_seed(2)
    log_weights = torch.randn(500, 40, generator=generator, dtype=F64).mul(2).log_softmax(-1)
    for count in (40, 25):
        counts = bin_counts(scheme(log_weights, count, generator), 40)
        assert ((counts - count * log_weights.exp()).abs() < bound + 1e-9).all()


def test_residual_keeps_the_whole_part_of_each_count() -> None:
    log_weights = skewed_log_weights(100)
    counts = bin_counts(residual(log_weights, 13, torch.Generator().manual_seed(3)), 8)
    assert (counts >= torch.floor(13 * log_weights.exp())).all()


def test_residual_is_deterministic_where_counts_are_whole() -> None:
    log_weights = torch.tensor([[0.5, 0.0, 0.25, 0.25]], dtype=F64).log()
    index = residual(log_weights, 8, torch.Generator().manual_seed(4))
    assert index.tolist() == [[0, 0, 0, 0, 2, 2, 3, 3]]


@every_scheme
def test_zero_weight_is_never_chosen_where_the_float_sum_ends_below_one(
    scheme: IndexScheme, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Specification 5: 2,048 float32 weights, the last one zero, draws as large as they get."""
    generator = torch.Generator().manual_seed(5)
    log_weights = torch.randn(400, 2048, generator=generator)
    log_weights[:, -1] = -math.inf
    log_weights = log_weights.log_softmax(-1)
    cumulative = log_weights.exp().cumsum(-1)
    assert (cumulative[:, -1] < 1).any(), "the case that this test is about does not occur"

    def largest(shape: tuple[int, ...], **options: object) -> Tensor:
        return torch.full(shape, 1 - 2**-53, dtype=F64)

    monkeypatch.setattr(torch, "rand", largest)
    index = scheme(log_weights, 2048, generator)
    assert (index < 2047).all()


@every_scheme
def test_one_particle_with_all_the_mass_is_always_chosen(scheme: IndexScheme) -> None:
    """Specification 5."""
    for position in (0, 3, 6):
        log_weights = torch.full((2, 7), -math.inf)
        log_weights[:, position] = 0.0
        assert (scheme(log_weights, 9, torch.Generator().manual_seed(6)) == position).all()


@every_scheme
def test_a_single_particle_can_be_resampled(scheme: IndexScheme) -> None:
    assert (scheme(torch.zeros(3, 1), 4, torch.Generator().manual_seed(7)) == 0).all()


class Bank(NamedTuple):
    """Pose and mean per particle, one factor for all."""

    pose: Tensor
    mean: Tensor
    chol: Tensor

    def gather_particles(self, index: Tensor) -> Bank:
        return Bank(gather_axis(self.pose, index), gather_axis(self.mean, index), self.chol)


def some_bank() -> Bank:
    generator = torch.Generator().manual_seed(8)
    return Bank(
        torch.randn(2, 5, 3, generator=generator, dtype=F64),
        torch.randn(2, 5, 4, generator=generator, dtype=F64),
        torch.eye(4, dtype=F64).expand(2, 4, 4),
    )


def test_gather_takes_the_same_particles_of_every_leaf() -> None:
    index = torch.tensor([[4, 0, 0], [1, 2, 3]])
    tree = {"a": torch.arange(10).reshape(2, 5), "b": torch.arange(40).reshape(2, 5, 4)}
    taken = gather_particles(tree, index)
    assert taken["a"].tolist() == [[4, 0, 0], [6, 7, 8]]
    assert torch.equal(taken["b"][:, :, 0] // 4, taken["a"])
    assert torch.equal(gather_axis(tree["b"][:1], index[:1]), taken["b"][:1])


@pytest.mark.parametrize(
    "resampler",
    [IndexResampler(), MixtureResampler(pose_kernel(torch.tensor([0.1, 0.1, 0.01]).double()))],
    ids=["index", "mixture"],
)
def test_shared_leaves_are_passed_on_and_particles_travel_together(resampler: Resampler) -> None:
    bank = some_bank()
    log_weights = torch.randn(2, 5, generator=torch.Generator().manual_seed(9), dtype=F64)
    drawn = resampler(bank, log_weights.log_softmax(-1), 7, torch.Generator().manual_seed(10))
    assert drawn.state.chol is bank.chol
    assert torch.equal(drawn.state.mean, gather_axis(bank.mean, drawn.ancestors))
    offset = drawn.state.pose - gather_axis(bank.pose, drawn.ancestors)
    assert (offset.abs() < 1.0).all()
    assert (offset.abs().amax() > 0) == isinstance(resampler, MixtureResampler)
    torch.testing.assert_close(drawn.log_weights, torch.full((2, 7), -math.log(7), dtype=F64))
    assert drawn.resampled.all()


def test_ess_trigger_resamples_only_the_degenerate_rows() -> None:
    bank = some_bank()
    log_weights = torch.log_softmax(torch.tensor([[0.1] * 5, [9.0, 0, 0, 0, 0]]).double(), -1)
    resampler = EssTriggered(IndexResampler(), 0.5)
    drawn = resampler(bank, log_weights, 5, torch.Generator().manual_seed(11))
    assert drawn.resampled.tolist() == [False, True]
    assert torch.equal(drawn.state.mean[0], bank.mean[0])
    assert torch.equal(drawn.log_weights[0], log_weights[0])
    assert torch.equal(drawn.ancestors[0], torch.arange(5))
    assert torch.equal(drawn.state.mean[1], bank.mean[1][drawn.ancestors[1]])
    torch.testing.assert_close(drawn.log_weights[1].exp().sum().item(), 1.0)


def test_ess_trigger_leaves_a_healthy_belief_and_the_generator_alone() -> None:
    bank, generator = some_bank(), torch.Generator().manual_seed(12)
    before = generator.get_state()
    even = weights.uniform(2, 5, bank.pose)
    drawn = EssTriggered(IndexResampler(), 0.9)(bank, even, 5, generator)
    assert drawn.state is bank
    assert not drawn.resampled.any()
    assert torch.equal(generator.get_state(), before)


def test_a_new_particle_number_always_resamples() -> None:
    bank = some_bank()
    even = weights.uniform(2, 5, bank.pose)
    resampler = EssTriggered(IndexResampler(), 0.0)
    drawn = resampler(bank, even, 9, torch.Generator().manual_seed(13))
    assert drawn.resampled.all()
    assert drawn.state.pose.shape == (2, 9, 3)


@pytest.mark.parametrize("scheme", [stratified, systematic])
@pytest.mark.parametrize("batch", [1, 3])
def test_counting_copies_finds_what_a_search_finds(
    monkeypatch: pytest.MonkeyPatch, scheme: IndexScheme, batch: int
) -> None:
    """The way of many particles against that of few, with the same draws."""
    generator = torch.Generator().manual_seed(11)
    for count in (1, 7, 300):
        log_weights = (4.0 * torch.randn(batch, 250, generator=generator)).log_softmax(-1)
        log_weights[:, -40:] = -math.inf
        log_weights[0, :5] = -math.inf
        monkeypatch.setattr(resampling, "_COUNTED", 1 << 30)
        searched = scheme(log_weights, count, torch.Generator().manual_seed(5))
        monkeypatch.setattr(resampling, "_COUNTED", 0)
        counted = scheme(log_weights, count, torch.Generator().manual_seed(5))
        assert torch.equal(searched, counted)
