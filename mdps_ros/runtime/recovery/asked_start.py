"""A start that somebody asked for: whether the belief has begun, and where."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NamedTuple

from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import Event, InitialPoseEvent
from mdps_ros.runtime.outputs import Output, PoseEstimate


class Begun(NamedTuple):
    """What came of a start.

    Attributes:
        text: what the session said of the belief that has begun; empty where it waits for odometry.
        estimate: the one that the belief begins with; None where there is none yet.
    """

    text: str = ""
    estimate: PoseEstimate | None = None


class AskedStart:
    """Follows a session until it has answered the event.

    Args:
        event: around which pose to begin.
        answered: called once, with what came of it, or with the reason where the session stops
            before it comes to the event.
    """

    def __init__(self, event: InitialPoseEvent, answered: Callable[[Begun | str], None]) -> None:
        self.event = event
        self._answered = answered
        self._over = threading.Lock()  # who holds it has answered, for good

    def take(self, event: Event, outputs: tuple[Output, ...]) -> bool:
        """Answer by what came of the event; True when it was the one."""
        if event is not self.event:
            return False
        notes = [o for o in outputs if isinstance(o, Note) and o.code is Code.INITIAL_POSE]
        estimates = [o for o in outputs if isinstance(o, PoseEstimate)]
        if notes:
            self._answer(Begun(notes[-1].text, estimates[-1] if estimates else None))
        else:
            self._answer(Begun())
        return True

    def give_up(self, why: str) -> None:
        """The session stops; nothing where it has answered already."""
        self._answer(why)

    def _answer(self, answer: Begun | str) -> None:
        if self._over.acquire(blocking=False):
            self._answered(answer)
