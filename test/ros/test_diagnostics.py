"""Diagnostics, jump events and predicted poses over DDS."""

from __future__ import annotations

from typing import Any

from mdps_ros.msg import JumpEvent
from mdps_ros.ros import topics
from test.ros.test_node import ACTIVE
from test.ros.test_requests import drive, pose


def test_diagnostics_and_jumps_tell_what_happens(start_node: Any, partner: Any) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    heard, jumps = partner.hear(topics.DIAGNOSTICS), partner.hear(topics.JUMPS)

    def newest(name: str) -> Any:
        (found,) = [s for s in heard[-1].status if s.name == f"mdps_localization: {name}"]
        return found

    assert partner.until(lambda: heard)
    assert {status.name.split(": ")[1] for status in heard[-1].status} == {
        *("localization", "inputs", "dropped", "timing", "map", "device")
    }
    assert newest("map").hardware_id
    assert partner.until(lambda: newest("inputs").level == b"\x02"), node.text
    assert "no odom for" in newest("inputs").message
    out, initial = partner.speak(topics.ODOMETRY), partner.speak(topics.INITIAL_POSE)
    poses = partner.hear(topics.POSE)
    drive(out, 0, 2, 0.0)
    initial.publish(pose(-100.0, -160.0))
    assert partner.until(lambda: jumps), node.text
    assert (jumps[0].cause, jumps[0].was_claimed) == (JumpEvent.INITIAL_POSE, False)
    initial.publish(pose(140.0, 160.0))
    assert partner.until(lambda: len(jumps) == 2), node.text
    assert jumps[1].was_claimed
    assert abs(jumps[1].before.position.x + 100.0) < 3
    assert abs(jumps[1].after.position.x - 140.0) < 3
    assert jumps[1].header.stamp == poses[-1].header.stamp
    drive(out, 2, 60, 1.0)
    assert partner.until(lambda: len(newest("timing").values) > 1)
    assert int(newest("inputs").values[0].value) == 62
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text


def stamps(messages: list[Any]) -> list[float]:
    return [m.header.stamp.sec + m.header.stamp.nanosec * 1e-9 for m in messages]


def test_the_pose_is_predicted_to_the_newest_odometry(start_node: Any, partner: Any) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    predicted, poses = partner.hear(topics.PREDICTED), partner.hear(topics.POSE)
    out, initial = partner.speak(topics.ODOMETRY), partner.speak(topics.INITIAL_POSE)
    drive(out, 0, 2, 0.0)
    assert partner.until(lambda: poses)
    assert predicted == []  # nothing is claimed yet
    initial.publish(pose(-100.0, -160.0))
    assert partner.until(lambda: len(poses) == 2), node.text
    drive(out, 2, 20, 1.0, step=0.05)  # 1 m: no update for most of it
    assert partner.until(lambda: len(predicted) == 20), node.text
    assert stamps(predicted) == [100.0 + 0.05 * i for i in range(2, 22)]
    assert len(poses) < 5
    first, last = predicted[0], predicted[-1]
    assert (last.header.frame_id, last.child_frame_id) == ("map", "base_link")
    assert abs(last.pose.pose.position.x - first.pose.pose.position.x - 0.95) < 0.5
    assert last.pose.covariance[0] > 0.0
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text
