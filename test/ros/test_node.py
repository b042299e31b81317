"""The node as its users meet it: a process, reached over DDS."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped, TransformStamped
from lifecycle_msgs.msg import State, Transition
from lifecycle_msgs.srv import ChangeState, GetState
from nav_msgs.msg import Odometry
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, NavSatFix
from tf2_msgs.msg import TFMessage

from mdps_ros.msg import LocalizerStatus
from mdps_ros.ros import topics

ACTIVE = "active: waiting for odometry"
NAME = "/mdps_localization"


def state_of(partner: Any) -> int:
    answer = partner.call(GetState, f"{NAME}/get_state", GetState.Request())
    return int(answer.current_state.id)


def change(partner: Any, transition: int) -> bool:
    request = ChangeState.Request(transition=Transition(id=transition))
    return bool(partner.call(ChangeState, f"{NAME}/change_state", request).success)


def odometry(x: float, stamp_s: float, **changes: Any) -> Odometry:
    message = Odometry(child_frame_id="base_link")
    message.header.frame_id = "odom"
    sec = int(stamp_s)
    message.header.stamp.sec, message.header.stamp.nanosec = sec, round((stamp_s - sec) * 1e9)
    message.pose.pose.position.x = x
    message.pose.pose.orientation.w = changes.get("w", 1.0)
    return message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM] * 3)
def test_a_signal_ends_the_node_with_code_zero(start_node: Any, number: signal.Signals) -> None:
    node = start_node()
    node.wait_for(ACTIVE)
    assert node.end(number) == 0, node.text
    assert "Traceback" not in node.text


def test_a_second_ctrl_c_does_not_spoil_the_end(start_node: Any) -> None:
    node = start_node()
    node.wait_for(ACTIVE)
    node.popen.send_signal(signal.SIGINT)
    time.sleep(0.05)
    assert node.end() == 0, node.text


@pytest.mark.parametrize(
    ("map_name", "words"),
    [("''", r"node\.map is empty; give a map file"), ("nowhere.osm", "nowhere.osm: no such map")],
)
def test_a_map_that_is_not_there_is_named_and_can_be_mended(
    start_node: Any, partner: Any, town: Path, map_name: str, words: str
) -> None:
    node = start_node(node__map=map_name)
    node.wait_for(words)
    node.wait_for("the node waits: .*`ros2 param set /mdps_localization NAME VALUE`")
    node.wait_for("`ros2 lifecycle set /mdps_localization configure`.*Ctrl-C")
    assert "Traceback" not in node.text
    assert state_of(partner) == State.PRIMARY_STATE_UNCONFIGURED
    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value=str(town))
    request = SetParameters.Request(parameters=[Parameter(name="node.map", value=value)])
    answer = partner.call(SetParameters, f"{NAME}/set_parameters", request)
    assert answer.results[0].successful
    assert change(partner, Transition.TRANSITION_CONFIGURE)
    request.parameters[0].value.string_value = "helsinki"
    answer = partner.call(SetParameters, f"{NAME}/set_parameters", request)
    assert not answer.results[0].successful
    assert "cleanup first" in answer.results[0].reason
    assert node.end() == 0


def test_an_unconfigured_node_has_not_imported_torch() -> None:
    code = (
        "import sys, rclpy; from mdps_ros.ros.node import LocalizationNode; "
        "rclpy.init(args=['--ros-args', '-p', 'autostart:=false']); "
        "node = LocalizationNode(); before = 'torch' in sys.modules; node.trigger_configure(); "
        "print(before, 'torch' in sys.modules); node.destroy_node(); rclpy.try_shutdown()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]  # else this would not see an import


def test_the_lifecycle_can_be_walked_again_and_again(start_node: Any, partner: Any) -> None:
    node = start_node(autostart="false")
    statuses = partner.hear(topics.STATUS)
    assert state_of(partner) == State.PRIMARY_STATE_UNCONFIGURED
    for _ in range(2):
        assert change(partner, Transition.TRANSITION_CONFIGURE), node.text
        assert state_of(partner) == State.PRIMARY_STATE_INACTIVE
        for _ in range(2):
            before = len(statuses)
            assert change(partner, Transition.TRANSITION_ACTIVATE), node.text
            assert state_of(partner) == State.PRIMARY_STATE_ACTIVE
            assert partner.until(lambda: len(statuses) > before)  # noqa: B023
            assert change(partner, Transition.TRANSITION_DEACTIVATE), node.text
        assert change(partner, Transition.TRANSITION_CLEANUP), node.text
    assert statuses[-1].state == LocalizerStatus.UNINITIALIZED
    assert change(partner, Transition.TRANSITION_UNCONFIGURED_SHUTDOWN)
    assert node.end() == 0
    assert "Traceback" not in node.text


def test_the_node_ends_cleanly_from_active_through_the_lifecycle(
    start_node: Any, partner: Any
) -> None:
    node = start_node()
    node.wait_for(ACTIVE)
    assert change(partner, Transition.TRANSITION_ACTIVE_SHUTDOWN)
    assert state_of(partner) == State.PRIMARY_STATE_FINALIZED
    assert node.end() == 0, node.text


def test_late_listeners_get_the_map_and_the_status(start_node: Any, partner: Any) -> None:
    start_node().wait_for(ACTIVE)
    time.sleep(0.5)
    maps, statuses = partner.hear(topics.MAP), partner.hear(topics.STATUS)
    assert partner.until(lambda: maps and statuses)
    (grid,) = maps
    assert grid.info.width >= 320
    assert {0, 100, -1} == set(grid.data)
    assert statuses[0].map_id
    assert statuses[0].frames_used == 0


def test_odometry_alone_gives_poses_with_its_stamps(start_node: Any, partner: Any) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    poses, hypotheses = partner.hear(topics.POSE), partner.hear(topics.HYPOTHESES)
    statuses, clouds = partner.hear(topics.STATUS), partner.hear(topics.PARTICLE_CLOUD)
    out = partner.speak(topics.ODOMETRY)
    sent = [odometry(0.5 * i, 100.0 + 0.05 * i) for i in range(60)]
    for message in sent:
        out.publish(message)
        time.sleep(0.005)
    assert partner.until(lambda: len(poses) >= 5 and hypotheses and clouds), node.text
    stamps = {(m.header.stamp.sec, m.header.stamp.nanosec) for m in sent}
    assert {(m.header.stamp.sec, m.header.stamp.nanosec) for m in poses} <= stamps
    assert poses[-1].header.frame_id == "map"
    assert sum(item.share for item in hypotheses[-1].hypotheses) <= 1.0 + 1e-6
    assert statuses[-1].particles > 0
    assert node.end() == 0
    assert "Traceback" not in node.text


def bad_messages() -> list[tuple[topics.Topic, Any]]:
    nan = float("nan")
    lying = Image(height=480, width=640, encoding="32FC1", step=2560)
    empty = Image(encoding="16UC1")
    colour = Image(height=1, width=1, encoding="rgb8", step=3, data=[1, 2, 3])
    blind = CameraInfo(width=640, height=480)
    backward = odometry(1.0, 1.0)
    lost = PoseWithCovarianceStamped()
    lost.header.frame_id = "map"
    lost.pose.covariance = [nan] * 36
    elsewhere = PoseWithCovarianceStamped()
    elsewhere.header.frame_id = "moon"
    elsewhere.pose.pose.orientation.w = 1.0
    return [
        (topics.ODOMETRY, Odometry()),
        (topics.ODOMETRY, odometry(nan, 200.0)),
        (topics.ODOMETRY, odometry(0.0, 200.0, w=nan)),
        (topics.ODOMETRY, backward),
        (topics.CAMERA_INFO, blind),
        (topics.IMAGE, lying),
        (topics.IMAGE, empty),
        (topics.IMAGE, colour),
        (topics.INITIAL_POSE, lost),
        (topics.INITIAL_POSE, elsewhere),
        (topics.POSE_PRIOR, elsewhere),
        (topics.FIX, NavSatFix(latitude=nan)),
        (topics.COMPRESSED, CompressedImage(format="jpeg", data=[255, 216, 255])),
    ]


def test_malformed_messages_are_named_and_survived(start_node: Any, partner: Any) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    # velocities are heard where they are the odometry only
    speakers = {t.name: partner.speak(t) for t in topics.INPUTS if t is not topics.TWIST}
    transforms = partner.node.create_publisher(TFMessage, "/tf", QoSProfile(depth=10))
    statuses = partner.hear(topics.STATUS)
    twisted = TransformStamped(child_frame_id="camera")
    twisted.header.frame_id = "base_link"
    twisted.transform.rotation.w = float("nan")
    for _ in range(5):
        for topic, message in bad_messages():
            speakers[topic.name].publish(message)
        transforms.publish(TFMessage(transforms=[twisted]))
        time.sleep(0.02)
    node.wait_for(r"\[bad_message\]")
    steps = itertools.count()

    def drive_on() -> bool:
        """Images may get lost on their way, so some come with every step of the vehicle."""
        for topic, message in bad_messages():
            speakers[topic.name].publish(message)
        i = next(steps)
        speakers[topics.ODOMETRY.name].publish(odometry(0.5 * i, 300.0 + 0.05 * i))
        return bool(statuses) and statuses[-1].frames_dropped >= 10

    assert partner.until(drive_on), node.text
    assert partner.until(lambda: statuses[-1].particles > 0), node.text
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text
