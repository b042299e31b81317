"""Rao-Blackwellised smoothing: along a path, by backward simulation, and over a fixed lag.

The Rao-Blackwellised filter leaves weighted particles xi with a Kalman filter each. Here the
future is used as well, with z integrated out exactly:

- `smooth_path`: z along a given path of xi by the Rauch-Tung-Striebel component;
- `simulate_backward`: paths of xi from p(xi_0..T | y_0..T), z marginalised forwards and backwards
  (Lindsten, Bunch, Godsill and Schon, ICASSP 2013);
- `smooth`: the two together;
- `fixed_lag`: the present particles' own ancestors, on line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from mdps_ros.core import filtering, information, kalman, kalman_bank
from mdps_ros.core.information import Message
from mdps_ros.core.kalman_bank import Dynamics, GaussianBank, Predicted, RaoBlackwellState
from mdps_ros.core.protocols import Resampler
from mdps_ros.core.rbpf import ConditionallyLinearModel, RaoBlackwellModel, absorb
from mdps_ros.core.resampling import multinomial
from mdps_ros.core.tree import gather_axis, gather_particles, stack_time
from mdps_ros.core.types import Belief, StepInputs
from mdps_ros.core.weights import normalise


class Record(NamedTuple):
    """What a smoother needs of one filter step.

    `belief` is given y_t, over `RaoBlackwellState`; `ancestors` (B, N) index the particles of the
    record before; `inputs` led here.
    """

    belief: Belief
    ancestors: Int[Tensor, "B N"]
    inputs: StepInputs


class Trajectories(NamedTuple):
    """S equally weighted paths of xi with the smoothed Gaussian of z along each."""

    pose: Float[Tensor, "B T S D"]
    mean: Float[Tensor, "B T S L"]
    chol: Float[Tensor, "B T P L L"]


def record_filter(
    initial: Belief,
    inputs: Sequence[StepInputs],
    model: ConditionallyLinearModel,
    resampler: Resampler,
    generator: torch.Generator,
) -> list[Record]:
    """The filter over a sequence; `inputs[0]` only weighs the initial set, its control is unused.

    Raises:
        weights.DegenerateWeightsError: if the weights cannot be normalised.
    """
    adapted = RaoBlackwellModel(model)
    belief, _ = filtering.update(initial, inputs[0].measurement, adapted)
    batch, count = belief.log_weights.shape
    own = torch.arange(count, device=belief.log_weights.device).expand(batch, -1)
    records = [Record(belief, own, inputs[0])]
    for step_inputs in inputs[1:]:
        belief, info = filtering.step(belief, step_inputs, adapted, resampler, generator)
        records.append(Record(belief, info.ancestors, step_inputs))
    return records


def smooth_path(
    path: Float[Tensor, "B T S D"],
    first: GaussianBank,
    inputs: Sequence[StepInputs],
    model: ConditionallyLinearModel,
) -> Trajectories:
    """The Gaussian of z given a path of xi and all measurements.

    Kalman filter forwards, Rauch-Tung-Striebel backwards. The backward step is that of the full
    state (xi, z) at t+1, of which xi is known exactly.

    Args:
        path: xi at all times, S paths.
        first: z at the first time, given the first measurement.
        inputs: One per time; the first is not used any more.
        model: The conditionally linear model.
    """
    poses = path.unbind(1)
    banks, steps = [first], []
    for before, now, (control, dt_s, measurement) in zip(
        poses, poses[1:], inputs[1:], strict=False
    ):
        dynamics = model.dynamics(before, control, dt_s)
        state, _ = kalman_bank.condition(banks[-1], dynamics, now)
        if measurement is not None:
            state, _ = absorb(state, model.observe(now, measurement))
        banks.append(state.bank)
        steps.append(dynamics)
    smoothed = [banks[-1]]
    for bank, dynamics, known in zip(banks[-2::-1], steps[::-1], poses[:0:-1], strict=True):
        smoothed.append(_rts(bank, dynamics, known, smoothed[-1]))
    mean, chol = stack_time(smoothed[::-1])
    return Trajectories(path, mean, chol)


def _rts(
    bank: GaussianBank, dynamics: Dynamics, known: Tensor, later: GaussianBank
) -> GaussianBank:
    """Takes z at t from z at t+1 and the known xi at t+1."""
    width, size = known.shape[-1], later.chol.shape[-1]
    certain = later.chol.new_zeros(width, width + size)
    offsets = (dynamics.offset_n.unsqueeze(-1), dynamics.offset_l.unsqueeze(-1))
    mean, chol = kalman.rts_step(
        bank.mean,
        bank.chol,
        torch.cat([known, later.mean], -1),
        kalman.block([[certain], [later.chol.new_zeros(size, width), later.chol]]),
        kalman.block([[dynamics.F_n], [dynamics.F_l]]),
        kalman.block([[offset] for offset in offsets]).squeeze(-1),
        kalman.block([[dynamics.noise_n], [dynamics.noise_l]]),
    )
    return GaussianBank(mean, chol)


def pair_log_weights(
    belief: Belief,
    dynamics: Dynamics,
    next_pose: Float[Tensor, "B S D"],
    message: Message,
) -> Float[Tensor, "B S N"]:
    """The log of p(particle n at t | future s) without its normalisation over n.

    p(xi' of s | path n) times the overlap of z' given both with what the future of s says of z'.
    It is the weight of the paper (file docstring) with the integrals over z and z' taken in
    the other order: one forward prediction per particle instead of one backward one per pair, and
    no inverse of xi's own noise.

    Args:
        belief: Filtered, at t.
        dynamics: From t to t+1 at the belief's particles.
        next_pose: xi' of each future.
        message: Of each future, at t+1, axes (B, S).
    """
    mean, chol, log_density = _every_pair(belief, dynamics, next_pose)
    overlap = information.log_overlap(mean, chol, _futures(message))
    return belief.log_weights.unsqueeze(1) + log_density + overlap


def pair_posteriors(
    belief: Belief,
    dynamics: Dynamics,
    next_pose: Float[Tensor, "B S D"],
    message: Message,
) -> tuple[Float[Tensor, "B S N L"], Float[Tensor, "B P Q L L"]]:
    """Mean and factor of z' for every pair: path n until t, future s from t+1 on.

    Arguments as in `pair_log_weights`; the factor's axes are one where it is common.
    """
    mean, chol, _ = _every_pair(belief, dynamics, next_pose)
    return information.fuse(mean, chol, _futures(message))


def _every_pair(
    belief: Belief, dynamics: Dynamics, next_pose: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and factor of z' given path n and xi' of s, and log p(xi' of s | path n)."""
    predicted = kalman_bank.predict(belief.state.bank, dynamics)
    pairs = Predicted(*(leaf.unsqueeze(1) for leaf in predicted))  # (B, 1, N, ...)
    mean, log_density = kalman_bank.regress(pairs, next_pose.unsqueeze(2))
    return mean, pairs.chol_ll, log_density


def _futures(message: Message) -> Message:
    """Axes (B, S) with one for the particles: (B, S, 1, ...)."""
    return Message(*(leaf.unsqueeze(2) for leaf in message))


def simulate_backward(
    records: Sequence[Record],
    model: ConditionallyLinearModel,
    count: int,
    generator: torch.Generator,
) -> tuple[Float[Tensor, "B T S D"], GaussianBank]:
    """Paths of xi from p(xi_0..T | y_0..T) over the filter's particles, z integrated out.

    O(T N count). Rao-Blackwellised FFBSi: each path carries the message of its own future.

    Args:
        records: Of the filter, one per time.
        model: The conditionally linear model.
        count: Number of paths S, equally weighted.
        generator: On the particles' device.

    Returns:
        The paths, and the *filtered* bank of their first points, which `smooth_path` starts from.

    Raises:
        weights.DegenerateWeightsError: where no particle can have led to a chosen future.
    """
    last = records[-1].belief
    state = gather_particles(last.state, multinomial(last.log_weights, count, generator))
    message = information.nothing(state.pose, state.bank.mean.shape[-1])
    message = _observe(message, state.pose, records[-1].inputs, model)
    path = [state.pose]
    for record, later in zip(records[-2::-1], records[:0:-1], strict=True):
        control, dt_s, _ = later.inputs
        belief = record.belief
        dynamics = model.dynamics(belief.state.pose, control, dt_s)
        joint = pair_log_weights(belief, dynamics, state.pose, message)
        weights, _ = normalise(joint.flatten(0, 1))
        index = multinomial(weights, 1, generator).reshape(-1, count)
        chosen = gather_particles(belief.state, index)
        dynamics = model.dynamics(chosen.pose, control, dt_s)
        message = information.predict_back(message, dynamics, state.pose)
        message = _observe(message, chosen.pose, record.inputs, model)
        state = chosen
        path.append(state.pose)
    return stack_time(path[::-1]), state.bank


def _observe(
    message: Message, pose: Tensor, inputs: StepInputs, model: ConditionallyLinearModel
) -> Message:
    if inputs.measurement is None:
        return message
    return information.observe(message, model.observe(pose, inputs.measurement))


def smooth(
    records: Sequence[Record],
    model: ConditionallyLinearModel,
    count: int,
    generator: torch.Generator,
) -> Trajectories:
    """Smoothed paths of xi with z's smoothed Gaussian along each; see `simulate_backward`."""
    path, first = simulate_backward(records, model, count, generator)
    return smooth_path(path, first, [record.inputs for record in records], model)


class LaggedBelief(NamedTuple):
    """The belief at the start of a window given all measurements of the window.

    `distinct` (B,) counts the particles there that still have a descendant: where it is one, the
    lag is too long for the number of particles.
    """

    belief: Belief
    distinct: Int[Tensor, " B"]


def fixed_lag(window: Sequence[Record], model: ConditionallyLinearModel) -> LaggedBelief:
    """Smooths the first time of a window by the paths of the particles at its last time.

    No sampling: each present particle's ancestors are its path, along which the message runs back
    and meets the stored filter. O(N) per time of the window.

    Args:
        window: Consecutive records, oldest first; the lag is one less than their number.
        model: The conditionally linear model.
    """
    index = torch.arange(window[-1].ancestors.shape[1], device=window[-1].ancestors.device)
    index = index.expand_as(window[-1].ancestors)
    pose = window[-1].belief.state.pose
    bank: GaussianBank = window[-1].belief.state.bank
    message = information.nothing(pose, bank.mean.shape[-1])
    for record, later in zip(window[-2::-1], window[:0:-1], strict=True):
        message = _observe(message, pose, later.inputs, model)
        index = gather_axis(later.ancestors, index)
        before: RaoBlackwellState = gather_particles(record.belief.state, index)
        dynamics = model.dynamics(before.pose, later.inputs.control, later.inputs.dt_s)
        message = information.predict_back(message, dynamics, pose)
        pose, bank = before
    state = RaoBlackwellState(pose, information.fuse_bank(bank, message))
    ordered = index.sort(dim=1).values
    distinct = 1 + (ordered[:, 1:] != ordered[:, :-1]).sum(1)
    return LaggedBelief(Belief(state, window[-1].belief.log_weights), distinct)
