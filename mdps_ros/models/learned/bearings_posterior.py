"""From bearings to a density at every time, for each method of the bearings-only study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from mdps_ros.core import weights
from mdps_ros.core.gradients import ImportanceWeighted, Soft, Truncated
from mdps_ros.core.mdps import (
    FilterRecord,
    filter_sequence,
    fold_time,
    repeat_kernel,
    reverse_inputs,
    smooth_sequence,
    stack_records,
)
from mdps_ros.core.protocols import Resampler
from mdps_ros.core.resampling import IndexResampler, MixtureResampler
from mdps_ros.core.transport import Transport
from mdps_ros.core.tree import stack_time
from mdps_ros.core.types import Belief, MixtureBelief, StepInputs
from mdps_ros.models.learned.bearings import (
    STEP_S,
    BearingsNetworks,
    FilterNetworks,
    Observed,
    needed,
    sample_start,
)
from mdps_ros.models.learned.bearings_ffbs import ffbs_beliefs
from mdps_ros.models.learned.measurement import LearnedScorer

SOFT_MIXING = 0.1
TRANSPORT_EPSILON = 0.5


@dataclass(frozen=True)
class Effort:
    """How much is spent on a posterior.

    Attributes:
        particles: Of every filter, and drawn from each filter by the smoother.
        lost_particles: With which a filter starts that may be anywhere.
        truncate_every: Steps after which the graph is cut; None never cuts it.
        training: Whether soft resampling is soft; at work it draws from the weights.
    """

    particles: int
    lost_particles: int
    truncate_every: int | None = None
    training: bool = False


def posterior(
    networks: BearingsNetworks,
    seen: Observed,
    times: Sequence[int],
    effort: Effort,
    generator: torch.Generator,
) -> MixtureBelief:
    """The method's density over poses at some times of every drive.

    Args:
        networks: Of a learned method; in training mode gradients of its kind pass.
        seen: B drives, member-major.
        times: Indices into 0..T-1, ascending.
        effort: Particle numbers.
        generator: Of all randomness.

    Returns:
        Rows b * len(times) + k for drive b at times[k].
    """
    method = networks.method
    if method == "mdps":
        return _smoothed(networks, seen, times, effort, generator)
    if method == "ffbs":
        beliefs = ffbs_beliefs(needed(networks.mean_dynamics), seen, effort.particles, generator)
        chosen = stack_time([beliefs[t] for t in times])
        return _with_kernel(networks, fold_time(chosen), len(times))
    backward = method == "mdpf_backward"
    side = needed(networks.backward_filter if backward else networks.forward_filter)
    features = side.encoder(seen.bearings)
    records = run_filter(
        method, side, None if backward else seen.start, features, effort, generator
    )
    chosen = stack_records([records[t] for t in times])
    belief: Belief = fold_time(Belief(chosen.state, chosen.log_weights))
    if side.resampling_weights is not None:
        predicted = fold_time(chosen.predicted_log_weights)
        score = side.weights(belief.state, features[:, list(times)].flatten(0, 1))
        belief = Belief(belief.state, weights.normalise(predicted + score)[0])
    return _with_kernel(networks, belief, len(times))


def run_filter(
    method: str,
    side: FilterNetworks,
    start: Float[Tensor, "B 3"] | None,
    features: Float[Tensor, "B T width"],
    effort: Effort,
    generator: torch.Generator,
) -> list[FilterRecord]:
    """Records of one filter in natural time.

    A filter without a start runs backward in time from anywhere.
    """
    batch = features.shape[0]
    inputs = [StepInputs(None, STEP_S, column) for column in features.unbind(1)]
    count = effort.particles if start is not None else effort.lost_particles
    state = sample_start(batch, count, start, generator)
    records = filter_sequence(
        Belief(state, weights.uniform(batch, count, state)),
        inputs if start is not None else reverse_inputs(inputs),
        side.model(),
        resampler(method, side, batch, effort.training),
        generator,
        truncate_every=effort.truncate_every,
        count=effort.particles,
    )
    return records if start is not None else records[::-1]


def resampler(method: str, side: FilterNetworks, batch: int, training: bool) -> Resampler:
    """How the method draws particles anew."""
    if method == "tg_pf":
        return Truncated(IndexResampler())
    if method == "sr_pf":
        return Soft(SOFT_MIXING if training else 0.0)
    if method == "ot_pf":
        return Transport((False, False, True), TRANSPORT_EPSILON)
    return ImportanceWeighted(MixtureResampler(side.resampling.kernel(batch)))


def _smoothed(
    networks: BearingsNetworks,
    seen: Observed,
    times: Sequence[int],
    effort: Effort,
    generator: torch.Generator,
) -> MixtureBelief:
    ahead, behind = needed(networks.forward_filter), needed(networks.backward_filter)
    batch = seen.bearings.shape[0]
    features = ahead.encoder(seen.bearings)
    forward = run_filter("mdpf", ahead, seen.start, features, effort, generator)
    backward = run_filter("mdpf", behind, None, behind.encoder(seen.bearings), effort, generator)
    scorer = LearnedScorer(
        needed(networks.scorer), ahead.weights, features[:, list(times)].flatten(0, 1)
    )
    smoothed = smooth_sequence(
        [forward[t] for t in times],
        [backward[t] for t in times],
        ahead.resampling.kernel(batch),
        behind.resampling.kernel(batch),
        scorer,
        effort.particles,
        generator,
    )
    return _with_kernel(networks, fold_time(smoothed), len(times))


def _with_kernel(networks: BearingsNetworks, belief: Belief, times: int) -> MixtureBelief:
    kernel = networks.output_kernel(belief.log_weights.shape[0] // times)
    return MixtureBelief(*belief, repeat_kernel(kernel, times))
