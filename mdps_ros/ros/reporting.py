"""What a configured node tells after every frame: how things stand, and what that has cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from rclpy.lifecycle import LifecycleNode

from mdps_ros.notes import Code, Note
from mdps_ros.ros.publishing import Publishing
from mdps_ros.runtime.events import Event, ImageEvent, MapEvent, OdometryEvent
from mdps_ros.runtime.health import Health
from mdps_ros.runtime.jumps import CAUSES
from mdps_ros.runtime.outputs import Output, PoseEstimate

if TYPE_CHECKING:
    from mdps_ros.runtime.stopwatch import Stopwatch

LATE_S = 60.0
"""An estimate that is older is none of now: its stamp is of another clock."""


class Reporting:
    """Counts frames and beliefs; publishes status and statistics.

    Args:
        node: whose clock tells how late an estimate is.
        publishing: publishes what is told.
        health: learns it, too.
        stopwatch: of the session's updates.
        refused: images that could not be used so far.
    """

    def __init__(
        self,
        node: LifecycleNode,
        publishing: Publishing,
        health: Health,
        stopwatch: Stopwatch,
        refused: Callable[[], int],
    ) -> None:
        self._node = node
        self._publishing = publishing
        self._health = health
        self._stopwatch = stopwatch
        self._refused = refused
        self._stamp_ns = 0  # of the newest frame that was worked on
        self._latency_s = 0.0
        self._used = self._beliefs = 0
        self._dropped_before = 0  # by the worker's queue
        self._dropped_inside = 0  # by the session

    def queued(self, note: Note) -> None:
        """The worker's queue had to drop something."""
        self._dropped_before += note.code is Code.IMAGE_DROPPED

    def note(self, note: Note) -> None:
        """The session said something."""
        self._dropped_inside += note.code is Code.IMAGE_DROPPED
        self._beliefs += note.code in CAUSES

    def answered(self, event: Event, outputs: tuple[Output, ...], seconds: float) -> None:
        """The session answered an event, and its answers are published.

        Args:
            event: what it was.
            outputs: the answers.
            seconds: that it took.
        """
        is_image = isinstance(event, ImageEvent)
        if isinstance(event, OdometryEvent):
            self._health.odometry(worked_ns=event.stamp_ns)
        self._used += is_image
        estimates = [output for output in outputs if isinstance(output, PoseEstimate)]
        stages = self._stopwatch.take()
        if estimates:
            self._stamp_ns = estimates[-1].stamp_ns
            late = (self._node.get_clock().now().nanoseconds - self._stamp_ns) * 1e-9
            # anything else is the difference of two clocks, as when a bag is played
            self._latency_s = late if 0.0 <= late < LATE_S else 0.0
            self._health.worked(seconds, self._latency_s or None)
            self._publishing.statistics(estimates[-1], seconds, stages)
        if is_image or estimates or isinstance(event, MapEvent):
            self.report()

    def report(self) -> None:
        """Publish the status."""
        dropped = self._refused() + self._dropped_before + self._dropped_inside
        self._health.reported(self._publishing.estimate, self._used, dropped)
        self._publishing.status(
            stamp_ns=self._stamp_ns,
            frames_used=self._used,
            frames_dropped=dropped,
            reason=self._health.reason(time.monotonic()),
            belief=self._beliefs,
            latency_s=self._latency_s,
            behind_s=self._health.behind_s,
        )
