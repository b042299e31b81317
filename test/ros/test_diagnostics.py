"""Diagnostics and jump events over DDS."""

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
    assert partner.until(lambda: newest("timing").values)
    assert int(newest("inputs").values[0].value) == 62
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text
