"""The bond of nav2's lifecycle manager, over DDS; the manager's side is played here."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
from types import SimpleNamespace
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.qos import QoSProfile

from mdps_ros.ros import bonding, topics
from test.ros.test_node import NAME

LATE_S = 30.0


def test_without_the_package_no_bond_is_offered_and_that_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines: list[str] = []
    node: Any = SimpleNamespace(get_logger=lambda: SimpleNamespace(info=lines.append))
    monkeypatch.setattr(topics, "BOND", dataclasses.replace(topics.BOND, type=None))
    assert bonding.make_bonding(node, 0.25) is None
    assert lines == [bonding.NO_BOND]
    assert bonding.make_bonding(node, 0.0) is None
    assert len(lines) == 1


def test_the_row_of_the_table_stands_where_the_package_is_absent() -> None:
    absent = dataclasses.replace(topics.BOND, type=None)
    assert absent.type_name == topics.BOND.type_name == "bond/msg/Status"


class Manager:
    """The other side, by the messages that bondcpp sends."""

    def __init__(self, partner: Any) -> None:
        kind = topics.BOND.type
        if kind is None:
            pytest.skip("the package bond is not installed")
        self.heard: list[Any] = []
        self._kind = kind
        self._partner = partner
        partner.node.create_subscription(kind, "bond", self._take, QoSProfile(depth=100))
        self._out = partner.node.create_publisher(kind, "bond", QoSProfile(depth=5))

    def _take(self, msg: Any) -> None:
        if msg.instance_id != "the manager":
            self.heard.append(msg)

    def say(self, active: bool, name: str = NAME.lstrip("/")) -> None:
        self._out.publish(self._kind(id=name, instance_id="the manager", active=active))

    def change(self, number: int) -> None:
        request = ChangeState.Request(transition=Transition(id=number))
        assert self._partner.call(ChangeState, f"{NAME}/change_state", request).success

    def hears(self, count: int, active: bool) -> bool:
        """Whether so many more messages of a kind come."""
        begin = sum(msg.active is active for msg in self.heard)
        return bool(
            self._partner.until(
                lambda: sum(msg.active is active for msg in self.heard) >= begin + count, LATE_S
            )
        )


def seconds(msg: Any) -> float:
    return msg.header.stamp.sec + 1e-9 * msg.header.stamp.nanosec


def test_heartbeats_come_from_activation_to_deactivation(start_node: Any, partner: Any) -> None:
    manager = Manager(partner)
    node = start_node(autostart="false")
    manager.change(Transition.TRANSITION_CONFIGURE)
    assert manager.heard == []
    manager.change(Transition.TRANSITION_ACTIVATE)
    assert manager.hears(6, active=True), node.text
    beats = list(manager.heard)
    assert {(msg.id, msg.active) for msg in beats} == {(NAME.lstrip("/"), True)}
    assert len({msg.instance_id for msg in beats}) == 1
    assert beats[0].instance_id
    assert beats[0].heartbeat_period == pytest.approx(0.25)
    assert beats[0].heartbeat_timeout == pytest.approx(4.0)
    gaps = [seconds(b) - seconds(a) for a, b in itertools.pairwise(beats)]
    assert 0.2 < statistics.median(gaps) < 2.0  # half of what a manager waits

    manager.say(active=True, name="another node")
    manager.say(active=True)
    node.wait_for("bond formed")
    manager.change(Transition.TRANSITION_DEACTIVATE)
    assert manager.hears(1, active=False), node.text
    farewell = manager.heard[-1]
    assert farewell.instance_id == beats[0].instance_id
    manager.say(active=False)
    first = len(manager.heard)
    manager.change(Transition.TRANSITION_ACTIVATE)
    assert manager.hears(2, active=True), node.text
    assert manager.heard[-1].instance_id != beats[0].instance_id
    assert node.text.count("bond formed") == 1
    assert all(msg.active for msg in manager.heard[first + 3 :])  # the old bond is over

    manager.say(active=True)
    assert partner.until(lambda: node.text.count("bond formed") == 2, LATE_S), node.text
    node.wait_for("the lifecycle manager was not heard for 4 s")
    assert manager.hears(2, active=True), node.text  # it goes on
    assert node.end() == 0
