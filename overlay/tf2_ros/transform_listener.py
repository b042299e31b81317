"""Stand-in for tf2_ros.transform_listener: fills a buffer from /tf and /tf_static."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from tf2_msgs.msg import TFMessage

from tf2_ros.buffer import Buffer


class TransformListener:
    """Subscribes for as long as it lives.

    Args:
        buffer: what to fill.
        node: subscribes; somebody must spin it.
        spin_thread: not offered here: spin the node in an executor of its own.
        qos: of /tf; keep the last 100 when None.
        static_qos: of /tf_static; keep the last 100, transient local, when None.
    """

    def __init__(
        self,
        buffer: Buffer,
        node: Any,
        *,
        spin_thread: bool = False,
        qos: Any = None,
        static_qos: Any = None,
    ) -> None:
        if spin_thread:
            raise NotImplementedError("spin_thread: spin the node in an executor of its own")
        self.buffer, self.node = buffer, node
        moving = qos or QoSProfile(depth=100, history=HistoryPolicy.KEEP_LAST)
        latched = static_qos or QoSProfile(
            depth=100,
            history=HistoryPolicy.KEEP_LAST,
            durability=DurabilityPolicy.TRANSIENT_LOCAL,
        )
        self.tf_sub = node.create_subscription(TFMessage, "/tf", self.callback, moving)
        self.tf_static_sub = node.create_subscription(
            TFMessage, "/tf_static", self.static_callback, latched
        )

    def callback(self, data: Any) -> None:
        """Take a message of /tf."""
        for transform in data.transforms:
            self.buffer.set_transform(transform, "default_authority")

    def static_callback(self, data: Any) -> None:
        """Take a message of /tf_static."""
        for transform in data.transforms:
            self.buffer.set_transform_static(transform, "default_authority")

    def unregister(self) -> None:
        """Stop listening."""
        self.node.destroy_subscription(self.tf_sub)
        self.node.destroy_subscription(self.tf_static_sub)
