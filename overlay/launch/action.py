"""Stand-in for launch.action: one thing to do."""

from __future__ import annotations

from collections.abc import Sequence

from launch.condition import Condition
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity


class Action(LaunchDescriptionEntity):
    """Something to do, perhaps on a condition.

    Args:
        condition: without one the action is always carried out.
    """

    def __init__(self, *, condition: Condition | None = None) -> None:
        self.condition = condition

    def visit(self, context: LaunchContext) -> Sequence[LaunchDescriptionEntity] | None:
        """Carry the action out if its condition holds."""
        if self.condition is not None and not self.condition.evaluate(context):
            return None
        return self.execute(context)

    def execute(self, context: LaunchContext) -> Sequence[LaunchDescriptionEntity] | None:
        """Do it; return what is to be visited next."""
        raise NotImplementedError
