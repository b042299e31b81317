"""How particles are drawn anew, and how many, by a filter's settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from mdps_ros.core.adaptive import KldCount
from mdps_ros.core.cells import PoseGrid
from mdps_ros.core.kernels import pose_kernel
from mdps_ros.core.protocols import IndexScheme
from mdps_ros.core.resampling import (
    EssTriggered,
    MixtureResampler,
    multinomial,
    residual,
    stratified,
    systematic,
)
from mdps_ros.core.types import Belief
from mdps_ros.core.weights import effective_size
from mdps_ros.settings import FilterSettings

QUANTILE = 2.326  # the KLD bound holds with a probability of 99 %
SCHEMES: Mapping[str, IndexScheme] = MappingProxyType(
    {
        "stratified": stratified,
        "systematic": systematic,
        "residual": residual,
        "multinomial": multinomial,
    }
)
"""Words of `filter.resampling`."""


@dataclass(frozen=True)
class Redrawing:
    """What follows from the settings; `begun` is the number of particles a belief began with.

    Attributes:
        limits: the settings.
        mixture: draws anew from the mixture of kernels.
        resampler: the same, where too few particles hold the weight.
        counter: how many particles a belief needs.
    """

    limits: FilterSettings
    mixture: MixtureResampler
    resampler: EssTriggered
    counter: KldCount

    def count(self, belief: Belief, begun: int) -> int:
        """Particles of the next step: as many as now, or what KLD asks for when resampling."""
        present = belief.particle_count
        if float(effective_size(belief.log_weights)[0]) >= present * self.limits.ess_fraction:
            return present
        return self.wanted(belief, begun)

    def wanted(self, belief: Belief, begun: int) -> int:
        """Particles that KLD asks for, as far as they are allowed."""
        asked = self.counter(belief.state.pose, belief.log_weights)
        return min(asked, self._ceiling(begun))

    def _ceiling(self, begun: int) -> int:
        """A spread-out cloud would ask for many times what sampled its region well at first."""
        return min(max(begun, 20 * self.limits.particles_min), self.limits.particles_max)


def redrawing(settings: FilterSettings, device: torch.device) -> Redrawing:
    """How a filter on a device draws anew."""
    position, yaw = settings.bandwidth_position, settings.bandwidth_yaw
    mixture = MixtureResampler(
        pose_kernel(torch.tensor([position, position, yaw**2], device=device)),
        SCHEMES[settings.resampling],
    )
    counter = KldCount(
        PoseGrid(settings.kld_bin, settings.kld_bin_yaw),
        settings.kld_error,
        QUANTILE,
        settings.particles_min,
        settings.particles_max,
    )
    return Redrawing(settings, mixture, EssTriggered(mixture, settings.ess_fraction), counter)
