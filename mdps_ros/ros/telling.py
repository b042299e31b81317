"""What a configured node tells people: notes, so that none drowns the others, and failures."""

from __future__ import annotations

import time
import traceback

from rclpy.lifecycle import LifecycleNode

from mdps_ros.notes import Note, Severity
from mdps_ros.runtime.health import Health
from mdps_ros.runtime.throttle import NoteThrottle


class Telling:
    """Log and diagnostics of a node; all threads may tell.

    Args:
        node: whose log it is.
        health: what the diagnostics are made of.
    """

    def __init__(self, node: LifecycleNode, health: Health) -> None:
        self._node = node
        self._health = health
        self._throttle = NoteThrottle()

    def note(self, note: Note) -> None:
        """Something happened."""
        self._health.noted(note, time.monotonic())
        text = self._throttle.text(note, time.monotonic())
        logger = self._node.get_logger()
        if text is None:
            return
        if note.severity is Severity.ERROR:  # rclpy wants one severity per line of code
            logger.error(text)
        elif note.severity is Severity.WARN:
            logger.warning(text)
        else:
            logger.info(text)

    def failure(self, text: str, error: Exception) -> bool:
        """A part ended by an exception, and localization goes on without it.

        Returns:
            False where it did so only because the node ends and took a publisher from under it.
        """
        if not self._node.context.ok():
            return False
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._node.get_logger().error(f"{text}\n{trace}")
        return True
