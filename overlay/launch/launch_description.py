"""Stand-in for launch.launch_description: a list of things to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity


class LaunchDescription(LaunchDescriptionEntity):
    """What a launch file returns.

    Args:
        initial_entities: visited in this order.
    """

    def __init__(self, initial_entities: Iterable[LaunchDescriptionEntity] | None = None) -> None:
        self.entities: list[LaunchDescriptionEntity] = list(initial_entities or [])

    def add_action(self, action: LaunchDescriptionEntity) -> None:
        """Add one at the end."""
        self.entities.append(action)

    def visit(self, context: LaunchContext) -> Sequence[LaunchDescriptionEntity]:
        """All of them."""
        return self.entities
