"""How a walk backwards is done, and what it wants of a frame wherever it begins."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from mdps_ros.core.adaptive import occupied_cells
from mdps_ros.core.cells import PoseGrid
from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.core.types import Belief, MixtureBelief
from mdps_ros.models.map_error import on_map
from mdps_ros.models.vehicle_backward import BackwardVehicleModel
from mdps_ros.runtime.smoothing.frames import FilterFrame, thinned
from mdps_ros.settings import MapErrorSettings, Settings

BROADENING = 5.0  # of the filter's kernel, for the density that guides a walk
WIDE_CELLS = 1000  # that a belief occupies when it hardly says where the vehicle is


@dataclass(frozen=True)
class PassSetup:
    """How a walk backwards is done.

    Attributes:
        model: backward motion.
        kernel: of the filters' poses.
        fraction: of the particles, below which effective number they are drawn anew.
        least_size: effective number of particles that a part of a measurement leaves.
        grid: cells in which the spread of a belief is counted.
        particles: of the backward filter where the belief is narrow, and smoothed ones per frame.
        per_cell: backward particles for every occupied cell, where these are more.
        most: times `particles`, the most that is spent on a wide belief.
        least_met: effective particles of the filter below which both filters propose places.
        least_combined: effective ones of these places, below which many more are proposed; and of
            any smoothed belief, below which it is told by draws of its mixture.
        divided: see `vehicle_smoothing.combine`.
        alone: whether a walk goes on without the filter through what that searched in vain; false
            is for comparison only.
    """

    model: BackwardVehicleModel
    kernel: ProductKernel
    fraction: float
    least_size: float
    grid: PoseGrid
    particles: int
    per_cell: float = 10.0
    most: int = 5
    least_met: float = 50.0
    least_combined: float = 20.0
    divided: bool = True
    alone: bool = True

    @property
    def guides(self) -> int:
        """Forward particles that the artificial prior is made of."""
        return 2 * self.particles

    @property
    def map_error(self) -> MapErrorSettings:
        """The map error of both filters."""
        return self.model.map_error


def pass_setup(settings: Settings, map_error: MapErrorSettings, device: torch.device) -> PassSetup:
    """The walk that goes with a localizer's settings.

    Args:
        settings: the whole tree.
        map_error: of the map at hand.
        device: where particles live.
    """
    limits = settings.filter
    position, yaw = limits.bandwidth_position, limits.bandwidth_yaw
    return PassSetup(
        model=BackwardVehicleModel(settings.motion, map_error),
        kernel=pose_kernel(torch.tensor([position, position, yaw**2], device=device)),
        fraction=limits.ess_fraction,
        least_size=limits.tempering_size,
        grid=PoseGrid(limits.kld_bin, limits.kld_bin_yaw),
        particles=settings.smoother.particles,
    )


@dataclass(frozen=True)
class Station:
    """A frame on the way back; what does not depend on the walk is found once.

    Attributes:
        frame: what the filter left.
        setup: of the walks.
    """

    frame: FilterFrame
    setup: PassSetup

    @cached_property
    def ends_wide(self) -> bool:
        """Whether the filter hardly knew where the vehicle was, measured."""
        return self._wide(self.frame.filtered)

    @cached_property
    def comes_wide(self) -> bool:
        """Whether it hardly foresaw where the vehicle would be."""
        return self._wide(self.frame.predicted)

    @cached_property
    def cells(self) -> float:
        """Cells that the filter's belief occupies."""
        state, log_weights = self.frame.filtered
        return float(occupied_cells(state.pose, log_weights, self.setup.grid))

    @cached_property
    def foreseen(self) -> MixtureBelief:
        """A density over poses on the map that covers what the filter foresaw."""
        return broadened(thinned(self.frame.predicted, self.setup.guides), self.setup)

    def _wide(self, belief: Belief) -> bool:
        few = thinned(belief, 2 * WIDE_CELLS)
        return float(occupied_cells(few.state.pose, few.log_weights, self.setup.grid)) > WIDE_CELLS


def broadened(belief: Belief, setup: PassSetup) -> MixtureBelief:
    """A density over poses on the map that covers a belief of the forward filter."""
    kernel = setup.kernel.widened(BROADENING)
    return MixtureBelief(on_map(belief.state), belief.log_weights, kernel)
