from __future__ import annotations

from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from mdps_ros.ros import topics


def test_every_topic_has_one_row_with_its_type() -> None:
    rows = topics.markdown().splitlines()[2:]
    assert len(rows) == len(topics.TOPICS)
    for row, topic in zip(rows, topics.TOPICS, strict=True):
        assert f"`{topic.name}` | `{topic.type_name}`" in row
    assert "`nav_msgs/msg/Odometry`" in rows[0]


def test_names_are_relative_but_for_those_that_are_of_the_whole_system() -> None:
    absolute = [topic.name for topic in topics.TOPICS if topic.name.startswith("/")]
    assert absolute == ["/diagnostics", "/tf"]


def test_pose_is_what_nav2_tools_ask_for() -> None:
    qos = topics.POSE.qos()
    assert qos.reliability == ReliabilityPolicy.RELIABLE
    assert qos.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert qos.depth == 1


def test_images_match_any_publisher_unless_reliability_is_asked_for() -> None:
    assert topics.IMAGE.qos().reliability == ReliabilityPolicy.BEST_EFFORT
    assert topics.IMAGE.qos(True).reliability == ReliabilityPolicy.RELIABLE
    assert topics.ODOMETRY.qos().reliability == ReliabilityPolicy.RELIABLE
