"""Stand-in for the actions of launch_ros that hold for all nodes of a scope."""

from __future__ import annotations

from typing import Any

from launch.action import Action
from launch.condition import Condition
from launch.launch_context import LaunchContext
from launch.substitution import SomeSubstitutionsType, text

from launch_ros.parameters import evaluate

NAMESPACE = "ros_namespace"
PARAMETERS = "global_params"


def join_namespaces(outer: str, inner: str) -> str:
    """One namespace inside another; an absolute inner one stands alone."""
    if inner.startswith("/"):
        return inner
    return "/".join(part for part in (outer.rstrip("/"), inner) if part)


class PushRosNamespace(Action):
    """A namespace for the nodes that follow in this scope.

    Args:
        namespace: joined to the one so far.
        condition: see Action.
    """

    def __init__(
        self, namespace: SomeSubstitutionsType, *, condition: Condition | None = None
    ) -> None:
        super().__init__(condition=condition)
        self.namespace = namespace

    def execute(self, context: LaunchContext) -> None:
        """Push it."""
        outer = context.launch_configurations.get(NAMESPACE, "")
        inner = text(self.namespace, context)
        context.launch_configurations[NAMESPACE] = join_namespaces(outer, inner)


class SetParameter(Action):
    """A parameter for the nodes that follow in this scope.

    Args:
        name: its name.
        value: its value; of a substitution the text is read as YAML.
        condition: see Action.
    """

    def __init__(
        self, name: SomeSubstitutionsType, value: Any, *, condition: Condition | None = None
    ) -> None:
        super().__init__(condition=condition)
        self.name, self.value = name, value

    def execute(self, context: LaunchContext) -> None:
        """Set it."""
        known = context.launch_configurations.get(PARAMETERS, ())
        pair = (text(self.name, context), evaluate(self.value, context))
        context.launch_configurations[PARAMETERS] = (*known, pair)
