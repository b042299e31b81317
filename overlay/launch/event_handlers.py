"""Stand-in for launch.event_handlers: what to do when a process has ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Union

from launch.action import Action
from launch.events.process import ProcessExited
from launch.launch_context import LaunchContext
from launch.launch_description_entity import LaunchDescriptionEntity

Entities = Union[LaunchDescriptionEntity, Sequence[LaunchDescriptionEntity], None]  # noqa: UP007


class OnProcessExit:
    """Visits entities when a process has ended.

    Args:
        target_action: the process; None for every process.
        on_exit: entities, or a function of event and context that returns them.
    """

    def __init__(
        self,
        *,
        target_action: Action | None = None,
        on_exit: Entities | Callable[[ProcessExited, LaunchContext], Entities],
    ) -> None:
        self.target_action, self._on_exit = target_action, on_exit

    def handle(
        self, event: ProcessExited, context: LaunchContext
    ) -> Sequence[LaunchDescriptionEntity]:
        """What to visit; nothing when the event is about another process."""
        if self.target_action is not None and self.target_action is not event.action:
            return ()
        result = self._on_exit(event, context) if callable(self._on_exit) else self._on_exit
        if result is None:
            return ()
        return (result,) if isinstance(result, LaunchDescriptionEntity) else result
