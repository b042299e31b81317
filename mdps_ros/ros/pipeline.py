"""What exists between configure and cleanup: subscriptions -> worker -> session -> publishers.

Callbacks run in the executor's thread and only convert and enqueue; the session and everything
that is published live in the worker's thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tf2_ros
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.ros import topics
from mdps_ros.ros.publishing import Publishing
from mdps_ros.runtime import messages
from mdps_ros.runtime.events import Event, ImageEvent
from mdps_ros.runtime.outputs import ParticleSnapshot, PoseEstimate, TransformEstimate
from mdps_ros.runtime.throttle import NoteThrottle
from mdps_ros.runtime.worker import Worker
from mdps_ros.settings import Settings

if TYPE_CHECKING:
    from mdps_ros.maps import Map
    from mdps_ros.runtime.session import Session

GRID_CELLS_MAX = 16_000_000
"""Cells of the published map; a larger map is published coarser."""

NEW_BELIEF = (Code.STARTED, Code.INITIAL_POSE, Code.LOST, Code.STAMP_REGRESSION)
"""Notes after which what was published before no longer belongs to the belief."""


class Pipeline:
    """Topics and session of a configured node.

    Args:
        node: owner of publishers and subscriptions.
        settings: of the session.
        city: the map of the session; its bounds are published.
        session: answers events; used by the worker's thread alone.
        failed: called in the worker's thread with an exception that the session raised.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Settings,
        city: Map,
        session: Session,
        failed: Callable[[Exception], None],
    ) -> None:
        self._node = node
        self._settings = settings
        self._map = city
        self._session = session
        self._throttle = NoteThrottle()
        self._open = False
        self._odom_frame = settings.frames.odom
        self._stamp_ns = 0  # of the newest frame that was worked on
        self._used = 0
        self._dropped_before = 0  # by the executor's thread, before the session saw them
        self._dropped_inside = 0  # by the session
        self._publishing = Publishing(node, settings, city.id)
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._camera = messages.Inputs(self._extrinsics)
        self._worker = Worker(self._handle, failed, settings.runtime.image_wait)
        # The executor serves in this order: intrinsics and odometry before images.
        callbacks = (
            (topics.CAMERA_INFO, self._on_camera_info),
            (topics.ODOMETRY, self._on_odometry),
            (topics.IMAGE, self._on_image),
            (topics.INITIAL_POSE, self._on_initial_pose),
        )
        reliable = settings.node.image_reliable
        self._subscriptions = [
            node.create_subscription(topic.type, topic.name, callback, topic.qos(reliable))
            for topic, callback in callbacks
        ]

    def open(self) -> None:
        """Publish the map and a first status, then take messages; publishers must be active."""
        bounds, wanted = self._map.bounds, self._settings.node.map_resolution
        finest = (bounds.width * bounds.height / GRID_CELLS_MAX) ** 0.5
        self._publishing.map(self._map.raster(bounds, max(wanted, finest)))
        self._worker.start()
        self._open = True
        self._report()

    def close(self) -> None:
        """Take no more messages and wait for the worker; the belief is kept."""
        self._open = False
        self._worker.stop()

    def destroy(self) -> None:
        """Close and give all topics back."""
        self.close()
        self._listener.unregister()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._publishing.destroy()

    # -- executor's thread ---------------------------------------------------------------------

    def _extrinsics(self, frame: str) -> NDArray[np.float64] | None:
        try:
            found = self._buffer.lookup_transform(self._settings.frames.base, frame, Time())
        except tf2_ros.TransformException:
            return None
        return messages.transform_matrix(found.transform)

    def _on_camera_info(self, msg: Any) -> None:
        for note in self._camera.camera_info(msg):
            self._log(note)

    def _on_odometry(self, msg: Any) -> None:
        event = messages.odometry_event(msg)
        if not isinstance(event, Note) and msg.header.frame_id:
            self._odom_frame = msg.header.frame_id
        self._offer(event)

    def _on_image(self, msg: Any) -> None:
        if self._open:
            event = self._camera.image(msg)
            self._dropped_before += isinstance(event, Note)
            self._offer(event)

    def _on_initial_pose(self, msg: Any) -> None:
        if not self._open:
            self._node.get_logger().warning("initialpose ignored: activate the node first")
        self._offer(messages.initial_pose_event(msg, self._settings.frames.map))

    def _offer(self, event: Event | Note) -> None:
        if isinstance(event, Note):
            self._log(event)
        elif self._open:
            note = self._worker.put(event)
            if note is not None:
                self._dropped_before += note.code is Code.IMAGE_DROPPED
                self._log(note)

    # -- worker's thread -----------------------------------------------------------------------

    def _handle(self, event: Event) -> None:
        is_image, estimated = isinstance(event, ImageEvent), False
        for output in self._session.handle(event):
            if isinstance(output, PoseEstimate):
                self._stamp_ns, estimated = output.stamp_ns, True
                self._publishing.pose(output)
            elif isinstance(output, TransformEstimate):
                self._publishing.transform(output, self._odom_frame)
            elif isinstance(output, ParticleSnapshot):
                self._publishing.particles(output)
            else:
                self._take_note(output)
        self._used += is_image
        if is_image or estimated:
            self._report()

    def _take_note(self, note: Note) -> None:
        self._dropped_inside += note.code is Code.IMAGE_DROPPED
        if note.code in NEW_BELIEF:
            self._publishing.restart()
        self._log(note)

    def _report(self) -> None:
        dropped = self._dropped_before + self._dropped_inside
        self._publishing.status(self._stamp_ns, self._used, dropped)

    # -- both ----------------------------------------------------------------------------------

    def _log(self, note: Note) -> None:
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
