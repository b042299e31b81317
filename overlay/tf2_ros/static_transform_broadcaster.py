"""Stand-in for tf2_ros.static_transform_broadcaster: publishes latched on /tf_static."""

from __future__ import annotations

from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile
from tf2_msgs.msg import TFMessage


class StaticTransformBroadcaster:
    """Sends transforms that never change; each message repeats all sent before.

    Args:
        node: publishes.
        qos: the last one, transient local, when None.
    """

    def __init__(self, node: Any, qos: Any = None) -> None:
        profile = qos or QoSProfile(
            depth=1, history=HistoryPolicy.KEEP_LAST, durability=DurabilityPolicy.TRANSIENT_LOCAL
        )
        self.pub_tf = node.create_publisher(TFMessage, "/tf_static", profile)
        self._sent: dict[str, Any] = {}

    def sendTransform(self, transform: Any) -> None:
        """Publish one TransformStamped or a list of them, with all earlier ones."""
        for item in transform if isinstance(transform, list) else [transform]:
            self._sent[item.child_frame_id] = item
        self.pub_tf.publish(TFMessage(transforms=list(self._sent.values())))
