"""Stand-in for tf2_ros.transform_broadcaster: publishes on /tf."""

from __future__ import annotations

from typing import Any

from rclpy.qos import HistoryPolicy, QoSProfile
from tf2_msgs.msg import TFMessage


class TransformBroadcaster:
    """Sends transforms that change.

    Args:
        node: publishes.
        qos: keep the last 100 when None.
    """

    def __init__(self, node: Any, qos: Any = None) -> None:
        profile = qos or QoSProfile(depth=100, history=HistoryPolicy.KEEP_LAST)
        self.pub_tf = node.create_publisher(TFMessage, "/tf", profile)

    def sendTransform(self, transform: Any) -> None:
        """Publish one TransformStamped or a list of them."""
        transforms = transform if isinstance(transform, list) else [transform]
        self.pub_tf.publish(TFMessage(transforms=transforms))
