"""Stand-in for launch.launch_description_entity: what a launch description is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext


class LaunchDescriptionEntity:
    """Something that can be visited and may yield more to visit."""

    def visit(self, context: LaunchContext) -> Sequence[LaunchDescriptionEntity] | None:
        """Do what there is to do and return what is to be visited next."""
        return None


def visit_all(entity: LaunchDescriptionEntity, context: LaunchContext) -> None:
    """Visit an entity and, depth first, all that come out of it."""
    for inner in entity.visit(context) or ():
        visit_all(inner, context)
