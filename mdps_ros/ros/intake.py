"""What the node hears: subscriptions and TF in, events of the session out.

All of it runs in the executor's thread and only converts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tf2_ros
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.time import Time

from mdps_ros.notes import Note
from mdps_ros.ros import topics
from mdps_ros.runtime import messages
from mdps_ros.runtime.events import Event, OdometryEvent
from mdps_ros.settings import Settings


class Intake:
    """Subscriptions of a configured node.

    Args:
        node: owner of the subscriptions.
        settings: frames and quality of service.
        offer: takes every event, and a note for every message that cannot be used.
        heard: takes the name of every sensor topic that a message came on.
        moved: takes every odometry event with its geometry_msgs/TwistWithCovariance.

    Attributes:
        open: whether sensor messages are converted at all.
        odom_frame: frame of the newest odometry.
        refused: images that could not be used.
    """

    def __init__(
        self,
        node: LifecycleNode,
        settings: Settings,
        offer: Callable[[Event | Note], None],
        heard: Callable[[str], None],
        moved: Callable[[OdometryEvent, Any], None],
    ) -> None:
        self.open = False
        self.odom_frame = settings.frames.odom
        self.refused = 0
        self._node = node
        self._frames = settings.frames
        self._offer = offer
        self._heard = heard
        self._moved = moved
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._camera = messages.Inputs(self._extrinsics)
        # The executor serves in this order: intrinsics and odometry before images.
        callbacks = (
            (topics.CAMERA_INFO, self._on_camera_info),
            (topics.ODOMETRY, self._on_odometry),
            (topics.IMAGE, self._on_image),
            (topics.INITIAL_POSE, self.initial_pose),
        )
        reliable = settings.node.image_reliable
        self._subscriptions = [
            node.create_subscription(topic.type, topic.name, callback, topic.qos(reliable))
            for topic, callback in callbacks
        ]

    def destroy(self) -> None:
        """Give all subscriptions back."""
        self._listener.unregister()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def initial_pose(self, msg: Any) -> None:
        """Take a pose in any frame that TF ties to the map."""
        self._offer(messages.initial_pose_event(msg, self._frames.map, self._placement))

    def _extrinsics(self, frame: str) -> NDArray[np.float64] | None:
        return self._transform(self._frames.base, frame, Time())

    def _placement(self, frame: str, stamp_ns: int) -> NDArray[np.float64] | None:
        """Map <- frame at a stamp, or the latest one there is."""
        then = self._transform(self._frames.map, frame, Time(nanoseconds=stamp_ns))
        return self._transform(self._frames.map, frame, Time()) if then is None else then

    def _transform(self, target: str, source: str, when: Time) -> NDArray[np.float64] | None:
        try:
            found = self._buffer.lookup_transform(target, source, when)
        except tf2_ros.TransformException:
            return None
        return messages.transform_matrix(found.transform)

    def _on_camera_info(self, msg: Any) -> None:
        self._heard(topics.CAMERA_INFO.name)
        for note in self._camera.camera_info(msg):
            self._offer(note)

    def _on_odometry(self, msg: Any) -> None:
        self._heard(topics.ODOMETRY.name)
        event = messages.odometry_event(msg)
        self._offer(event)
        if not isinstance(event, Note):
            self.odom_frame = msg.header.frame_id or self.odom_frame
            self._moved(event, msg.twist)

    def _on_image(self, msg: Any) -> None:
        self._heard(topics.IMAGE.name)
        if self.open:
            event = self._camera.image(msg)
            self.refused += isinstance(event, Note)
            self._offer(event)
