"""Stand-in for launch.substitutions: the kinds of text that our launch files use."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Sequence
from typing import Any

from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, Substitution
from launch.substitution import text as to_text


class TextSubstitution(Substitution):
    """Plain text.

    Args:
        text: itself.
    """

    def __init__(self, *, text: str) -> None:
        self.text = text

    def perform(self, context: LaunchContext) -> str:
        """The text."""
        return self.text


class LaunchConfiguration(Substitution):
    """The value of a launch argument or configuration.

    Args:
        variable_name: its name.
        default: used where it is not set.
    """

    def __init__(
        self, variable_name: SomeSubstitutionsType, *, default: SomeSubstitutionsType | None = None
    ) -> None:
        self.variable_name, self._default = variable_name, default

    def perform(self, context: LaunchContext) -> str:
        """The value.

        Raises:
            RuntimeError: neither value nor default.
        """
        name = to_text(self.variable_name, context)
        if name in context.launch_configurations:
            return str(context.launch_configurations[name])
        if self._default is None:
            raise RuntimeError(f"launch configuration '{name}' does not exist")
        return to_text(self._default, context)


class PathJoinSubstitution(Substitution):
    """Parts of a path, joined.

    Args:
        substitutions: the parts.
    """

    def __init__(self, substitutions: Iterable[SomeSubstitutionsType]) -> None:
        self.substitutions = list(substitutions)

    def perform(self, context: LaunchContext) -> str:
        """The path."""
        return os.path.join(*(to_text(part, context) for part in self.substitutions))


class EnvironmentVariable(Substitution):
    """The value of an environment variable.

    Args:
        name: its name.
        default_value: used where it is not set.
    """

    def __init__(
        self, name: SomeSubstitutionsType, *, default_value: SomeSubstitutionsType | None = None
    ) -> None:
        self.name, self._default = name, default_value

    def perform(self, context: LaunchContext) -> str:
        """The value.

        Raises:
            RuntimeError: neither value nor default.
        """
        name = to_text(self.name, context)
        if name in context.environment:
            return context.environment[name]
        if self._default is None:
            raise RuntimeError(f"environment variable '{name}' does not exist")
        return to_text(self._default, context)


class PythonExpression(Substitution):
    """The value of a Python expression.

    Args:
        expression: Python code.
        python_modules: importable from it; the names of `math` also without prefix.
    """

    def __init__(
        self, expression: SomeSubstitutionsType, python_modules: Sequence[str] = ("math",)
    ) -> None:
        self.expression, self._modules = expression, tuple(python_modules)

    def perform(self, context: LaunchContext) -> str:
        """The value as text."""
        scope: dict[str, Any] = {}
        for name in self._modules:
            module = importlib.import_module(name)
            scope[name] = module
            if name == "math":
                scope.update(vars(module))
        # A launch file is code already: evaluating its expressions gives away nothing more.
        return str(eval(to_text(self.expression, context), scope))


class ThisLaunchFileDir(Substitution):
    """The folder of the launch file."""

    def perform(self, context: LaunchContext) -> str:
        """The folder.

        Raises:
            RuntimeError: not inside a launch file.
        """
        if context.launch_file_path is None:
            raise RuntimeError("ThisLaunchFileDir used outside of a launch file")
        return os.path.dirname(os.path.abspath(context.launch_file_path))
