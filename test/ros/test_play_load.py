"""The player that times a node's answers: its messages, and a whole run."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from nav_msgs.msg import Odometry
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image

from mdps_ros.ros import play_load
from mdps_ros.ros.convert import header
from mdps_ros.ros.play_load import START, Loop, Stopwatch
from mdps_ros.ros.play_source import StoredDrive
from mdps_ros.runtime.inputs.messages import odometry_event, stamp_ns

SECOND = 1_000_000_000
LATER = 1_800_000_000 * SECOND + 5


class Silent:
    """A player that nobody hears: it keeps what it is told to send."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.starts: list[Any] = []

    def send(self, name: str, data: bytes) -> None:
        self.sent.append((name, data))

    def create_publisher(self, *given: Any) -> Any:
        return self

    def create_subscription(self, *given: Any) -> None:
        pass

    def get_subscription_count(self) -> int:
        return 1

    def publish(self, msg: Any) -> None:
        self.starts.append(msg)


def test_a_message_gets_another_stamp_and_stays_as_it_is() -> None:
    image = Image(header=header(3, "camera"), height=2, width=3, encoding="rgb8", step=9)
    image.data = bytes(range(18))
    found = deserialize_message(play_load.stamped(serialize_message(image), LATER), Image)
    assert stamp_ns(found.header) == LATER
    found.header.stamp = image.header.stamp
    assert found == image


def test_a_message_of_another_byte_order_is_refused() -> None:
    data = bytearray(serialize_message(Image()))
    data[1] = 0
    with pytest.raises(ValueError, match="big-endian"):
        play_load.stamped(bytes(data), LATER)


def test_rounds_follow_each_other_and_images_keep_their_rate(drive: Path) -> None:
    given = list(Loop(StoredDrive(drive), 10.0)._due(90 * SECOND))
    assert [due for _, due, _ in given] == sorted(due for _, due, _ in given)
    starts = [due for name, due, _ in given if name == START]
    assert len(starts) > 2
    images = np.diff([due for name, due, _ in given if name == "image"])
    assert np.median(images) == pytest.approx(0.1 * SECOND, rel=1e-6)
    # from one round to the next the images pause no longer than the drive has none
    assert (images <= 0.5 * SECOND).all()


def test_the_odometry_goes_on_where_the_drive_begins_anew(
    drive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player: Any = Silent()
    monkeypatch.setattr(play_load.time, "sleep", lambda seconds: None)
    Loop(StoredDrive(drive), 10.0).play(player, Stopwatch(player), 60.0)
    odometry = [
        odometry_event(deserialize_message(data, Odometry))
        for name, data in player.sent
        if name == "odom"
    ]
    poses = np.array([event.T_odom_base for event in odometry])
    assert len(player.starts) > 1
    steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    assert steps.max() < 2.0
    assert steps.sum() > 160.0  # more than the drive
    stamps = np.array([event.stamp_ns for event in odometry])
    assert (np.diff(stamps) > 0).all()
    for start, later in itertools.pairwise(player.starts):
        assert start.pose.pose == later.pose.pose
        assert stamp_ns(start.header) < stamp_ns(later.header)


def test_a_node_is_timed_and_every_image_accounted_for(
    start: Any, start_node: Any, drive: Path, tmp_path: Path
) -> None:
    out = tmp_path / "latency.json"
    node = start_node(smoother__enabled=True, filter__update_distance=1.0)
    player = start("mdps_ros.ros.play_load", str(drive), "--seconds", "12", "--out", str(out))
    assert player.popen.wait(240) == 0, player.text + node.text
    found = json.loads(out.read_text())
    assert 100 < found["images"] <= 121
    assert found["used"] + found["dropped"] + found["lost"] == found["images"]
    assert 0 < len(found["latency_ms"]) <= found["images"]
    assert min(found["latency_ms"]) > 0.0


def test_without_a_node_it_says_what_to_start(
    start: Any, drive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(play_load, "START_S", 1.0)
    assert play_load.main([str(drive), "--out", str(tmp_path / "latency.json")]) == 1
    assert not (tmp_path / "latency.json").exists()
