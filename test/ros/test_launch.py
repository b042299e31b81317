"""The launch files, through whichever launch is installed: the distribution's or the overlay's."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from ament_index_python.packages import get_packages_with_prefixes
from geometry_msgs.msg import PoseWithCovarianceStamped, TwistWithCovarianceStamped
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from mdps_ros.ros import topics
from mdps_ros.ros.aligning import autoware_align_type
from test.ros.test_inputs import stamped
from test.ros.test_node import NAME
from test.ros.test_requests import pose

ROOT = Path(__file__).parents[2]
ACTIVE = "active: waiting for odometry"


def test_every_argument_is_documented(start: Any) -> None:
    for name in ("localization", "replay"):
        shown = start("launch", str(ROOT / f"launch/{name}.launch.py"), "--show-args")
        assert shown.popen.wait(30) == 0, shown.text
        text = shown.text
        assert "no description given" not in text
        assert "'map':" in text


def test_launch_starts_a_named_node_in_a_namespace(start: Any, partner: Any, town: Path) -> None:
    launch = start(
        "launch",
        "mdps_ros",
        "localization.launch.py",
        f"map:={town}",
        "namespace:=car",
        "node_name:=amcl",
        "image_topic:=front/depth",
        "image_reliable:=true",
    )
    launch.wait_for(ACTIVE)
    maps = partner.hear(topics.MAP, "/car/map")
    node = partner.node  # it discovers the others in its own time
    assert partner.until(lambda: ("amcl", "/car") in node.get_node_names_and_namespaces())
    assert partner.until(lambda: node.get_subscriptions_info_by_topic("/car/front/depth"))
    (image,) = node.get_subscriptions_info_by_topic("/car/front/depth")
    assert image.qos_profile.reliability == topics.IMAGE.qos(True).reliability
    assert partner.until(lambda: maps)
    assert launch.end() == 0, launch.text
    assert "finished cleanly" in launch.text


def test_values_go_over_the_parameter_file(start: Any, town: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("/**:\n  ros__parameters:\n    node:\n      map: nowhere.osm\n")
    arguments = ("mdps_ros", "localization.launch.py", f"params_file:={file}")
    start("launch", *arguments).wait_for("nowhere.osm: no such map file")
    start("launch", *arguments, f"map:={town}").wait_for(ACTIVE)


@pytest.mark.skipif("rviz2" in get_packages_with_prefixes(), reason="RViz is installed here")
def test_without_rviz_the_rest_is_started_all_the_same(start: Any, town: Path) -> None:
    launch = start("launch", "mdps_ros", "localization.launch.py", f"map:={town}", "rviz:=true")
    text = launch.wait_for(ACTIVE)
    assert "no package rviz2 here, so RViz is not started" in text
    assert "Traceback" not in text
    assert launch.end() == 0, launch.text


def test_a_start_heading_is_told_in_degrees(start: Any, partner: Any, town: Path) -> None:
    words = ("mdps_ros", "localization.launch.py", f"map:={town}", "autostart:=false")
    launch = start("launch", *words, "heading:=-270", "heading_sd:=10")
    names = ["start.heading_known", "start.heading", "start.heading_sd"]
    wanted = GetParameters.Request(names=names)
    known, *told = partner.call(GetParameters, f"{NAME}/get_parameters", wanted).values
    assert known.bool_value
    degrees = [math.degrees(value.double_value) for value in told]
    assert degrees == pytest.approx([90.0, 10.0])
    assert launch.end() == 0, launch.text


@pytest.mark.parametrize(
    ("argument", "words"),
    [
        ("params_file:=nowhere.yaml", "params_file:=nowhere.yaml is no file; name one, or none"),
        ("heading:=north", "heading:=north is no number of degrees"),
        ("heading:=nan", "heading:=nan is no number of degrees"),
        ("heading_sd:=wide", "heading_sd:=wide is no number of degrees"),
    ],
)
def test_what_cannot_be_launched_is_said_in_a_line(start: Any, argument: str, words: str) -> None:
    launch = start("launch", "mdps_ros", "localization.launch.py", argument)
    assert launch.popen.wait(60.0) == 1
    assert words in launch.text
    assert "Traceback" not in launch.text


def test_a_profile_that_is_none_is_refused(start: Any) -> None:
    launch = start("launch", "mdps_ros", "localization.launch.py", "profile:=moon")
    assert launch.popen.wait(30) != 0
    assert "autoware" in launch.text


def test_the_nav2_profile_takes_the_place_of_amcl(start: Any, partner: Any, town: Path) -> None:
    """What nav2's tools look for: node, pose topic and its quality, services, relative tf."""
    arguments = (f"map:={town}", "profile:=nav2", "namespace:=car")
    launch = start("launch", "mdps_ros", "localization.launch.py", *arguments)
    launch.wait_for(ACTIVE)
    node = partner.node
    assert partner.until(lambda: ("amcl", "/car") in node.get_node_names_and_namespaces())
    (info,) = node.get_publishers_info_by_topic("/car/amcl_pose")
    assert info.topic_type == "geometry_msgs/msg/PoseWithCovarianceStamped"
    assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
    assert info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
    services = dict(node.get_service_names_and_types_by_node("amcl", "/car"))
    for name in ("reinitialize_global_localization", "request_nomotion_update"):
        assert services[f"/car/{name}"] == ["std_srvs/srv/Empty"]
    assert "/car/amcl/change_state" in services
    out = dict(node.get_publisher_names_and_types_by_node("amcl", "/car"))
    assert "/car/tf" in out
    assert not {"/car/map", "/car/particle_cloud", "/car/pose", "/tf"} & set(out)
    heard = dict(node.get_subscriber_names_and_types_by_node("amcl", "/car"))
    assert "/car/initialpose" in heard
    assert "/car/tf_static" in heard
    assert launch.end() == 0, launch.text


def test_the_autoware_profile_is_a_pose_source_without_a_transform(
    start: Any, partner: Any, town: Path
) -> None:
    launch = start(
        "launch", "mdps_ros", "localization.launch.py", f"map:={town}", "profile:=autoware"
    )
    launch.wait_for(ACTIVE)
    poses: list[PoseWithCovarianceStamped] = []
    name = "/localization/pose_estimator/pose_with_covariance"
    quality = QoSProfile(depth=10)
    partner.node.create_subscription(PoseWithCovarianceStamped, name, poses.append, quality)
    transforms = partner.hear(topics.TF)
    name = "/localization/twist_estimator/twist_with_covariance"
    twists = partner.node.create_publisher(TwistWithCovarianceStamped, name, quality)
    starts = partner.node.create_publisher(PoseWithCovarianceStamped, "/initialpose3d", quality)
    for publisher in (twists, starts):
        assert partner.until(publisher.get_subscription_count)
    starts.publish(pose(-100.0, -160.0))
    sent = 0

    def one_more() -> bool:
        nonlocal sent
        message = stamped(TwistWithCovarianceStamped(), 100.0 + 0.05 * sent, "base_link")
        message.twist.twist.linear.x = 10.0
        twists.publish(message)
        sent += 1
        return len(poses) > 3

    assert partner.until(one_more, 60.0), launch.text
    for message in poses:
        assert message.header.frame_id == "map"
        assert message.pose.covariance[0] > 0.0
        assert message.pose.covariance[35] > 0.0
    offered = dict(partner.node.get_service_names_and_types())
    yabloc = "/localization/pose_estimator/yabloc"
    assert offered[f"{yabloc}/pf/yabloc_trigger_srv"] == ["std_srvs/srv/SetBool"]
    kind = autoware_align_type()
    if kind is not None:  # what a pose initializer asks
        package = kind.__module__.split(".")[0]
        service = f"{yabloc}/initializer/yabloc_align_srv"
        assert offered[service] == [f"{package}/srv/PoseWithCovarianceStamped"]
    assert transforms == []
    assert launch.end() == 0, launch.text
