"""Stand-in for launch.condition: whether an action is carried out."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launch.launch_context import LaunchContext


class Condition:
    """Base class; always true."""

    def evaluate(self, context: LaunchContext) -> bool:
        """Whether to carry out the action."""
        return True
