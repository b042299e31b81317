"""The tasks that `mdps train` knows, and how others are named."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, TypeAlias

import torch

from mdps_ros.training.errors import TrainingError
from mdps_ros.training.task import Task

TASKS: dict[str, str] = {
    "bearings": "mdps_ros.training.bearings:build",
    "camera": "mdps_ros.training.camera_task:build",
    "vehicle": "mdps_ros.training.vehicle_task:build",
}
"""Name -> "module:function"; the function is a `TaskBuilder`."""

TaskBuilder: TypeAlias = Callable[[int, int, Mapping[str, Any], torch.device], Task]
"""(seed, members, options, device) -> task with its weights initialised from the seed.

`config.read_fields` turns options into a dataclass with the errors that users should see.
"""


def find_task(name: str) -> TaskBuilder:
    """The builder of a task.

    Args:
        name: a key of `TASKS`, or "module:function" for a task of one's own.

    Raises:
        TrainingError: there is none.
    """
    if ":" not in name and name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(TASKS) or 'none'}"
        raise TrainingError(f"task {name} is unknown; {hint}; or write module:function")
    module, _, function = TASKS.get(name, name).partition(":")
    try:
        builder: TaskBuilder = getattr(import_module(module), function)
    except (ModuleNotFoundError, AttributeError) as error:
        raise TrainingError(f"task {name}: {error}; check module and function") from error
    return builder
