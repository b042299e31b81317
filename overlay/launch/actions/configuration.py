"""Stand-in for the actions of launch that declare, set and tell."""

from __future__ import annotations

from collections.abc import Sequence

from launch.action import Action
from launch.condition import Condition
from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, text


class DeclareLaunchArgument(Action):
    """An argument of the launch file.

    Args:
        name: as in `name:=value` on the command line.
        default_value: without one the argument must be given.
        description: shown by --show-args.
        choices: the only values allowed, any when None.
        condition: see Action.
    """

    def __init__(
        self,
        name: str,
        *,
        default_value: SomeSubstitutionsType | None = None,
        description: str | None = None,
        choices: Sequence[str] | None = None,
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition=condition)
        self.name, self.default_value = name, default_value
        self.description = description or "no description given"
        self.choices = None if choices is None else list(choices)

    def execute(self, context: LaunchContext) -> None:
        """Set the default where nothing is given, and check.

        Raises:
            RuntimeError: nothing given and no default, or not one of the choices.
        """
        values = context.launch_configurations
        if self.name not in values:
            if self.default_value is None:
                raise RuntimeError(
                    f"Required launch argument '{self.name}' (description: '{self.description}') "
                    "was not provided"
                )
            values[self.name] = text(self.default_value, context)
        if self.choices is not None and values[self.name] not in self.choices:
            raise RuntimeError(
                f"Argument '{self.name}' provided value '{values[self.name]}' is not valid. "
                f"Valid options are: {self.choices}"
            )


class SetLaunchConfiguration(Action):
    """Set a launch configuration in this scope.

    Args:
        name: its name.
        value: its value.
        condition: see Action.
    """

    def __init__(
        self,
        name: SomeSubstitutionsType,
        value: SomeSubstitutionsType,
        *,
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition=condition)
        self.name, self.value = name, value

    def execute(self, context: LaunchContext) -> None:
        """Set it."""
        context.launch_configurations[text(self.name, context)] = text(self.value, context)


class SetEnvironmentVariable(Action):
    """Set an environment variable for the processes of this scope.

    Args:
        name: its name.
        value: its value.
        condition: see Action.
    """

    def __init__(
        self,
        name: SomeSubstitutionsType,
        value: SomeSubstitutionsType,
        *,
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition=condition)
        self.name, self.value = name, value

    def execute(self, context: LaunchContext) -> None:
        """Set it."""
        context.environment[text(self.name, context)] = text(self.value, context)


class LogInfo(Action):
    """Show a text.

    Args:
        msg: the text.
        condition: see Action.
    """

    def __init__(self, *, msg: SomeSubstitutionsType, condition: Condition | None = None) -> None:
        super().__init__(condition=condition)
        self.msg = msg

    def execute(self, context: LaunchContext) -> None:
        """Show it."""
        context.service.log("INFO", f"[launch.user]: {text(self.msg, context)}")
