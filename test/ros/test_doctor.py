"""`mdps doctor` on a live graph: its findings follow what is published there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import TransformStamped
from nav_msgs.msg import Odometry
from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, Image
from tf2_ros import StaticTransformBroadcaster, TransformBroadcaster

from mdps_ros.cli.main import main
from mdps_ros.ros import observe_node, topics
from mdps_ros.runtime.checkup.choosing import OWN
from mdps_ros.runtime.checkup.observation import ROLES

Findings = dict[str, dict[str, str]]


class Vehicle:
    """Publishes odometry, images and intrinsics until it is stopped."""

    def __init__(self, partner: Any, reliable: bool) -> None:
        node = partner.node
        kinds = (ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE)
        qos = QoSProfile(depth=10, reliability=kinds[reliable])
        self._node = node
        self._odometry = node.create_publisher(Odometry, "wheels", qos)
        self._image = node.create_publisher(Image, "image", qos)
        self._info = node.create_publisher(CameraInfo, "camera_info", qos)
        self._broadcaster = StaticTransformBroadcaster(node)
        self._x = 0.0
        mount = TransformStamped(child_frame_id="optical")
        mount.header.frame_id = "base_link"
        mount.transform.translation.z = 1.5
        rotation = mount.transform.rotation
        rotation.x, rotation.y, rotation.z, rotation.w = -0.5, 0.5, -0.5, 0.5
        self._broadcaster.sendTransform(mount)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._drive, daemon=True)
        self._thread.start()

    def _drive(self) -> None:
        while not self._over.wait(0.05):
            stamp = self._node.get_clock().now().to_msg()
            odometry = Odometry()
            odometry.header.stamp, odometry.header.frame_id = stamp, "odom"
            odometry.pose.pose.position.x = self._x
            odometry.pose.pose.orientation.w = 1.0
            self._x += 0.5
            self._odometry.publish(odometry)
            info = CameraInfo(width=16, height=12, distortion_model="plumb_bob", d=[0.0] * 5)
            info.k = [10.0, 0.0, 8.0, 0.0, 10.0, 6.0, 0.0, 0.0, 1.0]
            info.p = [10.0, 0.0, 8.0, 0.0, 0.0, 10.0, 6.0, 0.0, 0.0, 0.0, 1.0, 0.0]
            image = Image(width=16, height=12, encoding="rgb8", step=48, data=bytes(16 * 12 * 3))
            info.header.stamp = image.header.stamp = stamp
            info.header.frame_id = image.header.frame_id = "optical"
            self._info.publish(info)
            self._image.publish(image)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture
def vehicle(partner: Any, request: pytest.FixtureRequest) -> Iterator[Vehicle]:
    made = Vehicle(partner, getattr(request, "param", True))
    yield made
    made.stop()


def findings(tmp_path: Path, *words: str) -> tuple[int, Findings]:
    out = tmp_path / "doctor.json"
    code = main(["doctor", "--json", str(out), *words])
    return code, {item["check"]: item for item in json.loads(out.read_text())["findings"]}


def test_a_graph_without_a_node_is_judged_by_its_topics(
    vehicle: Vehicle, town: Path, tmp_path: Path
) -> None:
    code, found = findings(tmp_path, "--map", str(town), "--seconds", "3")
    assert code == 0, found
    wanted = ("odom topic", "image topic", "odom QoS", "camera place", "intrinsics", "map")
    assert {name: found[name]["severity"] for name in wanted} == dict.fromkeys(wanted, "pass")
    assert found["odom topic"]["text"].startswith("/wheels, ")
    assert found["node"]["severity"] == "warn"


@pytest.mark.parametrize("vehicle", [False], indirect=True)
def test_best_effort_odometry_fails_with_the_setting_that_helps(
    vehicle: Vehicle, tmp_path: Path
) -> None:
    code, found = findings(tmp_path, "--seconds", "2")
    assert code == 1
    assert found["odom QoS"]["severity"] == "fail"
    assert "node.odometry_reliable" in found["odom QoS"]["remedy"]
    assert found["image QoS"]["severity"] == "pass"


def test_an_empty_graph_has_no_odometry(tmp_path: Path) -> None:
    code, found = findings(tmp_path, "--seconds", "0.5", "--odometry-topic", "/wheels")
    assert code == 1
    assert found["odom topic"]["severity"] == "fail"
    assert "nobody publishes /wheels" in found["topics"]["text"]


def test_a_running_node_tells_its_topics_and_parameters(
    start_node: Any, partner: Any, tmp_path: Path
) -> None:
    node = start_node(node__odometry_reliable=False)
    node.wait_for("active: waiting for odometry")
    odometry = partner.speak(topics.ODOMETRY)
    message = Odometry()
    message.header.frame_id, message.pose.pose.orientation.w = "odom", 1.0
    over = threading.Event()

    def drive() -> None:
        while not over.wait(0.1):
            message.header.stamp = partner.node.get_clock().now().to_msg()
            odometry.publish(message)

    thread = threading.Thread(target=drive, daemon=True)
    thread.start()
    try:
        _, found = findings(tmp_path, "--seconds", "2")
    finally:
        over.set()
        thread.join()
    text = found["node"]["text"]
    assert text.startswith("/mdps_localization is active; 0 frames used, 0 dropped")
    assert found["map"]["severity"] == "pass"  # named by the node's own parameter
    assert found["odom topic"]["text"].startswith("/odom, ")
    assert "best effort" in found["odom QoS"]["text"]


class Broadcaster:
    """Moves a footprint that carries the base, by transforms alone."""

    def __init__(self, partner: Any) -> None:
        self._node = partner.node
        self._fixed = StaticTransformBroadcaster(self._node)
        self._moving = TransformBroadcaster(self._node)
        self._wheels = self._node.create_publisher(Odometry, "odom", 10)  # nobody's odometry here
        below = TransformStamped(child_frame_id="base_link")
        below.header.frame_id = "footprint"
        below.transform.rotation.w = 1.0
        self._fixed.sendTransform(below)
        self._pose = TransformStamped(child_frame_id="footprint")
        self._pose.header.frame_id = "wheels"
        self._pose.transform.rotation.w = 1.0
        self._timer = self._node.create_timer(0.05, self._move)

    def _move(self) -> None:
        self._pose.header.stamp = self._node.get_clock().now().to_msg()
        self._pose.transform.translation.x += 0.5
        self._moving.sendTransform(self._pose)
        other = Odometry(header=self._pose.header)
        other.pose.pose.position.y, other.pose.pose.orientation.w = 500.0, 1.0
        self._wheels.publish(other)

    def stop(self) -> None:
        self._node.destroy_timer(self._timer)
        self._node.destroy_publisher(self._wheels)


@pytest.mark.parametrize("with_node", [True, False])
def test_odometry_from_transforms_is_looked_at(
    start_node: Any, partner: Any, tmp_path: Path, with_node: bool
) -> None:
    car = Broadcaster(partner)
    words = ["--seconds", "2"]
    try:
        if with_node:
            start_node(node__odometry_source="tf", frames__odom="wheels").wait_for("active")
        else:
            words += ["--set", "node.odometry_source=tf", "--set", "frames.odom=wheels"]
        _, found = findings(tmp_path, *words)
    finally:
        car.stop()
    assert found["odometry"]["severity"] == "pass", found["odometry"]
    assert found["odometry"]["text"].startswith("wheels -> base_link on /tf, ")
    assert found["odometry rate"]["severity"] == "pass"
    assert found["motion"]["severity"] == "pass", found["motion"]
    assert "odom topic" not in found


@pytest.mark.parametrize(
    ("parameters", "words", "failing"),
    [
        ({"node__map": "nowhere.osm"}, "the map cannot be used", {"node", "map"}),
        ({"filter__particles_min": 4500}, "filter.particles_min", {"node"}),
    ],
)
def test_a_node_that_could_not_be_configured_is_found_with_what_to_do(
    start_node: Any,
    partner: Any,
    tmp_path: Path,
    parameters: dict[str, Any],
    words: str,
    failing: set[str],
) -> None:
    node = start_node(**parameters)
    node.wait_for("the node waits: ")
    code, found = findings(tmp_path, "--seconds", "0.5")
    assert code == 1
    assert found["node"]["text"].startswith("/mdps_localization is unconfigured")
    assert words in found["node"]["text"]
    assert "ros2 lifecycle set /mdps_localization configure" in found["node"]["remedy"]
    assert failing <= {name for name, item in found.items() if item["severity"] == "fail"}


def test_the_roles_are_the_inputs_of_the_topics_table() -> None:
    table = {topic.name: topic for topic in topics.INPUTS}
    for name, role in ROLES.items():
        if name not in ("tf", "tf_static"):
            assert role.types[0] == table[name].type_name
            assert role.setting == table[name].setting
    assert ROLES["image"].types[1] == topics.COMPRESSED.type_name


def test_a_node_that_shows_its_name_late_is_waited_for(
    partner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher = partner.node.create_publisher(topics.STATUS.type, "status", 1)
    observer = Node("looking")
    try:
        real, looks = observer.get_publishers_info_by_topic, []

        def late(name: str) -> Any:
            looks.append(name)
            infos = real(name)
            for info in infos if len(looks) < 5 else ():
                info.node_name = observe_node.UNKNOWN
            return infos

        monkeypatch.setattr(observer, "get_publishers_info_by_topic", late)
        monkeypatch.setattr(observe_node, "_call", lambda *_: None)
        found = observe_node.find_node(observer)
        assert found is not None
        assert found.name == "/partner"
        assert len(looks) >= 5
    finally:
        observer.destroy_node()
        partner.node.destroy_publisher(publisher)


def test_stamps_are_held_against_a_published_clock(
    vehicle: Vehicle, partner: Any, tmp_path: Path
) -> None:
    publisher = partner.node.create_publisher(Clock, "/clock", 10)
    ahead = Duration(seconds=-3600.0)

    def tick() -> None:
        publisher.publish(Clock(clock=(partner.node.get_clock().now() + ahead).to_msg()))

    partner.node.create_timer(0.05, tick)
    _, found = findings(tmp_path, "--seconds", "1")
    assert found["odom stamps"]["severity"] == "warn"
    assert "stamped 60 minutes after /clock" in found["odom stamps"]["text"]


def test_every_answer_of_the_node_that_looks_like_an_input_is_known() -> None:
    seen = {role: wanted for role, wanted in ROLES.items() if role not in ("tf", "tf_static")}
    kinds = {kind for wanted in seen.values() for kind in wanted.types}
    alike = {topic.name for topic in topics.OUTPUTS if topic.type_name in kinds}
    assert alike == set(OWN) - {"ground_truth"}


def test_a_node_that_listens_elsewhere_is_told_to_be_started_with_the_right_topic(
    vehicle: Vehicle, start_node: Any, tmp_path: Path
) -> None:
    node = start_node()  # the vehicle's odometry is /wheels
    node.wait_for("active: waiting for odometry")
    code, found = findings(tmp_path, "--seconds", "1")
    assert code == 1
    assert found["odom topic"]["severity"] == "fail"
    assert "listens to /odom, which nobody publishes; /wheels" in found["odom topic"]["text"]
    assert "odom_topic:=/wheels" in found["odom topic"]["remedy"]
    assert found["image topic"]["severity"] == "pass"
