"""Starts that are answered, the way of the vehicle, and what updates cost, over DDS."""

from __future__ import annotations

import math
from typing import Any

from builtin_interfaces.msg import Time
from lifecycle_msgs.msg import Transition

from mdps_ros.msg import LocalizerStatus, SmoothedTrajectory
from mdps_ros.ros import starting, topics
from mdps_ros.ros.map_changes import NOT_CONFIGURED
from mdps_ros.srv import GetTrajectory, SetPose
from test.ros.test_aligning import guess
from test.ros.test_node import ACTIVE, NAME, change
from test.ros.test_requests import drive as wheel

PLACE = f"{NAME}/set_pose"


def test_a_start_is_answered_with_what_became_of_it(start_node: Any, partner: Any) -> None:
    node = start_node(autostart="false", depth__enabled="false", camera__enabled="false")
    answer = partner.call(SetPose, PLACE, SetPose.Request(pose=guess(0.0, 0.0)))
    assert (answer.success, answer.code) == (False, SetPose.Response.REFUSED)
    assert answer.message == NOT_CONFIGURED
    assert change(partner, Transition.TRANSITION_CONFIGURE), node.text
    ask = SetPose.Request(pose=guess(-100.0, -160.0))
    answer = partner.call(SetPose, PLACE, ask)
    assert (answer.success, answer.code) == (True, SetPose.Response.KEPT)
    assert answer.message == starting.INACTIVE
    assert change(partner, Transition.TRANSITION_ACTIVATE), node.text
    node.wait_for(ACTIVE)
    statuses = partner.hear(topics.STATUS)
    answer = partner.call(SetPose, PLACE, ask)
    assert (answer.code, answer.message) == (SetPose.Response.KEPT, starting.WAITING)
    assert partner.until(lambda: statuses), node.text
    assert statuses[-1].reason.startswith("no odometry has come yet")
    wheel(partner.speak(topics.ODOMETRY), 0, 20, 0.0)
    assert partner.until(lambda: statuses[-1].state == LocalizerStatus.TRACKING), node.text
    assert statuses[-1].hypotheses >= 1
    assert statuses[-1].belief > 0
    before = statuses[-1].belief
    answer = partner.call(SetPose, PLACE, SetPose.Request(pose=guess(-60.0, -160.0)))
    assert (answer.success, answer.code) == (True, SetPose.Response.BEGUN), answer.message
    assert answer.message == "restarted around the initial pose"
    at = answer.start.pose.pose.position
    assert math.hypot(at.x + 60.0, at.y + 160.0) < 5.0
    assert answer.start.header.frame_id == "map"
    assert partner.until(lambda: statuses[-1].belief == before + 1), node.text
    ask = SetPose.Request(pose=guess(-60.0, -160.0), relocalize=True)
    answer = partner.call(SetPose, PLACE, ask)
    assert answer.message == "searching around the pose that was guessed"
    far = partner.call(SetPose, PLACE, SetPose.Request(pose=guess(90_000.0, 0.0)))
    assert (far.success, far.code) == (False, SetPose.Response.REFUSED)
    assert "m off the map" in far.message
    ask.pose.header.frame_id = "moon"
    answer = partner.call(SetPose, PLACE, ask)
    assert (answer.success, answer.code) == (False, SetPose.Response.REFUSED)
    assert "no transform ties to 'map'" in answer.message


def seen_again(trajectory: SmoothedTrajectory) -> bool:
    """Whether poses of the third to fifth second were smoothed."""
    return any(pose.smoothed and 102 <= pose.stamp.sec <= 104 for pose in trajectory.poses)


def test_the_way_can_be_asked_for_as_the_filter_and_as_the_smoother_saw_it(
    start_node: Any, partner: Any
) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false", smoother__enabled="true")
    node.wait_for(ACTIVE)
    name = f"{NAME}/get_trajectory"
    answer = partner.call(GetTrajectory, name, GetTrajectory.Request())
    assert not answer.success
    assert "no pose was estimated in that time" in answer.message
    poses, costs = partner.hear(topics.POSE), partner.hear(topics.STATISTICS)
    smoothed = partner.hear(topics.SMOOTHED)
    partner.speak(topics.INITIAL_POSE).publish(guess(-100.0, -160.0))
    wheel(partner.speak(topics.ODOMETRY), 0, 120, 0.0)
    assert partner.until(lambda: len(poses) >= 20), node.text
    assert partner.until(lambda: any(map(seen_again, smoothed))), node.text

    answer = partner.call(GetTrajectory, name, GetTrajectory.Request())
    assert answer.success
    assert answer.frame_id == "map"
    assert len(answer.map_id) == 64
    assert len(answer.poses) >= 20
    stamps = [pose.stamp.sec + 1e-9 * pose.stamp.nanosec for pose in answer.poses]
    assert stamps == sorted(set(stamps))
    assert not any(pose.smoothed for pose in answer.poses)
    told = {(m.header.stamp.sec, m.header.stamp.nanosec): m.pose for m in poses}
    last = answer.poses[-1]
    assert told[last.stamp.sec, last.stamp.nanosec].pose == last.pose.pose
    assert (told[last.stamp.sec, last.stamp.nanosec].covariance == last.pose.covariance).all()

    part = GetTrajectory.Request(begin=Time(sec=102), end=Time(sec=104), smoothed=True)
    answer = partner.call(GetTrajectory, name, part)
    assert answer.success
    assert all(102 <= pose.stamp.sec <= 104 for pose in answer.poses)
    assert any(pose.smoothed for pose in answer.poses)

    assert partner.until(lambda: costs), node.text
    cost = costs[-1]
    assert list(cost.stages) == ["move and weigh", "summarise", "smooth"]
    assert 0.0 < sum(cost.stage_ms) <= cost.update_ms
    assert cost.particles >= cost.effective_particles > 0.0
    assert cost.device_bytes == 0
