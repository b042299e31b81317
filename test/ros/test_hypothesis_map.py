"""The node publishes pictures of the belief to those who listen, and records getting lost."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np

from mdps_ros.ros import topics
from test.ros.test_node import ACTIVE, odometry
from test.ros.test_requests import pose


def test_whoever_listens_gets_pictures_and_getting_lost_is_recorded(
    start_node: Any, partner: Any, tmp_path: Path
) -> None:
    events = tmp_path / "events"
    node = start_node(
        node__event_dir=str(events),
        depth__enabled="false",
        camera__enabled="false",
        filter__lost_fit=-0.5,
        filter__lost_distance=10.0,
    )
    node.wait_for(ACTIVE)
    pictures = partner.hear(topics.HYPOTHESIS_MAP)
    initial, out = partner.speak(topics.INITIAL_POSE), partner.speak(topics.ODOMETRY)
    out.publish(odometry(0.0, 100.0))
    initial.publish(pose(0.0, 0.0))
    # a circle of 20 m is no street of the town
    for i in range(200):
        message = odometry(0.0, 100.05 + 0.05 * i)
        turn = 0.5 * i / 20.0
        position = message.pose.pose.position
        position.x, position.y = 20.0 * math.sin(turn), 20.0 * (1.0 - math.cos(turn))
        orientation = message.pose.pose.orientation
        orientation.z, orientation.w = math.sin(turn / 2.0), math.cos(turn / 2.0)
        out.publish(message)
        time.sleep(0.01)
    node.wait_for(r"recorded in .*_lost")
    assert partner.until(lambda: pictures, 60.0), node.text
    first = pictures[0]
    assert (first.height, first.width, first.encoding) == (640, 640, "rgb8")
    assert first.header.frame_id == "map"
    rgb = np.frombuffer(first.data, np.uint8).reshape(640, 640, 3)
    assert len(np.unique(rgb.reshape(-1, 3), axis=0)) > 20
    (record, *_) = sorted(path for path in events.iterdir() if path.name.endswith("_lost"))
    facts = json.loads((record / "event.json").read_text())
    assert facts["before"]["state"] == "LOST"
    assert "picture.png" in facts["files"]
    assert (record / "picture.png").stat().st_size > 10_000
