"""Smoothed trajectories over DDS: a path for RViz, and poses of which each is final once."""

from __future__ import annotations

import math
from typing import Any

from mdps_ros.ros import topics
from test.ros.test_node import ACTIVE
from test.ros.test_requests import drive, pose

ON = {
    "smoother__enabled": "true",
    "smoother__lag": "1.0",
    "smoother__stride": 2,
    "smoother__particles": 40,
    "filter__update_distance": "1.0",
}


def seconds(stamp: Any) -> float:
    return float(stamp.sec) + stamp.nanosec * 1e-9


def test_smoothed_poses_come_as_a_path_and_become_final_once(start_node: Any, partner: Any) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false", **ON)
    node.wait_for(ACTIVE)
    smoothed, paths = partner.hear(topics.SMOOTHED), partner.hear(topics.SMOOTHED_PATH)
    poses, diagnostics = partner.hear(topics.POSE), partner.hear(topics.DIAGNOSTICS)
    statuses = partner.hear(topics.STATUS)
    out, initial = partner.speak(topics.ODOMETRY), partner.speak(topics.INITIAL_POSE)
    drive(out, 0, 2, 0.0)
    initial.publish(pose(-100.0, -160.0))
    node.wait_for(r"\[initial_pose\]")
    assert partner.until(lambda: poses), node.text
    drive(out, 2, 60, 1.0)
    assert partner.until(lambda: sum(p.final for m in smoothed for p in m.poses) >= 8), node.text
    assert partner.until(lambda: paths), node.text

    revisions = [message.revision for message in smoothed]
    assert revisions == sorted(set(revisions))
    assert len({message.belief for message in smoothed}) == 1
    final = [seconds(p.stamp) for message in smoothed for p in message.poses if p.final]
    assert final == sorted(set(final))
    newest = 0.0
    for message in smoothed:
        stamps = [seconds(p.stamp) for p in message.poses]
        assert stamps == sorted(stamps)
        assert message.header.frame_id == "map"
        assert message.map_id == statuses[-1].map_id
        assert seconds(message.header.stamp) == stamps[-1] > newest
        assert not message.poses[-1].smoothed
        newest = stamps[-1]
        for item in message.poses:
            # the vehicle drives east, 0.5 m every 50 ms, from 1 m at 100.1 s on
            wanted = -100.0 + 10.0 * (seconds(item.stamp) - 100.1) + 1.0
            assert (
                math.hypot(item.pose.pose.position.x - wanted, item.pose.pose.position.y + 160) < 6
            )
            assert 0.0 < item.share < 1.0 + 1e-5
            assert item.pose.covariance[0] > 0.0
    stamps_of = {seconds(m.header.stamp): [seconds(p.stamp) for p in m.poses] for m in smoothed}
    for path in paths:
        assert [seconds(p.header.stamp) for p in path.poses] == stamps_of[
            seconds(path.header.stamp)
        ]

    def told() -> list[Any]:
        return [s for s in diagnostics[-1].status if s.name.endswith(": smoothing")]

    assert partner.until(lambda: diagnostics and told()), node.text
    assert {item.key for item in told()[0].values} >= {"revisions left out", "part of the lag"}
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text
