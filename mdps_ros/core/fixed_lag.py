"""Smoothing while driving: a forward filter and a window that runs backwards every few frames.

The backward filter of the window starts at the newest frame t from a flat density on a box around
the forward particles. Its particles are drawn where the forward filter (widened) has them, and
weights 1 / pi make them stand for the flat density: weighed with the forward weights instead, the
past would be counted twice. It goes back to t - L without seeing y_t-L, where it meets the forward
filter's predictive mixture as in `smoothing`.

State beside the pose follows the forward particles into the window. It knows the past already, so
only the pose of the smoothed belief is free of double counting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from mdps_ros.core import boxes, mixture
from mdps_ros.core.boxes import Box
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.mdps import FilterRecord, filter_sequence, reverse_inputs
from mdps_ros.core.protocols import Resampler, StateSpaceModel
from mdps_ros.core.resampling import stratified
from mdps_ros.core.smoothing import Scorer, combine_two_filter, combine_with_flat
from mdps_ros.core.tree import detach, gather_particles, pose_of, with_pose
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs
from mdps_ros.core.weights import normalise

# The box ends this many widened bandwidths beyond the outermost particle: draws of the widened
# mixture hardly ever fall outside it, where they would be lost.
_MARGIN = 3.0


@dataclass(frozen=True)
class FixedLag:
    """How the window is run.

    Attributes:
        lag: L, frames between the newest frame and the newest smoothed one.
        stride: S, frames between two windows; each smooths the lags L..L+S-1, so that every frame
            is smoothed once at the cost of (L + S) / S backward steps per frame.
        model: The backward filter's motion (from t + 1 to t, given the forward control) and
            measurement; its prior is not used.
        resampler: The backward filter's.
        kernel: Of the forward predictive mixtures and, widened, of the window's start.
        backward_kernel: Of the backward predictive mixtures.
        scorer: A frame's measurement (None where there was none) -> the smoother's weight
            function at that frame.
        window_count: Particles of the backward filter.
        count: Smoothed particles drawn from each of the two mixtures.
        broadening: How many times wider than `kernel` the window's start is, as standard
            deviations.
        flat_share: Share of the start's particles that are drawn flat on the box.

    Raises:
        ValueError: if one of the numbers is out of its range.
    """

    lag: int
    stride: int
    model: StateSpaceModel
    resampler: Resampler
    kernel: ProductKernel
    backward_kernel: ProductKernel
    scorer: Callable[[Any], Scorer]
    window_count: int
    count: int
    broadening: float = 3.0
    flat_share: float = 0.1

    def __post_init__(self) -> None:
        if self.lag < 0 or self.stride < 1:
            raise ValueError(f"lag {self.lag}, stride {self.stride}; give lag >= 0, stride >= 1")
        if self.count < 1 or not self.broadening >= 1.0:
            raise ValueError(
                f"count {self.count}, broadening {self.broadening}; "
                "give a count of at least 1 and a broadening of at least 1"
            )
        if not 0.0 < self.flat_share < 1.0 or self.window_count < 2:
            raise ValueError(
                f"a share of {self.flat_share} of {self.window_count} window particles cannot be "
                "flat; give a share between 0 and 1 of at least 2 particles"
            )

    @property
    def capacity(self) -> int:
        """Frames that have to be remembered."""
        return self.lag + self.stride


class Frame(NamedTuple):
    """One time of the forward filter, and the inputs that it took (control from t - 1 to t)."""

    record: FilterRecord
    inputs: StepInputs


class Window(NamedTuple):
    """The newest frames, oldest first, and how many of them no window has started from yet."""

    frames: tuple[Frame, ...] = ()
    waiting: int = 0


class Smoothed(NamedTuple):
    """The smoothed belief of one frame.

    Attributes:
        lag: How many frames before the newest one.
        belief: Poses (B, M, D); as a density it needs the smoother's own kernel.
        backward: What the future says, p(y_later | pose) up to a factor; None at lag 0, where it
            says nothing.
    """

    lag: int
    belief: Belief
    backward: MixtureBelief | None


def step(
    window: Window, frame: Frame, setup: FixedLag, generator: torch.Generator
) -> tuple[Window, tuple[Smoothed, ...]]:
    """Remembers a frame and, once every `stride` frames, smooths `stride` older ones.

    Memory is bounded: L + S frames are kept, without their graph. Go on with `Window()` where the
    forward filter has been started anew.

    Args:
        window: What was remembered; `Window()` at the start.
        frame: The forward filter's newest.
        setup: See `FixedLag`.
        generator: On the particles' device.

    Returns:
        The new window, and the smoothed frames oldest first: of lags L+S-1 down to L when a window
        was run, else none. The first window runs when L + S frames have come, so that every frame
        is smoothed exactly once.

    Raises:
        weights.DegenerateWeightsError: if the weights of some frame cannot be normalised.
    """
    frames = (*window.frames, Frame(detach(frame.record), frame.inputs))[-setup.capacity :]
    waiting = window.waiting + 1
    if len(frames) < setup.capacity or waiting < setup.stride:
        return Window(frames, waiting), ()
    lags = range(setup.capacity - 1, setup.lag - 1, -1)
    return Window(frames, 0), smooth(frames, lags, setup, generator)


def smooth(
    frames: Sequence[Frame], lags: Sequence[int], setup: FixedLag, generator: torch.Generator
) -> tuple[Smoothed, ...]:
    """Smooths frames at the given lags by one backward window from the newest frame.

    Args:
        frames: Oldest first.
        lags: Frames before the newest, each less than the number of frames; also those that a
            `step` has not come to yet, where a sequence ends.
        setup: See `FixedLag`.
        generator: On the particles' device.

    Returns:
        One `Smoothed` per lag, in the order of `lags`.

    Raises:
        ValueError: if there are too few frames.
        weights.DegenerateWeightsError: if the weights of some frame cannot be normalised.
    """
    newest = frames[-1].record
    start, box = window_start(newest, setup, generator)
    return smooth_from(start, box, frames, lags, setup, generator)


def window_start(
    newest: FilterRecord, setup: FixedLag, generator: torch.Generator
) -> tuple[Belief, Box]:
    """Particles that stand for the flat density on a box around the forward ones; no gradient.

    They are drawn from pi = (1 - e) m(. | x_t, w_t, widened kernel) + e flat and weighted 1 / pi
    in the box. The flat share bounds the weights by volume / e.

    Args:
        newest: The forward filter at t.
        setup: See `FixedLag`.
        generator: On the particles' device.

    Returns:
        The backward filter's belief before y_t, and the box.
    """
    kernel = setup.kernel.widened(setup.broadening)
    poses = pose_of(newest.state).detach()
    box = boxes.bounding_box(poses, _MARGIN * kernel.spread(), kernel.circular)
    flat_count = min(max(1, round(setup.flat_share * setup.window_count)), setup.window_count - 1)
    near_count = setup.window_count - flat_count
    source = MixtureBelief(poses, newest.log_weights.detach(), kernel)
    near, near_index = mixture.sample(source, near_count, stratified, generator)
    flat_index = stratified(source.log_weights, flat_count, generator)
    points = torch.cat((near, boxes.sample(box, flat_count, generator)), dim=1)
    state = gather_particles(detach(newest.state), torch.cat((near_index, flat_index), dim=1))
    log_near = mixture.log_prob(source, points) + math.log(near_count / setup.window_count)
    log_flat = math.log(flat_count / setup.window_count) - boxes.log_volume(box)
    log_pi = torch.logaddexp(log_near, log_flat.unsqueeze(-1))
    weights = (-log_pi).masked_fill(~boxes.contains(box, points), -math.inf)
    return Belief(with_pose(state, points), normalise(weights)[0].detach()), box


def smooth_from(
    start: Belief,
    box: Box,
    frames: Sequence[Frame],
    lags: Sequence[int],
    setup: FixedLag,
    generator: torch.Generator,
) -> tuple[Smoothed, ...]:
    """`smooth` with a given start of the window, flat on `box`."""
    deepest = max(lags)
    if deepest >= len(frames) or min(lags) < 0:
        raise ValueError(
            f"lags {min(lags)}..{deepest} asked of {len(frames)} frames; "
            "ask for lags from 0 to one less than the number of frames"
        )
    inputs = reverse_inputs([frame.inputs for frame in frames[-1 - deepest :]])
    # what the deepest lag measured is weighed by the smoother, not by the backward filter
    inputs[-1] = inputs[-1]._replace(measurement=None)
    records = filter_sequence(start, inputs, setup.model, setup.resampler, generator)
    found = []
    for lag in lags:
        record, own_inputs = frames[-1 - lag]
        forward = predictive_mixture(record, setup.kernel)
        scorer = setup.scorer(own_inputs.measurement)
        if lag == 0:
            belief = combine_with_flat(forward, box, scorer, setup.count, generator)
            found.append(Smoothed(lag, belief, None))
        else:
            backward = predictive_mixture(records[lag], setup.backward_kernel)
            belief = combine_two_filter(forward, backward, scorer, setup.count, generator)
            found.append(Smoothed(lag, belief, backward))
    return tuple(found)


def predictive_mixture(record: FilterRecord, kernel: ProductKernel) -> MixtureBelief:
    """The density at a record's time before its measurement."""
    return MixtureBelief(pose_of(record.state), record.predicted_log_weights, kernel)
