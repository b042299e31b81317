"""The services and requests of AMCL, asked for over DDS."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_srvs.srv import Empty
from tf2_msgs.msg import TFMessage

from mdps_ros.msg import LocalizerStatus
from mdps_ros.ros import requests, services, topics
from mdps_ros.runtime.events import Event, GlobalStartEvent, UpdateNowEvent
from mdps_ros.runtime.keeping.archive import Archive
from mdps_ros.runtime.watching.trail import Trail
from test.ros.test_node import ACTIVE, NAME, odometry

ARCHIVE = Archive("a map", "", 1.0, lambda note: None)


class FakeNode:
    """Keeps the services that are made of it, and what it logs."""

    def __init__(self) -> None:
        self.offered: dict[str, Any] = {}
        self.lines: list[str] = []

    def create_service(self, kind: Any, name: str, callback: Any) -> str:
        self.offered[name] = callback
        return name

    def destroy_service(self, service: str) -> None:
        del self.offered[service]

    def get_logger(self) -> Any:
        return SimpleNamespace(info=self.lines.append)


def made(
    node: FakeNode, offer: Callable[[Event], None], pose: Callable[[Any], None]
) -> requests.Requests:
    return requests.Requests(node, offer, pose, ARCHIVE, Trail(), "map")


def test_without_nav2_its_service_is_not_offered_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(requests, "nav2_set_initial_pose", lambda: None)
    node = FakeNode()
    offered = made(node, lambda event: None, lambda msg: None)
    assert services.SET_POSE.name not in node.offered
    assert node.lines == [requests.NO_NAV2]
    offered.destroy()
    assert node.offered == {}


def test_with_nav2_its_pose_goes_the_way_of_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "nav2_set_initial_pose", lambda: Empty)
    node, poses = FakeNode(), []
    made(node, lambda event: None, poses.append)
    answer = object()
    request = SimpleNamespace(pose="a pose")
    assert node.offered["set_initial_pose"](request, answer) is answer
    assert poses == ["a pose"]
    assert node.lines == []


def test_the_services_of_amcl_become_events() -> None:
    node, events = FakeNode(), list[Event]()
    made(node, events.append, lambda msg: None)
    for name in ("reinitialize_global_localization", "request_nomotion_update"):
        node.offered[name](Empty.Request(), Empty.Response())
    assert events == [GlobalStartEvent(), UpdateNowEvent()]


def pose(x: float, y: float, frame: str = "map") -> PoseWithCovarianceStamped:
    message = PoseWithCovarianceStamped()
    message.header.frame_id = frame
    message.pose.pose.position.x, message.pose.pose.position.y = x, y
    message.pose.pose.orientation.w = 1.0
    return message


def drive(out: Any, first: int, count: int, x: float, step: float = 0.5) -> None:
    """Samples from `x` m on, 50 ms and `step` m apart."""
    for i in range(count):
        out.publish(odometry(x + step * i, 100.0 + 0.05 * (first + i)))
        time.sleep(0.005)


def test_requests_restart_update_and_wait_for_the_activation(start_node: Any, partner: Any) -> None:
    node = start_node(autostart="false", depth__enabled="false", camera__enabled="false")
    change = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_CONFIGURE))
    assert partner.call(ChangeState, f"{NAME}/change_state", change).success, node.text
    assert requests.NO_NAV2 in node.text or requests.nav2_set_initial_pose() is not None
    initial = partner.speak(topics.INITIAL_POSE)
    initial.publish(pose(-100.0, -160.0))
    node.wait_for("request kept until the node is activated")
    change.transition.id = Transition.TRANSITION_ACTIVATE
    assert partner.call(ChangeState, f"{NAME}/change_state", change).success, node.text
    node.wait_for(ACTIVE)
    poses, statuses = partner.hear(topics.POSE), partner.hear(topics.STATUS)
    out = partner.speak(topics.ODOMETRY)
    drive(out, 0, 20, 0.0)
    assert partner.until(lambda: len(poses) >= 2), node.text
    at = poses[0].pose.pose.position
    assert abs(at.x + 100.0) < 5
    assert abs(at.y + 160.0) < 5
    # the whole map
    partner.call(Empty, "/reinitialize_global_localization", Empty.Request())
    drive(out, 20, 20, 10.0)
    assert partner.until(lambda: statuses[-1].state == LocalizerStatus.GLOBAL), node.text
    # standing
    drive(out, 40, 20, 20.0, step=0.0)
    time.sleep(0.5)
    heard = len(poses)
    drive(out, 60, 20, 20.0, step=0.0)
    time.sleep(0.5)
    assert len(poses) == heard
    partner.call(Empty, "/request_nomotion_update", Empty.Request())
    drive(out, 80, 20, 20.0, step=0.0)
    assert partner.until(lambda: len(poses) == heard + 1), node.text
    # another frame
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    transforms = partner.node.create_publisher(TFMessage, "/tf_static", latched)
    site = TransformStamped(child_frame_id="site")
    site.header.frame_id = "map"
    site.transform.translation.x = -90.0
    site.transform.rotation.w = 1.0
    transforms.publish(TFMessage(transforms=[site]))
    assert partner.until(transforms.get_subscription_count)
    time.sleep(0.5)
    initial.publish(pose(10.0, -160.0, "moon"))
    node.wait_for("no transform ties to 'map'")
    initial.publish(pose(10.0, -160.0, "site"))
    time.sleep(0.3)
    drive(out, 100, 20, 20.0)

    def near_the_site() -> bool:
        found = [message.pose.pose.position for message in poses[heard + 1 :]]
        return any(abs(at.x + 80.0) < 5 and abs(at.y + 160.0) < 5 for at in found)

    assert partner.until(near_the_site), node.text
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text
