"""What the node hears: subscriptions and TF in, events of the session out.

All of it runs in the executor's thread and only converts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tf2_ros
from geometry_msgs.msg import TwistWithCovariance
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rclpy.time import Time

from mdps_ros.notes import Note
from mdps_ros.ros import topics
from mdps_ros.ros.transforms import parents, placement
from mdps_ros.runtime.events import Event, ImageEvent, InitialPoseEvent, OdometryEvent
from mdps_ros.runtime.inputs import messages
from mdps_ros.runtime.inputs.image_inputs import Inputs
from mdps_ros.runtime.inputs.transform_odometry import TransformOdometry
from mdps_ros.runtime.inputs.twist import TwistOdometry
from mdps_ros.settings import Settings

if TYPE_CHECKING:
    from mdps_ros.maps import Map


class Intake:
    """Subscriptions of a configured node.

    Args:
        node: owner of the subscriptions.
        settings: frames and quality of service.
        city: the map.
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
        city: Map,
        offer: Callable[[Event | Note], None],
        heard: Callable[[str], None],
        moved: Callable[[OdometryEvent, Any], None],
    ) -> None:
        self.open = False
        self.odom_frame = settings.frames.odom
        self.refused = 0
        self._node = node
        self._settings = settings
        self._frames = settings.frames
        self._map = city
        self._offer = offer
        self._heard = heard
        self._moved = moved
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, node)
        self._camera = Inputs(self._extrinsics, settings.node.rectified)
        frames = settings.frames
        self._transforms = TransformOdometry(
            frames.odom, frames.base, functools.partial(parents, self._buffer), self._below
        )
        # The executor serves in this order: intrinsics and odometry before images.
        callbacks = (
            (topics.CAMERA_INFO, self._on_camera_info),
            self._odometry_callback(settings.node.odometry_source),
            (topics.IMAGE, functools.partial(self._on_image, self._camera.image)),
            (topics.COMPRESSED, functools.partial(self._on_image, self._camera.compressed)),
            (topics.INITIAL_POSE, self.initial_pose),
            (topics.POSE_PRIOR, self._on_pose_prior),
            (topics.FIX, self._on_fix),
        )
        self._subscriptions = [
            node.create_subscription(topic.type, topic.name, callback, self._qos(topic))
            for topic, callback in callbacks
        ]

    def _qos(self, topic: topics.Topic) -> QoSProfile:
        return topic.qos(getattr(self._settings.node, topic.setting) if topic.setting else None)

    def _odometry_callback(self, source: str) -> tuple[topics.Topic, Callable[[Any], None]]:
        """Which topic is odometry, and what becomes of it."""
        if source == "pose":
            return topics.ODOMETRY, self._on_odometry
        if source == "tf":
            return topics.TF, self._on_transforms
        twist = TwistOdometry()

        def integrate(msg: Any) -> None:
            self._take_odometry(twist.event(msg.header, msg.twist.twist), msg.twist)

        return (topics.TWIST if source == "twist" else topics.ODOMETRY), integrate

    def adopt(self, settings: Settings) -> None:
        """Convert by other settings from now on; subscriptions and frames stay."""
        self._settings = settings

    def change_map(self, city: Map) -> None:
        """Convert to the frame of another map from now on."""
        self._map = city

    def destroy(self) -> None:
        """Give all subscriptions back."""
        self._listener.unregister()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def initial_pose(self, msg: Any) -> None:
        """Take a pose in any frame that TF ties to the map."""
        self._offer(self._pose(msg, "initialpose"))

    def guess(self, msg: Any) -> InitialPoseEvent | Note:
        """A request's pose in any frame that TF ties to the map, or why it is none."""
        return self._pose(msg, "the request's pose")

    def _pose(self, msg: Any, name: str) -> InitialPoseEvent | Note:
        event = messages.initial_pose_event(msg, self._frames.map, self._placement, name)
        if isinstance(event, Note):
            return event
        return messages.off_map(event, self._map.bounds, name) or event

    def region(self, msg: Any) -> NDArray[np.float64] | Note:
        """A polygon's corners (P, 2) m in any frame that TF ties to the map, or why it is none."""
        return messages.region(msg, self._frames.map, self._placement)

    def _extrinsics(self, frame: str) -> NDArray[np.float64] | None:
        return placement(self._buffer, self._frames.base, frame)

    def _placement(self, frame: str, stamp_ns: int) -> NDArray[np.float64] | None:
        """Map <- frame at a stamp, or the latest one there is."""
        then = placement(self._buffer, self._frames.map, frame, Time(nanoseconds=stamp_ns))
        return placement(self._buffer, self._frames.map, frame) if then is None else then

    def _on_camera_info(self, msg: Any) -> None:
        self._heard(topics.CAMERA_INFO.name)
        for note in self._camera.camera_info(msg):
            self._offer(note)

    def _on_odometry(self, msg: Any) -> None:
        self.odom_frame = messages.frame_name(msg.header.frame_id) or self.odom_frame
        self._take_odometry(messages.odometry_event(msg), msg.twist)

    def _take_odometry(self, event: OdometryEvent | Note, twist: Any) -> None:
        self._heard(topics.ODOMETRY.name)
        self._offer(event)
        if not isinstance(event, Note):
            self._moved(event, twist)

    def _on_transforms(self, msg: Any) -> None:
        for event, velocity in self._transforms.events(msg.transforms):
            twist = TwistWithCovariance()
            twist.twist.linear.x, twist.twist.linear.y, twist.twist.angular.z = velocity.tolist()
            self._take_odometry(event, twist)

    def _below(self, frame: str) -> NDArray[np.float64] | None:
        """Frame <- base, the latest there is."""
        return placement(self._buffer, frame, self._frames.base)

    def _on_image(self, convert: Callable[[Any], ImageEvent | Note], msg: Any) -> None:
        self._heard(topics.IMAGE.name)
        if self.open:
            event = convert(msg)
            self.refused += isinstance(event, Note)
            self._offer(event)

    def _on_pose_prior(self, msg: Any) -> None:
        self._offer(messages.pose_prior_event(msg, self._frames.map, self._placement))

    def _on_fix(self, msg: Any) -> None:
        self._offer(messages.fix_event(msg, self._map.anchor, self._settings.place.fix_sd))
