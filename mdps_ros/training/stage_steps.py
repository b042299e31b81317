"""The steps of one stage: gradient, average over ranks, clip, Adam; and its validations."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mdps_ros.core.weights import DegenerateWeightsError
from mdps_ros.training.distributed import Ranks
from mdps_ros.training.errors import TrainingError
from mdps_ros.training.freezing import set_learning, set_modes
from mdps_ros.training.members import (
    Best,
    clip,
    flat_gradient,
    improve,
    no_best,
    set_gradient,
    step_finite,
)
from mdps_ros.training.stages import Stage, learning_rate_factor
from mdps_ros.training.task import Task

MOST_SKIPS = 25
"""Steps in a row that a member may leave out before the run stops."""


@dataclass
class StageState:
    """A stage under way.

    Attributes:
        stage: what it is.
        index: its number in the run.
        iteration: steps made.
        parameters: those that learn, by name.
        optimizer: over the parameters, one group per module.
        best: best validated state.
        skipped: (M,) steps left out.
        skipped_in_a_row: (M,) how many of them just now.
    """

    stage: Stage
    index: int
    iteration: int
    parameters: dict[str, nn.Parameter]
    optimizer: torch.optim.Adam
    best: Best
    skipped: Tensor
    skipped_in_a_row: Tensor


class Step(NamedTuple):
    """What a step came to, averaged over the ranks.

    Attributes:
        loss: (M,) of the batch, before the step.
        norm: (M,) of the gradient, before clipping.
        finite: (M,) whether the member made the step.
        asked: whether any rank asked for a checkpoint.
    """

    loss: Float[Tensor, " M"]
    norm: Float[Tensor, " M"]
    finite: Bool[Tensor, " M"]
    asked: bool


def begin(task: Task, stage: Stage, index: int, learnable: Collection[nn.Parameter]) -> StageState:
    """Freeze and unfreeze the task's modules for a stage and make its optimizer.

    Args:
        task: what learns.
        stage: how.
        index: the stage's number in the run.
        learnable: parameters that may learn in any stage.

    Raises:
        TrainingError: a module that is to learn has nothing that can.
    """
    set_learning(task.modules, stage.learning_rates.keys(), learnable)
    parameters, groups = {}, []
    for name, rate in stage.learning_rates.items():
        named = {
            f"{name}.{key}": parameter
            for key, parameter in task.modules[name].named_parameters()
            if parameter.requires_grad
        }
        if not named:
            raise TrainingError(
                f"stage {stage.name}: module {name} has no parameter that can learn; take it out "
                "of learning_rates"
            )
        parameters.update(named)
        groups.append({"params": list(named.values()), "lr": rate})
    learning = {name: task.modules[name] for name in stage.learning_rates}
    return StageState(
        stage=stage,
        index=index,
        iteration=0,
        parameters=parameters,
        optimizer=torch.optim.Adam(groups),
        best=no_best(learning, task.members),
        skipped=torch.zeros(task.members, dtype=torch.int64),
        skipped_in_a_row=torch.zeros(task.members, dtype=torch.int64),
    )


def validate(task: Task, state: StageState, ranks: Ranks) -> Float[Tensor, " M"]:
    """Validate the modules as they are, and keep them where they are the best so far."""
    set_modes(task.modules, ())
    with torch.no_grad():
        value = task.validate(state.stage).detach().double()
    set_modes(task.modules, state.stage.learning_rates.keys())
    _check_shape(value, task, "validate")
    ranks.average_([value])
    learning = {name: task.modules[name] for name in state.stage.learning_rates}
    state.best = improve(state.best, learning, value, state.iteration)
    return value


def step(
    task: Task, state: StageState, generator: torch.Generator, ranks: Ranks, asks: bool
) -> Step:
    """Make one step of every member whose loss and gradient are finite.

    Args:
        task: what learns; its modules change.
        state: moves on by one iteration.
        generator: for the batch.
        ranks: gradients are averaged over them.
        asks: this rank asks for a checkpoint, which all ranks then make together.

    Raises:
        TrainingError: the loss has the wrong shape or does not depend on a module, or a member
            left out `MOST_SKIPS` steps in a row.
    """
    parameters = list(state.parameters.values())
    loss = _loss(task, state.stage, generator)
    state.optimizer.zero_grad()
    if loss.requires_grad:
        loss.sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it out
    if state.iteration == 0 and not bool(loss.isnan().all()):
        _check_reached(task, state)
    gradient = flat_gradient(parameters, task.members)
    request = gradient.new_full((task.members, 1), float(asks))
    together = torch.cat([gradient, loss.detach()[:, None].to(gradient.dtype), request], dim=1)
    ranks.average_([together, *_statistics(task, state.stage)])
    gradient, mean_loss = together[:, :-2], together[:, -2]
    norm = gradient.norm(dim=1)
    finite = torch.isfinite(mean_loss) & torch.isfinite(norm)
    set_gradient(parameters, clip(gradient, finite, state.stage.clip_norm))
    factor = learning_rate_factor(state.stage, state.iteration)
    for group, rate in zip(
        state.optimizer.param_groups, state.stage.learning_rates.values(), strict=True
    ):
        group["lr"] = rate * factor
    step_finite(state.optimizer, parameters, finite)
    state.iteration += 1
    _count_skips(state, finite)
    return Step(mean_loss, norm, finite, bool(together[0, -1] > 0.0))


def _loss(task: Task, stage: Stage, generator: torch.Generator) -> Float[Tensor, " M"]:
    """The task's loss; NaN for all members where the weights of its filter cannot be normalised."""
    try:
        loss = task.loss(stage, generator)
    except DegenerateWeightsError:
        return torch.full((task.members,), torch.nan, device=generator.device)
    _check_shape(loss, task, "loss")
    return loss


def _statistics(task: Task, stage: Stage) -> list[Tensor]:
    """Running statistics (floating-point buffers) of the modules that learn."""
    return [
        buffer
        for name in stage.learning_rates
        for buffer in task.modules[name].buffers()
        if buffer.is_floating_point()
    ]


def _count_skips(state: StageState, finite: Bool[Tensor, " M"]) -> None:
    """Count the members that were left out.

    Raises:
        TrainingError: one was left out too often in a row.
    """
    skips = (~finite).cpu()
    state.skipped = state.skipped + skips
    state.skipped_in_a_row = torch.where(skips, state.skipped_in_a_row + 1, 0)
    member = int(state.skipped_in_a_row.argmax())
    if int(state.skipped_in_a_row[member]) >= MOST_SKIPS:
        raise TrainingError(
            f"stage {state.stage.name}, iteration {state.iteration}, member {member}: loss or "
            f"gradient was not finite {MOST_SKIPS} times in a row; lower learning_rates or "
            "clip_norm, or look for a log or division of zero in the loss"
        )


def _check_shape(loss: Tensor, task: Task, name: str) -> None:
    """Check what a task returned.

    Raises:
        TrainingError: it is not one number per member.
    """
    if loss.shape != (task.members,):
        raise TrainingError(
            f"the task's {name} returned the shape {tuple(loss.shape)}; return one number for "
            f"each of the {task.members} members"
        )


def _check_reached(task: Task, state: StageState) -> None:
    """Check that the loss depends on every module that is to learn.

    Raises:
        TrainingError: it does not.
    """
    for name in state.stage.learning_rates:
        if all(parameter.grad is None for parameter in task.modules[name].parameters()):
            raise TrainingError(
                f"stage {state.stage.name}: the loss {state.stage.loss} does not depend on module "
                f"{name}; take it out of learning_rates"
            )
