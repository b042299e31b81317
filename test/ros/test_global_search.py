"""Somebody asks over DDS for the vehicle to be found anew, and is told how that goes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from action_msgs.msg import GoalStatus
from geometry_msgs.msg import Point32, PolygonStamped, PoseWithCovarianceStamped
from lifecycle_msgs.msg import Transition
from rclpy.action import ActionClient

from mdps_ros.action import GlobalLocalize
from mdps_ros.msg import LocalizerStatus
from mdps_ros.ros import global_search, topics
from mdps_ros.ros.global_search import Goal
from mdps_ros.ros.map_changes import NOT_CONFIGURED
from mdps_ros.runtime.starts import NOWHERE
from test.ros.test_aligning import guess
from test.ros.test_node import ACTIVE, NAME, change
from test.ros.test_requests import drive as wheel

PIECE = ((-130.0, -170.0), (-122.0, -170.0), (-122.0, -150.0), (-130.0, -150.0))
"""8 m of the town's southernmost street, which lies at y = -160."""


class Client:
    """Asks for one goal at a time."""

    def __init__(self, partner: Any) -> None:
        self._partner = partner
        self._client = ActionClient(partner.node, GlobalLocalize, f"{NAME}/global_localize")
        assert self._client.wait_for_server(60.0)
        self.told: list[Any] = []

    def ask(self, **goal: Any) -> Any:
        """The handle of a goal that was accepted."""
        self.told = []
        wanted = GlobalLocalize.Goal(**goal)
        future = self._client.send_goal_async(wanted, lambda m: self.told.append(m.feedback))
        assert self._partner.until(future.done)
        assert future.result().accepted
        return future.result()

    def outcome(self, handle: Any) -> tuple[int, Any]:
        """Status and result."""
        future = handle.get_result_async()
        assert self._partner.until(future.done, 60.0), self.told[-1:]
        return future.result().status, future.result().result


def region(corners: tuple[tuple[float, float], ...] = PIECE, frame: str = "map") -> PolygonStamped:
    made = PolygonStamped()
    made.header.frame_id = frame
    made.polygon.points = [Point32(x=x, y=y, z=0.0) for x, y in corners]
    return made


@pytest.fixture
def node(start_node: Any) -> Any:
    made = start_node(depth__enabled="false", camera__enabled="false")
    made.wait_for(ACTIVE)
    return made


def test_a_search_in_a_region_tells_how_it_goes_and_ends_with_the_place(
    node: Any, partner: Any
) -> None:
    client, out = Client(partner), partner.speak(topics.ODOMETRY)
    handle = client.ask(region=region(), heading=0.0, heading_sd=0.1)
    assert partner.until(lambda: client.told), node.text
    assert "odom" in client.told[0].waiting_for
    wheel(out, 0, 60, 0.0, step=0.1)
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_SUCCEEDED, result.message
    assert result.success
    assert result.reliable
    at = result.pose.pose.pose.position
    assert -135.0 < at.x < -110.0
    assert abs(at.y + 160.0) < 5.0
    assert result.pose.header.frame_id == "map"
    assert result.hypotheses[0].share >= 0.9
    last = client.told[-1]
    assert last.state == LocalizerStatus.TRACKING
    assert last.particles > 0
    assert last.top_mass == result.hypotheses[0].share
    assert last.waiting_for == ""
    assert 0.0 < last.seconds <= result.seconds
    # a second one, while the vehicle stands still
    handle = client.ask(region=region(((-40.0, -10.0), (90.0, -10.0), (90.0, 10.0), (-40.0, 10.0))))
    assert partner.until(lambda: any("motion" in f.waiting_for for f in client.told) or None), [
        f.waiting_for for f in client.told
    ]
    assert partner.until(handle.cancel_goal_async().done)
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_CANCELED
    assert result.message == global_search.CANCELED
    assert not result.success
    node.wait_for("went back to the belief of before the search")  # it was tracked


def test_what_cannot_be_searched_is_said_with_the_remedy(node: Any, partner: Any) -> None:
    client, out = Client(partner), partner.speak(topics.ODOMETRY)
    wheel(out, 0, 20, 0.0)
    bow_tie = region(((0.0, 0.0), (50.0, 50.0), (50.0, 0.0), (0.0, 50.0)))
    nowhere = PoseWithCovarianceStamped(pose=guess(5.0, 0.0).pose)
    house = region(((10.0, 10.0), (20.0, 10.0), (15.0, 20.0)))
    for goal, words in (
        ({"region": region(PIECE[:2])}, "three finite corners"),
        ({"region": bow_tie}, "sides cross"),
        ({"region": region(frame="moon")}, "no transform ties to 'map'"),
        ({"region": house}, NOWHERE),
        ({"region": region(), "guess": guess(0.0, 0.0)}, global_search.BOTH),
        ({"guess": guess(0.0, 0.0), "heading_sd": 0.1}, global_search.HEADING_TWICE),
        ({"guess": nowhere}, global_search.NO_FRAME),
        ({"heading": 0.5}, global_search.NO_SPREAD),
        ({"min_confidence": 1.5}, "min_confidence at most 1"),
        ({"max_seconds": float("nan")}, "must be finite"),
    ):
        status, result = client.outcome(client.ask(**goal))
        assert status == GoalStatus.STATUS_ABORTED, goal
        assert words in result.message, result.message
        assert not result.success


def test_a_search_ends_by_the_clock_by_another_request_and_with_the_node(
    node: Any, partner: Any
) -> None:
    client, out = Client(partner), partner.speak(topics.ODOMETRY)
    wheel(out, 0, 20, 0.0)
    status, result = client.outcome(client.ask(max_seconds=1.0))
    assert status == GoalStatus.STATUS_ABORTED
    assert "no place is claimed after 1 s" in result.message
    assert 1.0 <= result.seconds < 20.0
    handle = client.ask(guess=guess(-100.0, -160.0, sd=20.0))
    assert partner.until(lambda: client.told), node.text
    pose: PoseWithCovarianceStamped = guess(-100.0, -160.0)
    partner.speak(topics.INITIAL_POSE).publish(pose)
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_ABORTED
    assert "another belief took the place of this search" in result.message
    handle = client.ask()
    assert change(partner, Transition.TRANSITION_DEACTIVATE), node.text
    status, result = client.outcome(handle)
    assert "the node was deactivated meanwhile" in result.message
    handle = client.ask()
    assert partner.until(lambda: client.told), node.text
    assert client.told[0].waiting_for == "the activation of the node"
    first, handle = handle, client.ask(max_seconds=1.0)
    status, result = client.outcome(first)
    assert "another request of this kind came" in result.message
    status, result = client.outcome(handle)
    assert "it has not begun (waiting_for: the activation of the node)" in result.message
    assert change(partner, Transition.TRANSITION_ACTIVATE), node.text
    assert change(partner, Transition.TRANSITION_DEACTIVATE), node.text
    assert "restarted over the whole map" not in node.text  # it was withdrawn
    handle = client.ask()
    assert change(partner, Transition.TRANSITION_CLEANUP), node.text
    status, result = client.outcome(handle)
    assert status == GoalStatus.STATUS_ABORTED
    status, result = client.outcome(client.ask())
    assert result.message == NOT_CONFIGURED
    assert node.end() == 0, node.text


def test_a_guess_that_was_cancelled_before_there_was_odometry_does_not_begin(
    node: Any, partner: Any
) -> None:
    client, out = Client(partner), partner.speak(topics.ODOMETRY)
    handle = client.ask(guess=guess(-100.0, -160.0, sd=20.0))
    assert partner.until(lambda: client.told), node.text
    assert partner.until(handle.cancel_goal_async().done)
    status, _ = client.outcome(handle)
    assert status == GoalStatus.STATUS_CANCELED
    wheel(out, 0, 30, 0.0)
    node.wait_for("started over the whole map")
    assert "searching around the pose" not in node.text


def test_a_client_is_told_how_it_stands_while_simulated_time_stands_still(
    start_node: Any, partner: Any
) -> None:
    """Timers by the node's own clock would never fire before the first /clock."""
    node = start_node(use_sim_time="true", depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    client, statuses = Client(partner), partner.hear(topics.DIAGNOSTICS)
    handle = client.ask(region=region())
    assert partner.until(lambda: client.told), node.text
    assert "odom" in client.told[0].waiting_for
    assert partner.until(lambda: statuses), node.text
    assert partner.until(handle.cancel_goal_async().done)
    status, _ = client.outcome(handle)
    assert status == GoalStatus.STATUS_CANCELED


def test_the_time_limit_counts_simulated_time_from_its_first_tick_on() -> None:
    now = SimpleNamespace(nanoseconds=0)
    clock = SimpleNamespace(now=lambda: now)
    goal = Goal.__new__(Goal)
    goal._clock, goal._begin_ns = clock, 0
    assert goal.seconds() == 0.0
    now.nanoseconds = 1_700_000_000 * 10**9  # the first /clock
    assert goal.seconds() == 0.0
    now.nanoseconds += 5 * 10**9
    assert goal.seconds() == 5.0
    now.nanoseconds -= 4 * 10**9  # still counted from before
    assert goal.seconds() == 1.0
    now.nanoseconds -= 60 * 10**9  # the bag is played again
    assert goal.seconds() == 0.0
