"""Resampling: which particles, then what becomes of them.

An index scheme chooses ancestors. A resampler turns them into a new particle set: copies
(`IndexResampler`), or draws from the kernel mixture around them (`MixtureResampler`, the MDPF).
`EssTriggered` wraps either. Versions with gradients are in `gradients`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.protocols import IndexScheme, Resampler
from mdps_ros.core.tree import choose_rows, gather_particles, pose_of, with_pose
from mdps_ros.core.types import Resampled, StateTree
from mdps_ros.core.weights import effective_size, masses, uniform

# Draws from which on counting the copies of each particle is faster than a search for each draw.
_COUNTED = 1 << 13


def multinomial(
    log_weights: Float[Tensor, "B N"], count: int, generator: torch.Generator
) -> Int[Tensor, "B M"]:
    """Independent draws."""
    shape = (log_weights.shape[0], count)
    return _invert(log_weights.double().exp(), _rand(shape, log_weights, generator))


def stratified(
    log_weights: Float[Tensor, "B N"], count: int, generator: torch.Generator
) -> Int[Tensor, "B M"]:
    """One draw in each of `count` equal strata of the cumulative weight; indices ascend."""
    offset = _rand((log_weights.shape[0], count), log_weights, generator)
    return _comb(log_weights.double().exp(), offset)


def systematic(
    log_weights: Float[Tensor, "B N"], count: int, generator: torch.Generator
) -> Int[Tensor, "B M"]:
    """The same draw in each of `count` equal strata; indices ascend."""
    weights = masses(log_weights).double()  # in float32 to 1e-7 of itself, for a fifth of the time
    offset = _rand((log_weights.shape[0], 1), log_weights, generator)
    if count < _COUNTED:
        return _comb(weights, offset.expand(-1, count))
    cumulative = weights.cumsum(-1)
    # as many teeth k + offset lie below the end of a weight
    below = (cumulative * (count / cumulative[:, -1:])).sub_(offset).ceil_().long()
    return _copied(below, count)


def residual(
    log_weights: Float[Tensor, "B N"], count: int, generator: torch.Generator
) -> Int[Tensor, "B M"]:
    """floor(count w) copies of each particle, the rest independent draws from what is left."""
    weights = log_weights.double().exp()
    copies = torch.floor(count * weights)
    slots = torch.arange(count, device=weights.device, dtype=weights.dtype).expand(
        weights.shape[0], count
    )
    ends = copies.cumsum(-1)
    certain = torch.searchsorted(ends, slots.contiguous(), right=True)
    rest = (count * weights - copies).clamp(min=0.0)
    # a row that came out even has no rest; its draws are not used, but must be legal
    rest = torch.where(rest.sum(-1, keepdim=True) > 0.0, rest, weights)
    drawn = _invert(rest, _rand((weights.shape[0], count), log_weights, generator))
    return torch.where(slots < ends[:, -1:], certain.clamp(max=weights.shape[1] - 1), drawn)


def _rand(shape: tuple[int, int], like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=like.device, dtype=torch.float64)


def _comb(weights: Float[Tensor, "B N"], offset: Float[Tensor, "B M"]) -> Int[Tensor, "B M"]:
    """The index at the quantile (k + offset k) / M of the cumulative weight, for each tooth k."""
    count = offset.shape[1]
    if count < _COUNTED:
        teeth = torch.arange(count, device=offset.device, dtype=offset.dtype)
        return _invert(weights, (teeth + offset) / count)
    cumulative = weights.cumsum(-1)
    place = cumulative * (count / cumulative[:, -1:])
    tooth = place.long().clamp_(max=count - 1)
    # how many teeth lie below the end of each weight
    return _copied(tooth + (offset.gather(1, tooth) < place - tooth), count)


def _copied(below: Int[Tensor, "B N"], count: int) -> Int[Tensor, "B M"]:
    """Each index as often as teeth lie between the end of its predecessor's weight and of its own.

    All teeth lie below the end of the last weight, however that was rounded.
    """
    batch, present = below.shape
    below[:, -1] = count
    copies = below.clone()
    copies[:, 1:].sub_(below[:, :-1])
    copies.clamp_(min=0)
    index = torch.repeat_interleave(copies.view(-1), output_size=batch * count).view(batch, count)
    return index if batch == 1 else index - present * torch.arange(batch).to(index)[:, None]


def _invert(weights: Float[Tensor, "B N"], quantiles: Float[Tensor, "B M"]) -> Int[Tensor, "B M"]:
    """First index whose cumulative weight exceeds the quantile of the total.

    A zero weight has the same cumulative value as its predecessor, so it is never first; a
    quantile that rounds up to the total is put just below it.
    """
    cumulative = weights.cumsum(-1)
    total = cumulative[:, -1:]
    below = torch.nextafter(total, torch.zeros_like(total))
    return torch.searchsorted(cumulative, torch.minimum(quantiles * total, below), right=True)


@dataclass(frozen=True)
class IndexResampler:
    """Copies of the chosen particles with equal weights; no gradient reaches the weights."""

    scheme: IndexScheme = stratified

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; see `protocols.Resampler`."""
        index = self.scheme(log_weights.detach(), count, generator)
        return _equal_weights(gather_particles(state, index), log_weights, index)


@dataclass(frozen=True)
class MixtureResampler:
    """Draws poses from the kernel mixture; the rest of the state goes with its component.

    The resampling of the mixture density particle filter (Younis and Sudderth, NeurIPS 2023) as
    used for inference: O(N), no gradient to the poses' past. `gradients.ImportanceWeighted` adds
    the gradient.
    """

    kernel: ProductKernel
    scheme: IndexScheme = stratified

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; see `protocols.Resampler`."""
        index = self.scheme(log_weights.detach(), count, generator)
        chosen = gather_particles(state, index)
        moved = with_pose(chosen, self.kernel.sample(pose_of(chosen), generator))
        return _equal_weights(moved, log_weights, index)


def _equal_weights(state: StateTree, log_weights: Tensor, index: Tensor) -> Resampled:
    batch, count = index.shape
    done = torch.ones(batch, dtype=torch.bool, device=index.device)
    return Resampled(state, uniform(batch, count, log_weights), index, done)


@dataclass(frozen=True)
class EssTriggered:
    """Resamples only the batch rows whose effective size is below `fraction` of N.

    Attributes:
        resampler: Used for those rows.
        fraction: In [0, 1].
    """

    resampler: Resampler
    fraction: float

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; see `protocols.Resampler`. A change of the particle number always resamples."""
        batch, present = log_weights.shape
        if count != present:
            return self.resampler(state, log_weights, count, generator)
        degenerate = effective_size(log_weights.detach()) < self.fraction * present
        own = torch.arange(present, device=log_weights.device).expand(batch, present)
        if not bool(degenerate.any()):
            return Resampled(state, log_weights, own, degenerate)
        drawn = self.resampler(state, log_weights, count, generator)
        kept = Resampled(state, log_weights, own, degenerate)
        chosen: Resampled = choose_rows(degenerate, drawn, kept)
        return chosen
