"""Stand-in for launch_ros.parameter_descriptions: a value with a type, a file."""

from __future__ import annotations

from typing import Any

from launch.substitution import SomeSubstitutionsType


class ParameterValue:
    """A value that is to have a type.

    Args:
        value: the value or a substitution.
        value_type: str, int, float or bool; read as YAML when None.
    """

    def __init__(self, value: Any, *, value_type: type | None = None) -> None:
        if value_type not in (None, str, int, float, bool):
            raise NotImplementedError(f"ParameterValue(value_type={value_type})")
        self.value, self.value_type = value, value_type


class ParameterFile:
    """A YAML file of parameters.

    Args:
        param_file: its path.
        allow_substs: substitutions inside the file are not offered here.
    """

    def __init__(self, param_file: SomeSubstitutionsType, *, allow_substs: bool = False) -> None:
        if allow_substs:
            raise NotImplementedError("ParameterFile(allow_substs=True)")
        self.param_file = param_file
