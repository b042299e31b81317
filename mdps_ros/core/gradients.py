"""Resamplers through which gradients pass, or deliberately do not.

All but the last give the same particles as the plain ones. Those of this file differ in the
derivative of the log-weights; the last two put the derivative into the poses.

| class | derivative through the draw | source |
|---|---|---|
| `Truncated` | none | TG-PF: Jonschkowski et al., RSS 2018 |
| `Soft` | of w / v, draw from v = (1 - a) w + a / N | SR-PF: Karkus et al., CoRL 2018 |
| `StopGradient` | of w / sg[w] of the chosen particle | Scibior and Wood, 2021 |
| `ImportanceWeighted` | of m(z) / sg[m(z)] | MDPF: Younis and Sudderth, NeurIPS 2023 |
| `ComponentWeighted` | of w_i K(z - x_i) / sg[.] for the component i drawn | below |
| `implicit.ImplicitlyReparameterised` | of the pose at fixed Rosenblatt transform | IRG-MDPF |
| `transport.Transport` | of the moved particles, exact | OT-PF: Corenflos et al., ICML 2021 |
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.protocols import IndexScheme, Resampler
from mdps_ros.core.resampling import MixtureResampler, stratified
from mdps_ros.core.tree import detach, gather_axis, gather_particles, pose_of
from mdps_ros.core.types import MixtureBelief, Resampled, StateTree


@dataclass(frozen=True)
class Truncated:
    """Cuts the graph: neither the new particles nor their weights know where they came from."""

    resampler: Resampler

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; see `protocols.Resampler`."""
        return self.resampler(detach(state), log_weights.detach(), count, generator)


@dataclass(frozen=True)
class StopGradient:
    """Discrete resampling whose weights are 1/N in value and w / sg[w] in derivative.

    The score-function gradient: unbiased for the choice of particles, high in variance.
    """

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
        chosen = gather_axis(log_weights, index)
        new = chosen - chosen.detach() - math.log(count)
        return Resampled(gather_particles(state, index), new, index, _all_rows(index))


@dataclass(frozen=True)
class Soft:
    """Discrete resampling from v = (1 - mixing) w + mixing / N with new weights w / v.

    Spends draws on particles of no weight to get a gradient; that gradient is still biased, as
    the choice itself has none. The new weights sum to one in expectation only.

    Attributes:
        mixing: In [0, 1]; 0 is plain resampling, 1 draws uniformly.
    """

    mixing: float
    scheme: IndexScheme = stratified

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; see `protocols.Resampler`."""
        log_proposal = self._log_proposal(log_weights)
        index = self.scheme(log_proposal.detach(), count, generator)
        chosen, proposed = gather_axis(log_weights, index), gather_axis(log_proposal, index)
        new = chosen - proposed - math.log(count)
        return Resampled(gather_particles(state, index), new, index, _all_rows(index))

    def _log_proposal(self, log_weights: Tensor) -> Tensor:
        # the ends apart: logaddexp of two -inf has a NaN derivative
        floor = torch.full_like(log_weights, -math.log(log_weights.shape[1]))
        if self.mixing <= 0.0:
            return log_weights
        if self.mixing >= 1.0:
            return floor
        kept = log_weights + math.log1p(-self.mixing)
        return torch.logaddexp(kept, floor + math.log(self.mixing))


def _all_rows(index: Tensor) -> Tensor:
    return torch.ones(index.shape[0], dtype=torch.bool, device=index.device)


@dataclass(frozen=True)
class ImportanceWeighted:
    """Importance-weighted samples gradient (IWSG) of a draw from the kernel mixture.

    With z ~ m(. | x, w, h) held fixed, the weight m(z | x, w, h) / sg[m(z | x, w, h)] is 1 in
    value and carries d log m: the gradient of E_m[g(z)] is unbiased for every function g of the
    pose (Younis and Sudderth, NeurIPS 2024, Eq. 7). O(N^2) with gradients; without, the weights
    are not evaluated and it costs what `MixtureResampler` costs.

    State beside the pose follows the component that was drawn, which this weight sums over; use
    `ComponentWeighted` where its gradient matters.
    """

    resampler: MixtureResampler

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; see `protocols.Resampler`."""
        drawn = self.resampler(state, log_weights, count, generator)
        source = MixtureBelief(pose_of(state), log_weights, self.resampler.kernel)
        if not needs_gradient(source):
            return drawn
        density = mixture.log_prob(source, pose_of(drawn.state))
        return drawn._replace(log_weights=drawn.log_weights + (density - density.detach()))


@dataclass(frozen=True)
class ComponentWeighted:
    """The importance weight of component and pose together: w_i K(z - x_i) over its own value.

    Unbiased for functions of the whole state, also of what travels with the component, in O(N);
    its variance is that of a score function for the choice of component.
    """

    resampler: MixtureResampler

    def __call__(
        self,
        state: StateTree,
        log_weights: Float[Tensor, "B N"],
        count: int,
        generator: torch.Generator,
    ) -> Resampled:
        """Draws; see `protocols.Resampler`."""
        drawn = self.resampler(state, log_weights, count, generator)
        kernel = self.resampler.kernel
        source = MixtureBelief(pose_of(state), log_weights, kernel)
        if not needs_gradient(source):
            return drawn
        centres = gather_axis(source.poses, drawn.ancestors)
        density = gather_axis(log_weights, drawn.ancestors) + kernel.log_prob(
            pose_of(drawn.state), centres
        )
        return drawn._replace(log_weights=drawn.log_weights + (density - density.detach()))


def needs_gradient(source: MixtureBelief) -> bool:
    """Whether anything will be differentiated in the mixture's parameters."""
    tensors = (source.poses, source.log_weights, source.kernel.bandwidth)
    return torch.is_grad_enabled() and any(tensor.requires_grad for tensor in tensors)
