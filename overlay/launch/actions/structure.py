"""Stand-in for the actions of launch that hold other actions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from launch.action import Action
from launch.condition import Condition
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity, visit_all
from launch.launch_description_source import LaunchDescriptionSource
from launch.substitution import SomeSubstitutionsType, Substitution, text


class GroupAction(Action):
    """Actions with a condition and a scope in common.

    Args:
        actions: what the group holds.
        scoped: settings made inside do not reach outside.
        forwarding: settings made outside reach inside; nothing else is offered here.
        launch_configurations: set inside the group first.
        condition: see Action.
    """

    def __init__(
        self,
        actions: Iterable[LaunchDescriptionEntity],
        *,
        scoped: bool = True,
        forwarding: bool = True,
        launch_configurations: Mapping[Any, SomeSubstitutionsType] | None = None,
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition=condition)
        if not forwarding:
            raise NotImplementedError("GroupAction(forwarding=False)")
        self.actions, self._scoped = list(actions), scoped
        self._configurations = dict(launch_configurations or {})

    def execute(self, context: LaunchContext) -> None:
        """Visit the actions in the scope."""
        scope = context.inner() if self._scoped else context
        for name, value in self._configurations.items():
            scope.launch_configurations[text(name, context)] = text(value, context)
        for action in self.actions:
            visit_all(action, scope)


class IncludeLaunchDescription(Action):
    """Another launch file.

    Args:
        launch_description_source: a source, or the path of the file.
        launch_arguments: pairs of name and value; they stay set afterwards, as in launch.
        condition: see Action.
    """

    def __init__(
        self,
        launch_description_source: LaunchDescriptionSource | SomeSubstitutionsType,
        *,
        launch_arguments: Iterable[tuple[SomeSubstitutionsType, SomeSubstitutionsType]] = (),
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition=condition)
        source = launch_description_source
        if isinstance(source, (str, Substitution, list, tuple)):
            source = LaunchDescriptionSource(source)
        assert isinstance(source, LaunchDescriptionSource)
        self._source, self._arguments = source, list(launch_arguments)

    def execute(self, context: LaunchContext) -> None:
        """Set the arguments and visit the file."""
        for name, value in self._arguments:
            context.launch_configurations[text(name, context)] = text(value, context)
        outer = context.launch_file_path
        visit_all(self._source.get_launch_description(context), context)
        context.launch_file_path = outer


class OpaqueFunction(Action):
    """A function that decides while launching.

    Args:
        function: called with the context; may return entities to visit.
        args: further positional arguments.
        kwargs: further keyword arguments.
        condition: see Action.
    """

    def __init__(
        self,
        *,
        function: Callable[..., Sequence[LaunchDescriptionEntity] | None],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition=condition)
        self._function, self._args, self._kwargs = function, tuple(args), dict(kwargs or {})

    def execute(self, context: LaunchContext) -> Sequence[LaunchDescriptionEntity] | None:
        """Call it."""
        return self._function(context, *self._args, **self._kwargs)


class TimerAction(Action):
    """Actions that begin later.

    Args:
        period: seconds from now.
        actions: what to visit then.
        condition: see Action.
    """

    def __init__(
        self,
        *,
        period: float | SomeSubstitutionsType,
        actions: Iterable[LaunchDescriptionEntity],
        condition: Condition | None = None,
    ) -> None:
        super().__init__(condition=condition)
        self._period, self._actions = period, list(actions)

    def execute(self, context: LaunchContext) -> None:
        """Hand them to the service."""
        context.service.later(float(text(self._period, context)), self._actions, context)
