"""The particle filter: one step and the only loop over time.

Every filter of this package (bootstrap, mixture density, Rao-Blackwellised) is `step` with
another model and another resampler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mdps_ros.core import weights
from mdps_ros.core.protocols import Resampler, StateSpaceModel
from mdps_ros.core.tree import stack_time
from mdps_ros.core.types import Belief, StateTree, StepInfo, StepInputs


def init(
    model: StateSpaceModel, prior: Any, batch: int, count: int, generator: torch.Generator
) -> Belief:
    """`count` equally weighted particles from the prior in each of `batch` rows."""
    state: StateTree = model.sample_initial(batch, count, prior, generator)
    return Belief(state, weights.uniform(batch, count, tree_leaves(state)[0]))


def step(
    belief: Belief,
    inputs: StepInputs,
    model: StateSpaceModel,
    resampler: Resampler,
    generator: torch.Generator,
    count: int | None = None,
) -> tuple[Belief, StepInfo]:
    """Resample, move, weigh. Pure: equal arguments and generator state give equal results.

    Args:
        belief: p(x_t-1 | y_1..t-1).
        inputs: Control from t-1 to t and the measurement at t.
        model: Motion and measurement.
        resampler: How particles are drawn anew.
        generator: Source of all randomness, on the particles' device.
        count: New number of particles; the present one if None.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    drawn = resampler(belief.state, belief.log_weights, count or belief.particle_count, generator)
    state = model.propagate(drawn.state, inputs.control, inputs.dt_s, generator)
    moved = Belief(state, drawn.log_weights)
    weighed, log_evidence = update(moved, inputs.measurement, model)
    ess = weights.effective_size(weighed.log_weights)
    return weighed, StepInfo(log_evidence, ess, drawn.resampled, drawn.ancestors, drawn.log_weights)


def predict(
    belief: Belief,
    control: Any,
    dt_s: float,
    model: StateSpaceModel,
    generator: torch.Generator,
) -> Belief:
    """Moves the particles and leaves their weights; for controls that come between measurements."""
    return Belief(model.propagate(belief.state, control, dt_s, generator), belief.log_weights)


def update(
    belief: Belief, measurement: Any | None, model: StateSpaceModel
) -> tuple[Belief, Float[Tensor, " B"]]:
    """Weighs the particles; also the first step of a filter, which has nothing to resample.

    Returns:
        The belief given the measurement, and the log-evidence of the measurement: 0 if it is None.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    state, log_weights = belief
    if measurement is not None:
        state, log_likelihood = model.update(state, measurement)
        log_weights = log_weights + log_likelihood
    log_weights, log_evidence = weights.normalise(log_weights)
    return Belief(state, log_weights), log_evidence


def run(
    belief: Belief,
    sequence: Iterable[StepInputs],
    model: StateSpaceModel,
    resampler: Resampler,
    generator: torch.Generator,
    collect: Callable[[Belief, StepInfo], Any] = lambda belief, info: (belief, info),
) -> tuple[Belief, Any]:
    """`step` over a sequence.

    Args:
        belief: Where the sequence starts.
        sequence: Inputs of the steps, at least one.
        model: See `step`.
        resampler: See `step`.
        generator: See `step`.
        collect: What to keep of each step, a tree of tensors (B, ...); all of it unless told.

    Returns:
        The last belief, and the kept trees stacked to (B, T, ...).
    """
    kept = []
    for inputs in sequence:
        belief, info = step(belief, inputs, model, resampler, generator)
        kept.append(collect(belief, info))
    if not kept:
        raise ValueError("the sequence is empty; give at least one step")
    return belief, stack_time(kept)
