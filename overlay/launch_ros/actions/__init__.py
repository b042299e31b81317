"""Stand-in for launch_ros.actions: the actions that our launch files use."""

from launch_ros.actions.node import LifecycleNode, Node
from launch_ros.actions.scope import PushRosNamespace, SetParameter

__all__ = ["LifecycleNode", "Node", "PushRosNamespace", "SetParameter"]
