"""One walk backwards over remembered filter frames, smoothing each on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import filtering, mixture
from mdps_ros.core.adaptive import occupied_cells
from mdps_ros.core.cells import PoseGrid
from mdps_ros.core.kernels import ProductKernel, pose_kernel
from mdps_ros.core.pair_shares import kernel_terms, log_tops
from mdps_ros.core.resampling import EssTriggered, MixtureResampler
from mdps_ros.core.tempering import bearable_share
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs
from mdps_ros.core.weights import DegenerateWeightsError, effective_size, normalise, uniform
from mdps_ros.models.map_error import on_map
from mdps_ros.models.motion import calibration_moments
from mdps_ros.models.vehicle_backward import BackwardStart, BackwardVehicleModel
from mdps_ros.models.vehicle_smoothing import SmoothedVehicle, combine, future_alone, reweigh
from mdps_ros.runtime.smoother_frames import FilterFrame, thinned
from mdps_ros.settings import MapErrorSettings, Settings

BROADENING = 5.0  # of the filter's kernel, for the density that guides a walk
WALKING_SPREAD = 2.0  # times the filter's spread of scale and bias, for the same
PARTS = 8  # in which a sharp measurement may be taken
LEAST_SIZE = 50.0  # effective particles of the filter below which both filters propose places
MESSAGE_WIDTH = 2.0  # of the same, for what the future says: smooth, as it is seldom sharp
WIDE_CELLS = 1000  # that a belief occupies when it hardly says where the vehicle is
REACH = 5.0  # kernel widths beyond which two particles do not meet
FORWARD_SHARE = 3  # forward particles for one backward particle


class SmoothedFrame(NamedTuple):
    """The smoothed belief of one frame; one batch row.

    Attributes:
        stamp_ns: of the frame.
        pose: (N, 3) x m, y m, yaw rad.
        log_weights: (N,) normalised.
        smoothed: False where the belief is the filter's: at the newest frame, and where past and
            future did not meet.
    """

    stamp_ns: int
    pose: Float[Tensor, "N 3"]
    log_weights: Float[Tensor, " N"]
    smoothed: bool


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
    """

    model: BackwardVehicleModel
    kernel: ProductKernel
    fraction: float
    least_size: float
    grid: PoseGrid
    particles: int
    per_cell: float = 3.0
    most: int = 2

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


def walk_back(
    frames: Sequence[FilterFrame], setup: PassSetup, generator: torch.Generator
) -> Iterator[SmoothedFrame]:
    """Smoothed beliefs of all frames, newest first.

    Where past and future do not meet, the frame gets the filter's belief and the walk begins anew
    from there: a walk that lost its way does not spoil what lies before. No walk begins where the
    filter does not know yet where the vehicle is: few particles would make a claim of that.

    Args:
        frames: oldest first, at least one.
        setup: see `PassSetup`.
        generator: on the particles' device.
    """
    belief: Belief | None = None
    for index in range(len(frames) - 1, -1, -1):
        frame = frames[index]
        found = None if belief is None else _meet(frame, belief, setup, generator)
        if found is None:
            belief = (
                None if _wide(frame.filtered, setup) else _begin(frames, index, setup, generator)
            )
            filtered = frame.filtered
            yield _frame(frame, filtered.state.pose, filtered.log_weights, smoothed=False)
        else:
            yield _frame(frame, found.pose, found.log_weights, smoothed=True)
        if index and belief is not None:
            try:
                belief = _step_back(belief, frame, setup, generator)
                belief = _guide(belief, frames[index - 1], setup)
            except DegenerateWeightsError:  # nowhere that the measurement allows
                belief = None


def _wide(belief: Belief, setup: PassSetup) -> bool:
    """Whether a belief of the filter is so wide that it hardly says where the vehicle is."""
    few = thinned(belief, 2 * WIDE_CELLS)
    return float(occupied_cells(few.state.pose, few.log_weights, setup.grid)) > WIDE_CELLS


def _frame(
    frame: FilterFrame, pose: Tensor, log_weights: Tensor, *, smoothed: bool
) -> SmoothedFrame:
    return SmoothedFrame(frame.stamp_ns, pose[0], log_weights[0], smoothed)


def _begin(
    frames: Sequence[FilterFrame], index: int, setup: PassSetup, generator: torch.Generator
) -> Belief:
    """Backward particles around the filter's belief, which is divided out when they meet it."""
    frame = frames[index]
    filtered = thinned(frame.filtered, setup.guides)
    mean, spread = calibration_moments(filtered.state, filtered.log_weights)
    start = BackwardStart(
        source=_broadened(filtered, setup),
        walking_mean=mean[:, :2],
        walking_sd=WALKING_SPREAD * spread[:, :2],
        horizon_s=sum(earlier.dt_s for earlier in frames[: index + 1]) + 1.0,
    )
    cells = float(occupied_cells(frame.filtered.state.pose, frame.filtered.log_weights, setup.grid))
    wanted = min(max(1.0, setup.per_cell * cells / setup.particles), setup.most)
    count = round(wanted * setup.particles)
    return filtering.init(setup.model, start, 1, count, generator)


def _broadened(belief: Belief, setup: PassSetup) -> MixtureBelief:
    """A density over poses on the map that covers a belief of the forward filter."""
    kernel = setup.kernel.widened(BROADENING)
    return MixtureBelief(on_map(belief.state), belief.log_weights, kernel)


def _guide(belief: Belief, frame: FilterFrame, setup: PassSetup) -> Belief:
    """Lets the artificial prior follow the forward filter, so that both stay together.

    The backward particles stand for gamma times what the future says. With gamma a broadened
    forward prediction of each time, they are drawn anew where they will be needed, and what is
    divided out again hardly varies among them. With that of the start alone, a stray particle in
    its tail would now and then outweigh all others.
    """
    if _wide(frame.predicted, setup):
        return belief
    gamma = _broadened(thinned(frame.predicted, setup.guides), setup)
    log_gamma = mixture.log_prob(gamma, belief.state.pose)
    moved = belief.log_weights + log_gamma - belief.state.log_start
    log_weights, _ = normalise(moved)
    return Belief(belief.state._replace(log_start=log_gamma), log_weights)


def _step_back(
    belief: Belief, frame: FilterFrame, setup: PassSetup, generator: torch.Generator
) -> Belief:
    """Weighs by a frame's measurement and moves to the frame before it."""
    kernels = MixtureResampler(setup.kernel)
    share, parts = 1.0, 0
    while share > 0.0 and parts < PARTS:
        score = frame.score(belief.state.pose)
        if score is None:
            break
        borne = float(bearable_share(belief.log_weights, score, share, setup.least_size)[0])
        belief, _ = filtering.update(belief, lambda _, given=borne * score: given, setup.model)
        share, parts = share - borne, parts + 1
        if share > 0.0 and parts < PARTS:
            drawn = kernels(belief.state, belief.log_weights, belief.particle_count, generator)
            belief = Belief(drawn.state, drawn.log_weights)
    inputs = StepInputs(frame.control, frame.dt_s, None)
    resampler = EssTriggered(kernels, setup.fraction)
    belief, _ = filtering.step(belief, inputs, setup.model, resampler, generator)
    return belief


def _meet(
    frame: FilterFrame, belief: Belief, setup: PassSetup, generator: torch.Generator
) -> SmoothedVehicle | None:
    """The smoothed belief; None where past and future have no place in common."""
    share = setup.model.motion.weak_share
    try:
        if _wide(frame.predicted, setup):
            return future_alone(belief, frame.score, generator)
        near = _within_reach(frame.filtered, belief, setup)
        message = setup.kernel.widened(MESSAGE_WIDTH)
        found = reweigh(near, belief, message, setup.map_error, share, None)
        if float(effective_size(found.log_weights)[0]) >= LEAST_SIZE:
            return found
        near = _within_reach(frame.predicted, belief, setup)
        count = setup.particles // 2
        look = frame.score
        return combine(near, belief, setup.kernel, setup.map_error, look, share, count, generator)
    except DegenerateWeightsError:
        return None


def _within_reach(forward: Belief, backward: Belief, setup: PassSetup) -> Belief:
    """The forward particles that backward ones can meet, thinned.

    Raises:
        weights.DegenerateWeightsError: there are none.
    """
    equal = uniform(1, backward.particle_count, backward.log_weights)
    behind = MixtureBelief(backward.state.pose, equal, setup.kernel)
    nearest = log_tops(kernel_terms(on_map(forward.state), behind))
    highest = setup.kernel.log_peak() + equal[0, 0]
    far = nearest < highest - 0.5 * (2.0 * REACH) ** 2
    log_weights, _ = normalise(forward.log_weights.masked_fill(far, -math.inf))
    count = FORWARD_SHARE * max(setup.particles, backward.particle_count)
    return thinned(Belief(forward.state, log_weights), count)
