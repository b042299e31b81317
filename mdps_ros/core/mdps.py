"""The mixture density filter and smoother over whole sequences (MDPF, MDPS), for training too.

Times are t = 0..T-1 and the T beliefs belong to T measurements: the first belief is the prior
weighed with y_0, so T measurements have T - 1 motions between them. The backward filter is the
same function on `reverse_inputs` with its own model; both then meet in `smooth_sequence`:

    forward = filter_sequence(prior, inputs, model, resampler, generator)
    backward = filter_sequence(flat, reverse_inputs(inputs), reverse_model, resampler, generator)
    smoothed = smooth_sequence(forward, backward[::-1], kernel, kernel, scorer, count, generator)

Source: Younis and Sudderth, NeurIPS 2023 and 2024 (Eqs. 16-21). Nothing is detached but what the
resampler, the smoother's proposal and `truncate_every` detach.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad
from torch.utils._pytree import tree_map

from mdps_ros.core import filtering
from mdps_ros.core.kernels import ProductKernel
from mdps_ros.core.protocols import Resampler, StateSpaceModel
from mdps_ros.core.smoothing import Proposal, Scorer, combine_two_filter
from mdps_ros.core.tree import detach, gather_particles, pose_of, stack_time
from mdps_ros.core.types import Belief, MixtureBelief, StateTree, StepInputs


class FilterRecord(NamedTuple):
    """What one time of a filter leaves behind for losses and smoothers.

    Attributes:
        state: Particles at t after the motion (B, N, ...).
        predicted_log_weights: Before y_t: with `state` the predictive belief that smoothers need.
        log_weights: After y_t: the filtered belief, and what the next resampling sees.
        log_evidence: log p(y_t | y_0..t-1), estimated; 0 where nothing was measured.
    """

    state: StateTree
    predicted_log_weights: Float[Tensor, "B N"]
    log_weights: Float[Tensor, "B N"]
    log_evidence: Float[Tensor, " B"]


def filter_sequence(
    initial: Belief,
    inputs: Sequence[StepInputs],
    model: StateSpaceModel,
    resampler: Resampler,
    generator: torch.Generator,
    *,
    truncate_every: int | None = None,
    count: int | None = None,
) -> list[FilterRecord]:
    """Filters a sequence and keeps every time.

    Args:
        initial: Belief at t = 0 before y_0.
        inputs: One per time. The first only weighs `initial` (its control is not used); the
            others move from t - 1 to t and weigh with y_t.
        model: Motion and measurement.
        resampler: How particles are drawn anew.
        generator: Source of all randomness, on the particles' device.
        truncate_every: Detach the carried belief before every so-manieth step (truncated
            back-propagation through time); None keeps the whole graph.
        count: Particles from t = 1 on; as many as `initial` has if None.

    Returns:
        T records, in the order of `inputs`.

    Raises:
        ValueError: if `inputs` is empty or `truncate_every` is not positive.
        weights.DegenerateWeightsError: if the weights of some time cannot be normalised.
    """
    if not inputs:
        raise ValueError("the sequence is empty; give the inputs of at least one time")
    if truncate_every is not None and truncate_every < 1:
        raise ValueError(f"truncate_every is {truncate_every}; give 1 or more, or None")
    belief, log_evidence = filtering.update(initial, inputs[0].measurement, model)
    records = [FilterRecord(belief.state, initial.log_weights, belief.log_weights, log_evidence)]
    for t, step_inputs in enumerate(inputs[1:], start=1):
        if truncate_every is not None and t % truncate_every == 0:
            belief = detach(belief)
        belief, info = filtering.step(belief, step_inputs, model, resampler, generator, count)
        records.append(
            FilterRecord(
                belief.state, info.predicted_log_weights, belief.log_weights, info.log_evidence
            )
        )
    return records


def reverse_inputs(inputs: Sequence[StepInputs]) -> list[StepInputs]:
    """The inputs of the backward filter, latest time first.

    At time t it gets y_t and the control (and duration) of the motion from t to t + 1, exactly
    the values that the forward filter used for that motion: inverting them is the backward
    model's work. No motion leads to the last time, where the control is None.
    """
    later = [*inputs[1:], StepInputs(control=None, dt_s=0.0, measurement=None)]
    return [
        StepInputs(after.control, after.dt_s, here.measurement)
        for here, after in zip(reversed(inputs), reversed(later), strict=True)
    ]


def stack_records(records: Sequence[FilterRecord]) -> FilterRecord:
    """All times in one record, (B, T, N, ...).

    Times with fewer particles than the largest get copies of their first one with weight 0.
    """
    most = max(record.log_weights.shape[1] for record in records)
    stacked: FilterRecord = stack_time([_padded(record, most) for record in records])
    return stacked


def fold_time(tree: Any) -> Any:
    """Tensors (B, T, ...) as (B T, ...): row b T + t is time t of row b."""
    return tree_map(lambda leaf: leaf.flatten(0, 1), tree)


def unfold_time(tree: Any, times: int) -> Any:
    """The inverse of `fold_time`."""
    return tree_map(lambda leaf: leaf.unflatten(0, (-1, times)), tree)


def predictive_mixtures(records: Sequence[FilterRecord], kernel: ProductKernel) -> MixtureBelief:
    """p(x_t | what the filter knew before y_t) at all times, as rows b T + t.

    `kernel` is one of the B rows: its bandwidths are repeated over time.
    """
    stacked = fold_time(stack_records(records))
    return MixtureBelief(
        pose_of(stacked.state), stacked.predicted_log_weights, repeat_kernel(kernel, len(records))
    )


def repeat_kernel(kernel: ProductKernel, times: int) -> ProductKernel:
    """The kernel of B rows for B T rows as `fold_time` orders them."""
    if kernel.bandwidth.ndim == 1:
        return kernel
    return ProductKernel(kernel.bandwidth.repeat_interleave(times, 0), kernel.circular)


def smooth_sequence(
    forward: Sequence[FilterRecord],
    backward: Sequence[FilterRecord],
    forward_kernel: ProductKernel,
    backward_kernel: ProductKernel,
    scorer: Scorer,
    count: int,
    generator: torch.Generator,
    proposal: Proposal = Proposal.SAMPLED,
) -> Belief:
    """The smoothed beliefs of all times by one two-filter combination.

    Args:
        forward: Records of the forward filter.
        backward: Records of the backward filter, in natural time as `forward` (reverse its list).
        forward_kernel: Kernel of the forward predictive mixtures.
        backward_kernel: Kernel of the backward predictive mixtures.
        scorer: The weight function; it is called once with all times as rows b T + t
            (`fold_time` brings measurements (B, T, ...) into that order).
        count: Particles drawn from each filter at each time.
        generator: On the particles' device.
        proposal: See `smoothing.Proposal`.

    Returns:
        Poses (B, T, M, D) and log-weights (B, T, M).

    Raises:
        ValueError: if the two filters have different lengths.
        weights.DegenerateWeightsError: if the weights of some time cannot be normalised.
    """
    if len(forward) != len(backward):
        raise ValueError(
            f"{len(forward)} forward and {len(backward)} backward records; "
            "run both filters over the same sequence"
        )
    smoothed = combine_two_filter(
        predictive_mixtures(forward, forward_kernel),
        predictive_mixtures(backward, backward_kernel),
        scorer,
        count,
        generator,
        proposal,
    )
    unfolded: Belief = unfold_time(smoothed, len(forward))
    return unfolded


def _padded(record: FilterRecord, most: int) -> FilterRecord:
    batch, present = record.log_weights.shape
    missing = most - present
    if missing == 0:
        return record
    index: Int[Tensor, "B M"] = pad(
        torch.arange(present, device=record.log_weights.device), (0, missing)
    ).expand(batch, most)
    return record._replace(
        state=gather_particles(record.state, index),
        predicted_log_weights=pad(record.predicted_log_weights, (0, missing), value=-torch.inf),
        log_weights=pad(record.log_weights, (0, missing), value=-torch.inf),
    )
