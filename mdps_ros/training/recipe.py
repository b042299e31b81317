"""Whether stages fit a task, and what a run was asked to do, for comparison when it resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import torch

from mdps_ros.training.errors import TrainingError
from mdps_ros.training.members import check_members
from mdps_ros.training.stages import Stage
from mdps_ros.training.task import Task


def describe(task: Task, stages: Sequence[Stage], seed: int, ranks: int) -> dict[str, Any]:
    """What a run was asked to do, flat, for comparison with a checkpoint."""
    recipe: dict[str, Any] = {"seed": seed, "processes": ranks, "members": task.members}
    for name, module in task.modules.items():
        for key, tensor in module.state_dict().items():
            recipe[f"shape of {name}.{key}"] = list(tensor.shape)
    for stage in stages:
        for key, value in asdict(stage).items():
            recipe[f"{stage.name}.{key}"] = repr(value)
    recipe["stages"] = [stage.name for stage in stages]
    return recipe


def check_stages(task: Task, stages: Sequence[Stage]) -> None:
    """Check stages against the task.

    Raises:
        TrainingError: a name is wrong or used twice.
    """
    check_members(task.modules, task.members)
    names = [stage.name for stage in stages]
    if not stages or len(set(names)) < len(names):
        raise TrainingError(f"stages {names}: give one stage or more, each with its own name")
    for stage in stages:
        for module in stage.learning_rates:
            if module not in task.modules:
                known = ", ".join(task.modules)
                raise TrainingError(
                    f"stage {stage.name}: no module {module} to learn; the task has {known}"
                )


def device_of(task: Task) -> torch.device:
    """Where the task's parameters are.

    Raises:
        TrainingError: there are none.
    """
    for module in task.modules.values():
        for parameter in module.parameters():
            return parameter.device
    raise TrainingError("the task has no parameters to learn; check its modules")
