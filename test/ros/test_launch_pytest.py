"""The launch file under launch_pytest, where the distribution brings it."""

from __future__ import annotations

import time

import pytest

launch_pytest = pytest.importorskip("launch_pytest", reason="launch_pytest is not installed")

import rclpy  # noqa: E402
from launch.actions import IncludeLaunchDescription  # noqa: E402
from launch.launch_description_sources import PythonLaunchDescriptionSource  # noqa: E402
from launch.substitutions import PathJoinSubstitution  # noqa: E402
from launch_ros.substitutions import FindPackageShare  # noqa: E402

from launch import LaunchDescription  # noqa: E402
from mdps_ros.ros import topics  # noqa: E402


@launch_pytest.fixture
def localization() -> LaunchDescription:
    file = [FindPackageShare("mdps_ros"), "launch", "localization.launch.py"]
    source = PythonLaunchDescriptionSource(PathJoinSubstitution(file))
    include = IncludeLaunchDescription(source, launch_arguments={"map": "helsinki"}.items())
    return LaunchDescription([include, launch_pytest.actions.ReadyToTest()])


@pytest.mark.launch(fixture=localization)
def test_a_launched_node_gives_its_map_and_status() -> None:
    rclpy.init()
    node = rclpy.create_node("tester")
    maps: list[object] = []
    statuses: list[object] = []
    try:
        node.create_subscription(topics.MAP.type, topics.MAP.name, maps.append, topics.MAP.qos())
        node.create_subscription(
            topics.STATUS.type, topics.STATUS.name, statuses.append, topics.STATUS.qos()
        )
        end = time.monotonic() + 60.0
        while not (maps and statuses) and time.monotonic() < end:
            rclpy.spin_once(node, timeout_sec=0.1)
        assert maps
        assert statuses
    finally:
        node.destroy_node()
        rclpy.shutdown()
