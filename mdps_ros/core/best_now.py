"""What fixed-lag smoothing says about now: particles that the future chose, brought forward."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import mixture
from mdps_ros.core.fixed_lag import Frame, Smoothed, predictive_mixture
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.mdps import FilterRecord
from mdps_ros.core.protocols import StateSpaceModel
from mdps_ros.core.resampling import stratified
from mdps_ros.core.tree import gather_axis, gather_particles, pose_of, with_pose
from mdps_ros.core.types import Belief, MixtureBelief
from mdps_ros.core.weights import normalise


def best_now(
    smoothed: Smoothed,
    frames: Sequence[Frame],
    kernel: ProductKernel,
    model: StateSpaceModel,
    count: int,
    generator: torch.Generator,
) -> Belief:
    """The belief at the newest frame by particles that the future chose: p(x_t | y_1..t).

    Draws from the smoothed belief at t - lag and brings the particles forward with the stored
    controls and measurements. As y_t-lag+1..t have had their say in the draw and have it again on
    the way, the particles start with weights 1 / backward density. The target is that of the
    forward filter, by other particles: at t - lag they were drawn where the future agrees.

    Args:
        smoothed: Of one of the frames.
        frames: Oldest first, the newest as when `smoothed` was made.
        kernel: Of the forward predictive mixtures, as in `FixedLag`.
        model: The forward motion and measurement.
        count: Number of particles.
        generator: On the particles' device.

    Returns:
        State trees (B, `count`, ...) with weights, not resampled on the way: the effective number
        falls with the lag.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    index = stratified(smoothed.belief.log_weights.detach(), count, generator)
    points = gather_axis(pose_of(smoothed.belief.state), index)
    record = frames[-1 - smoothed.lag].record
    state = _carried_by_nearby_particles(points, record, kernel, generator)
    log_weights = torch.zeros_like(points[..., 0])
    if smoothed.backward is not None:
        log_weights = -mixture.log_prob(smoothed.backward, points)
    for frame in frames[len(frames) - smoothed.lag :]:
        state = model.propagate(state, frame.inputs.control, frame.inputs.dt_s, generator)
        if frame.inputs.measurement is not None:
            state, log_likelihood = model.update(state, frame.inputs.measurement)
            log_weights = log_weights + log_likelihood
    return Belief(state, normalise(log_weights)[0])


def _carried_by_nearby_particles(
    points: Float[Tensor, "B M D"],
    record: FilterRecord,
    kernel: ProductKernel,
    generator: torch.Generator,
) -> Any:
    """State trees at `points`: what lies beside the pose is drawn given the pose.

    The forward predictive mixture pairs particle i with a pose with probability w_i K(pose - x_i).
    """
    if isinstance(record.state, Tensor):
        return points
    index = mixture.sample_component(predictive_mixture(record, kernel), points, generator)
    return with_pose(gather_particles(record.state, index), points)


def overlap(
    first: MixtureBelief, second: MixtureBelief, count: int, generator: torch.Generator
) -> Float[Tensor, " B"]:
    """Mass that two densities share, the integral of min(m_1, m_2): 1 if equal, 0 if disjoint.

    Of the filter's belief and `best_now` it tells a filter that is locked to a wrong mode.
    `count` draws from each; the standard error is below 0.5 / sqrt(2 count). Two particle sets of
    one distribution share less than 1 where their kernels hardly touch: set thresholds by trial.
    """
    halves = [mixture.sample(half, count, stratified, generator)[0] for half in (first, second)]
    points = torch.cat(halves, dim=1)
    log_ratio = mixture.log_prob(first, points) - mixture.log_prob(second, points)
    # min(a, b) / ((a + b) / 2) = 2 sigmoid(-|log a - log b|)
    return 2.0 * torch.sigmoid(-log_ratio.abs()).mean(-1)
