"""One walk backwards over remembered filter frames, smoothing each on the way."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import filtering, mixture
from mdps_ros.core.aligned_kernel import aligned_kernel
from mdps_ros.core.pair_shares import PairTerms, kernel_exponents, log_tops
from mdps_ros.core.resampling import EssTriggered, MixtureResampler, stratified
from mdps_ros.core.tempering import weigh_in_parts
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs
from mdps_ros.core.weights import DegenerateWeightsError, effective_size, normalise, uniform
from mdps_ros.models.map_error import on_map
from mdps_ros.models.motion import calibration_moments
from mdps_ros.models.vehicle_backward import BackwardStart
from mdps_ros.models.vehicle_smoothing import SmoothedVehicle, combine, future_alone, reweigh
from mdps_ros.runtime.smoothing.frames import FilterFrame, thinned
from mdps_ros.runtime.smoothing.setup import PassSetup, Station, broadened

WALKING_SPREAD = 2.0  # times the filter's spread of scale and bias, where a walk begins
MESSAGE_WIDTH = 2.0  # of the filter's kernel, at least, for what the future says
GUIDANCE = 6.0  # nats by which a guide prefers one place to another
REACH = 5.0  # kernel widths beyond which two particles do not meet
MORE_POINTS = 4  # times as many places where past and future meet, if hardly any counts
FORWARD_SHARE = 3  # forward particles for one backward particle,
COUNTED = 2  # of which this many times the usual number count at most


class SmoothedFrame(NamedTuple):
    """The smoothed belief of one frame; one batch row.

    Attributes:
        stamp_ns: of the frame.
        pose: (N, 3) x m, y m, yaw rad.
        log_weights: (N,) normalised.
        smoothed: False where the belief is the filter's: at the newest frame, and where past and
            future did not meet.
        confirmed: whether nothing was against a claim then or, of a smoothed belief, the walk began
            where a place was claimed; else a search may yet miss the vehicle.
    """

    stamp_ns: int
    pose: Float[Tensor, "N 3"]
    log_weights: Float[Tensor, " N"]
    smoothed: bool
    confirmed: bool


@torch.inference_mode()
def walk_back(
    stations: Sequence[Station], setup: PassSetup, generator: torch.Generator
) -> Iterator[SmoothedFrame]:
    """Smoothed beliefs of all frames, newest first.

    Where past and future do not meet, the frame gets the filter's belief and the walk begins anew
    from there: a walk that lost its way does not spoil what lies before. No walk begins where the
    filter does not know yet where the vehicle is: few particles would make a claim of that. But a
    filter that searches may miss the vehicle, and has ruled out then where it was: where it still
    searched, a walk from a place that it claimed later goes its way alone.

    Args:
        stations: oldest first, at least one.
        setup: theirs.
        generator: on the particles' device.
    """
    belief: Belief | None = None
    found_later = False  # whether the walk began where the filter had found the vehicle
    for index in range(len(stations) - 1, -1, -1):
        here, frame = stations[index], stations[index].frame
        found = None if belief is None else _meet(here, belief, setup, generator)
        if found is None and belief is not None and found_later and frame.searching:
            found = _alone(here, belief, setup, generator)
        if found is None:
            belief = None if here.ends_wide else _begin(stations[: index + 1], setup, generator)
            found_later = not frame.searching
            yield as_smoothed(frame)
        else:
            pose, log_weights = _told(found, setup, generator)
            sure = found_later or frame.confirmed
            yield SmoothedFrame(frame.stamp_ns, pose[0], log_weights[0], True, sure)
        if index and belief is not None:
            try:
                belief = _step_back(belief, frame, setup, generator)
                belief = _guide(belief, stations[index - 1])
            except DegenerateWeightsError:  # nowhere that the measurement allows
                belief = None


def as_smoothed(frame: FilterFrame) -> SmoothedFrame:
    """The filter's belief in the form of a smoothed one."""
    state, log_weights = frame.filtered
    return SmoothedFrame(
        frame.stamp_ns, state.pose[0], log_weights[0], False, confirmed=frame.confirmed
    )


def _told(
    found: SmoothedVehicle, setup: PassSetup, generator: torch.Generator
) -> tuple[Float[Tensor, "1 N 3"], Float[Tensor, "1 N"]]:
    """Poses and weights of a smoothed belief; draws of its mixture where hardly any pose counts.

    A pose that stands for itself alone would be told as certain.
    """
    if float(effective_size(found.log_weights)[0]) >= setup.least_combined:
        return found.pose, found.log_weights
    wide = MixtureBelief(found.pose, found.log_weights, setup.kernel.widened(MESSAGE_WIDTH))
    drawn, _ = mixture.sample(wide, setup.particles, stratified, generator)
    return drawn, uniform(1, setup.particles, found.log_weights)


def _begin(stations: Sequence[Station], setup: PassSetup, generator: torch.Generator) -> Belief:
    """Backward particles around the last frame's belief, which is divided out when they meet it."""
    here = stations[-1]
    filtered = thinned(here.frame.filtered, setup.guides)
    mean, spread = calibration_moments(filtered.state, filtered.log_weights)
    start = BackwardStart(
        source=broadened(filtered, setup),
        walking_mean=mean[:, :2],
        walking_sd=WALKING_SPREAD * spread[:, :2],
        horizon_s=sum(station.frame.dt_s for station in stations) + 1.0,
    )
    wanted = min(max(1.0, setup.per_cell * here.cells / setup.particles), setup.most)
    count = round(wanted * setup.particles)
    return filtering.init(setup.model, start, 1, count, generator)


def _guide(belief: Belief, earlier: Station) -> Belief:
    """Lets the artificial prior follow the forward filter, so that both stay together.

    The backward particles stand for gamma times what the future says. With gamma a broadened
    forward prediction of each time, they are drawn anew where they will be needed, and what is
    divided out again hardly varies among them. With that of the start alone, a stray particle in
    its tail would now and then outweigh all others; so that none does, gamma falls by `GUIDANCE` at
    most. Where the forward filter foresees next to nothing it is flat.
    """
    log_start = belief.state.log_start
    if earlier.comes_wide:
        log_gamma = torch.zeros_like(log_start)
    else:
        log_gamma = mixture.log_prob(earlier.foreseen, belief.state.pose)
        lowest = log_gamma.amax(-1, keepdim=True) - GUIDANCE
        log_gamma = torch.logaddexp(log_gamma, lowest)
    log_weights, _ = normalise(belief.log_weights + log_gamma - log_start)
    return Belief(belief.state._replace(log_start=log_gamma), log_weights)


def _step_back(
    belief: Belief, frame: FilterFrame, setup: PassSetup, generator: torch.Generator
) -> Belief:
    """Weighs by a frame's measurement and moves to the frame before it."""
    kernels = MixtureResampler(setup.kernel)

    def score(belief: Belief) -> Tensor | None:
        return frame.score(belief.state.pose)

    def weigh(belief: Belief, part: Tensor) -> Belief:
        return filtering.update(belief, lambda _: part, setup.model)[0]

    def redraw(belief: Belief) -> Belief:
        drawn = kernels(belief.state, belief.log_weights, belief.particle_count, generator)
        return Belief(drawn.state, drawn.log_weights)

    weighed = weigh_in_parts(belief, score, weigh, redraw, 1.0, setup.least_size)
    belief = belief if weighed is None else weighed
    inputs = StepInputs(frame.control, frame.dt_s, None)
    resampler = EssTriggered(kernels, setup.fraction)
    belief, _ = filtering.step(belief, inputs, setup.model, resampler, generator)
    return belief


def _meet(
    here: Station, belief: Belief, setup: PassSetup, generator: torch.Generator
) -> SmoothedVehicle | None:
    """The smoothed belief; None where past and future have no place in common."""
    frame = here.frame
    try:
        if here.comes_wide:
            return future_alone(belief, frame.score, generator)
        found = _reweighed(frame.filtered, belief, setup)
        if float(effective_size(found.log_weights)[0]) >= setup.least_met:
            return found
        pairs = kernel_exponents(setup.kernel, on_map(frame.predicted.state), belief.state.pose)
        near = thinned(_within_reach(frame.predicted, pairs), _most(belief, setup))
        return _combined(near, belief, frame, setup, generator)
    except DegenerateWeightsError:
        return None


def _alone(
    here: Station, belief: Belief, setup: PassSetup, generator: torch.Generator
) -> SmoothedVehicle | None:
    """What the future alone says; None where the measurement allows nothing of it."""
    if not setup.alone:
        return None
    try:
        return future_alone(belief, here.frame.score, generator)
    except DegenerateWeightsError:
        return None


def _combined(
    near: Belief,
    belief: Belief,
    frame: FilterFrame,
    setup: PassSetup,
    generator: torch.Generator,
) -> SmoothedVehicle | None:
    """Places that both filters propose: the first number of which enough count, else the best."""
    best, most = None, 0.0
    for count in (setup.particles // 2, MORE_POINTS * setup.particles // 2):
        try:
            found = combine(
                near,
                belief,
                setup.kernel,
                setup.map_error,
                frame.score,
                setup.model.motion.weak_share,
                count,
                generator,
                divided=setup.divided,
            )
        except DegenerateWeightsError:
            continue
        size = float(effective_size(found.log_weights)[0])
        if size > most:
            best, most = found, size
        if size >= setup.least_combined:
            break
    return best


def _reweighed(filtered: Belief, belief: Belief, setup: PassSetup) -> SmoothedVehicle:
    """The filter's particles by what the future says; those without reach of it have no weight.

    Raises:
        weights.DegenerateWeightsError: the heaviest one would be out of reach, so that past and
            future do not meet.
    """
    narrowest, share = setup.kernel.widened(MESSAGE_WIDTH), setup.model.motion.weak_share
    message = aligned_kernel(belief, narrowest)
    behind = message.turned(belief.state.pose)

    def within_reach(forward: Belief) -> Belief:
        mapped = message.turned(on_map(forward.state))
        return _within_reach(forward, kernel_exponents(message.kernel, mapped, behind))

    most = _most(belief, setup)
    if filtered.particle_count > 2 * most:  # so few more cost less than thinning
        near = thinned(within_reach(filtered), most)
        return reweigh(near, belief, message, setup.map_error, share, None)
    found = reweigh(filtered, belief, message, setup.map_error, share, None)
    heaviest = found.log_weights.argmax(-1, keepdim=True)
    within_reach(Belief(filtered.state.gather_particles(heaviest), uniform(1, 1, behind)))
    return found


def _most(backward: Belief, setup: PassSetup) -> int:
    """Forward particles that are worth their time."""
    wide = min(backward.particle_count, COUNTED * setup.particles)
    return FORWARD_SHARE * max(setup.particles, wide)


def _within_reach(forward: Belief, pairs: PairTerms) -> Belief:
    """The forward particles that backward ones can meet, by the kernel between them.

    Raises:
        weights.DegenerateWeightsError: there are none.
    """
    far = log_tops(pairs) < -0.5 * (2.0 * REACH) ** 2
    log_weights, _ = normalise(forward.log_weights.masked_fill(far, -math.inf))
    return Belief(forward.state, log_weights)
