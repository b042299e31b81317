"""Stand-in for the actions of launch about events: handle one, emit one, end everything."""

from __future__ import annotations

from launch.action import Action
from launch.condition import Condition
from launch.event_handlers import OnProcessExit
from launch.events.shutdown import Shutdown as ShutdownEvent
from launch.launch_context import LaunchContext


class RegisterEventHandler(Action):
    """From now on, handle an event.

    Args:
        event_handler: what to do.
        condition: see Action.
    """

    def __init__(self, event_handler: OnProcessExit, *, condition: Condition | None = None) -> None:
        super().__init__(condition=condition)
        self.event_handler = event_handler

    def execute(self, context: LaunchContext) -> None:
        """Register it."""
        context.service.handle_exits(self.event_handler, context)


class EmitEvent(Action):
    """Make something happen; here only the Shutdown event.

    Args:
        event: what is to happen.
        condition: see Action.
    """

    def __init__(self, *, event: ShutdownEvent, condition: Condition | None = None) -> None:
        super().__init__(condition=condition)
        if not isinstance(event, ShutdownEvent):
            raise NotImplementedError(f"EmitEvent({type(event).__name__})")
        self.event = event

    def execute(self, context: LaunchContext) -> None:
        """End everything."""
        context.service.shutdown(self.event.reason)


class Shutdown(EmitEvent):
    """End everything.

    Args:
        reason: shown.
        condition: see Action.
    """

    def __init__(
        self, *, reason: str = "reason not given", condition: Condition | None = None
    ) -> None:
        super().__init__(event=ShutdownEvent(reason), condition=condition)
