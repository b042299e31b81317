"""Pose initializers ask over DDS where the vehicle is; answers are honest, outputs can be held."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from geometry_msgs.msg import PoseWithCovarianceStamped
from lifecycle_msgs.msg import Transition
from rosbags.highlevel import AnyReader
from std_srvs.srv import SetBool

from mdps_ros.ros import aligning, topics
from mdps_ros.ros.map_changes import NOT_CONFIGURED
from mdps_ros.srv import AlignPose
from test.ros.test_node import ACTIVE, NAME, change
from test.ros.test_requests import drive as wheel
from test.ros.test_requests import pose


def guess(x: float, y: float, yaw: float = 0.0, sd: float = 2.0) -> PoseWithCovarianceStamped:
    message = pose(x, y)
    orientation = message.pose.pose.orientation
    orientation.z, orientation.w = math.sin(yaw / 2.0), math.cos(yaw / 2.0)
    covariance = np.zeros((6, 6))
    covariance[[0, 1, 5], [0, 1, 5]] = sd**2, sd**2, 0.1
    message.pose.covariance = covariance.ravel().tolist()
    return message


@pytest.mark.parametrize("there", [(), aligning.AUTOWARE_PACKAGES[1:], aligning.AUTOWARE_PACKAGES])
def test_the_newest_type_of_autoware_that_is_installed_is_taken(
    monkeypatch: pytest.MonkeyPatch, there: tuple[str, ...]
) -> None:
    def find(name: str) -> Any:
        if name.split(".")[0] not in there:
            raise ImportError(name)
        return SimpleNamespace(PoseWithCovarianceStamped=name)

    monkeypatch.setattr(importlib, "import_module", find)
    expected = f"{there[0]}.srv" if there else None
    assert aligning.autoware_align_type() == expected


def test_a_guess_is_answered_honestly_and_poses_can_be_held_back(
    start_node: Any, partner: Any
) -> None:
    """The town's streets are a grid: odometry and roads alone cannot tell them apart."""
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    ask = AlignPose.Request(guess=guess(-100.0, -160.0))
    answer = partner.call(AlignPose, f"{NAME}/align", ask)
    assert not answer.success
    assert "nothing was seen yet" in answer.message
    nameless = AlignPose.Request(guess=guess(-100.0, -160.0))
    nameless.guess.header.frame_id = ""
    answer = partner.call(AlignPose, f"{NAME}/align", nameless)
    assert answer.message.startswith("the request's pose is in frame ''")
    out = partner.speak(topics.ODOMETRY)
    statuses, poses = partner.hear(topics.STATUS), partner.hear(topics.POSE)
    wheel(out, 0, 60, 0.0)
    assert partner.until(lambda: statuses and statuses[-1].frames_used + len(poses) > 2), node.text
    answer = partner.call(AlignPose, f"{NAME}/align", ask)
    assert answer.success, answer.message
    assert not answer.reliable
    assert not answer.applied
    assert (answer.images, answer.pose.header.frame_id) == (0, "map")
    at = answer.pose.pose.pose.position
    assert math.hypot(at.x + 100.0, at.y + 160.0) < 40.0
    assert min(answer.pose.pose.covariance[0], answer.pose.pose.covariance[7]) > 0.0
    ask.guess.header.frame_id = "moon"
    answer = partner.call(AlignPose, f"{NAME}/align", ask)
    assert not answer.success
    assert "no transform ties to 'map'" in answer.message

    held = SetBool.Request(data=False)
    assert partner.call(SetBool, f"{NAME}/yabloc_trigger_srv", held).success
    before, told = len(poses), len(statuses)
    wheel(out, 60, 60, 30.0)
    assert partner.until(lambda: len(statuses) >= told + 3), node.text
    assert len(poses) == before
    held.data = True
    assert partner.call(SetBool, f"{NAME}/yabloc_trigger_srv", held).success
    wheel(out, 120, 60, 60.0)
    assert partner.until(lambda: len(poses) > before), node.text


def test_images_make_an_answer_reliable_and_the_filter_can_start_there(
    start_node: Any, start: Any, partner: Any, drive: Path
) -> None:
    node = start_node(
        node__image_reliable=True, filter__particles_max=20_000, camera__enabled="false"
    )
    node.wait_for(ACTIVE)
    player = start("mdps_ros.ros.play_bag", str(drive), "--rate", "0", "--lossless")
    assert partner.until(lambda: player.popen.poll() is not None, 240.0), player.text
    x, y, yaw = last_truth(drive)
    kind = aligning.autoware_align_type()
    if kind is not None:
        request = kind.Request(pose_with_covariance=guess(x + 1.0, y - 1.0, yaw + 0.1))
        answer = partner.call(kind, f"{NAME}/yabloc_align_srv", request)
        assert answer.success, node.text
        assert answer.reliable, node.text
        found = answer.pose_with_covariance.pose.pose.position
        assert math.hypot(found.x - x, found.y - y) < 2.0
        request.pose_with_covariance = guess(x + 30.0, y + 30.0, yaw + 2.0)
        assert not partner.call(kind, f"{NAME}/yabloc_align_srv", request).reliable
    ask = AlignPose.Request(guess=guess(x + 1.0, y - 1.0, yaw + 0.1), apply=True)
    answer = partner.call(AlignPose, f"{NAME}/align", ask)
    assert answer.reliable, answer.message
    assert answer.applied
    assert answer.images > 3
    assert answer.share > 0.9
    node.wait_for("restarted around the initial pose")


@pytest.mark.parametrize("shut_down", [False, True])
def test_an_answer_that_is_due_at_a_clean_up_is_given(
    start_node: Any, partner: Any, shut_down: bool
) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    statuses = partner.hear(topics.STATUS)
    out = partner.speak(topics.ODOMETRY)
    poses = partner.hear(topics.POSE)
    wheel(out, 0, 60, 0.0)
    assert partner.until(lambda: len(poses) > 2 and statuses), node.text
    client = partner.node.create_client(AlignPose, f"{NAME}/align")
    assert client.wait_for_service(20.0)
    wide = AlignPose.Request(guess=guess(-100.0, -160.0, sd=100.0), apply=True)
    futures = [client.call_async(wide) for _ in range(3)]
    clean_up = (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)
    at_once = (Transition.TRANSITION_ACTIVE_SHUTDOWN,)
    for transition in at_once if shut_down else clean_up:
        assert change(partner, transition), node.text
    assert partner.until(lambda: all(future.done() for future in futures)), node.text
    answer = partner.call(AlignPose, f"{NAME}/align", wide)
    assert (answer.success, answer.message) == (False, NOT_CONFIGURED)
    held = SetBool.Request(data=False)
    assert partner.call(SetBool, f"{NAME}/yabloc_trigger_srv", held).message == NOT_CONFIGURED
    assert shut_down or change(partner, Transition.TRANSITION_CONFIGURE), node.text
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text


def last_truth(bag: Path) -> tuple[float, float, float]:
    """x m, y m, yaw rad of the last ground truth of a bag."""
    with AnyReader([bag]) as reader:
        connections = [c for c in reader.connections if c.topic == "/ground_truth"]
        message: Any = None
        for connection, _, data in reader.messages(connections):
            message = reader.deserialize(data, connection.msgtype)
    found = message.pose.pose
    yaw = 2.0 * math.atan2(found.orientation.z, found.orientation.w)
    return float(found.position.x), float(found.position.y), yaw
