"""Parameter values of the launch_ros stand-in: from substitutions to a YAML file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from launch.launch_context import LaunchContext
from launch.substitution import Substitution, text

from launch_ros.parameter_descriptions import ParameterValue


def evaluate(value: Any, context: LaunchContext) -> Any:
    """The value of a parameter: text that comes from a substitution is read as YAML."""
    if isinstance(value, ParameterValue):
        return _typed(value, context)
    if _has_substitution(value):
        return yaml.safe_load(text(value, context))
    if isinstance(value, (list, tuple)):
        return [evaluate(item, context) for item in value]
    return str(value) if isinstance(value, Path) else value


def flatten(parameters: Mapping[Any, Any], context: LaunchContext) -> dict[str, Any]:
    """Nested names joined by dots, values evaluated."""
    flat: dict[str, Any] = {}
    for key, value in parameters.items():
        name = text(key, context)
        if isinstance(value, Mapping):
            inner = flatten(value, context)
            flat.update({f"{name}.{below}": item for below, item in inner.items()})
        else:
            flat[name] = evaluate(value, context)
    return flat


def write_parameter_file(parameters: Mapping[str, Any], folder: str) -> str:
    """Write a parameter file that holds for whichever node reads it; returns its path."""
    with tempfile.NamedTemporaryFile(
        "w", dir=folder, prefix="parameters_", suffix=".yaml", delete=False
    ) as file:
        yaml.safe_dump({"/**": {"ros__parameters": dict(parameters)}}, file)
    return file.name


def _typed(parameter: ParameterValue, context: LaunchContext) -> Any:
    if parameter.value_type is None:
        return evaluate(parameter.value, context)
    if parameter.value_type is str:
        return text(parameter.value, context)
    value = evaluate(parameter.value, context)
    if isinstance(value, str):
        value = yaml.safe_load(value)
    if parameter.value_type is bool and not isinstance(value, bool):
        raise ValueError(f"'{value}' is not a truth value")
    return parameter.value_type(value)


def _has_substitution(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(isinstance(item, Substitution) for item in value)
    return isinstance(value, Substitution)
