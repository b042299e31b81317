"""Parameters of an active node: live ones change at once, others are refused with the remedy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from lifecycle_msgs.msg import Transition
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue, SetParametersResult
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.node import Node

from mdps_ros.msg import LocalizerStatus
from mdps_ros.ros import topics
from test.ros.test_node import ACTIVE, NAME, change, odometry
from test.ros.test_requests import pose


def parameter(name: str, value: Any) -> Parameter:
    kinds: dict[type, tuple[int, str]] = {
        bool: (ParameterType.PARAMETER_BOOL, "bool_value"),
        int: (ParameterType.PARAMETER_INTEGER, "integer_value"),
        float: (ParameterType.PARAMETER_DOUBLE, "double_value"),
        str: (ParameterType.PARAMETER_STRING, "string_value"),
    }
    kind, field = kinds[type(value)]
    return Parameter(name=name, value=ParameterValue(**{"type": kind, field: value}))


class Setter:
    """Sets parameters of the node under test."""

    def __init__(self, partner: Any) -> None:
        self._partner = partner

    def one(self, name: str, value: Any) -> SetParametersResult:
        request = SetParameters.Request(parameters=[parameter(name, value)])
        answer = self._partner.call(SetParameters, f"{NAME}/set_parameters", request)
        return answer.results[0]

    def together(self, **values: Any) -> SetParametersResult:
        given = [parameter(name.replace("__", "."), value) for name, value in values.items()]
        request = SetParametersAtomically.Request(parameters=given)
        name = f"{NAME}/set_parameters_atomically"
        return self._partner.call(SetParametersAtomically, name, request).result

    def get(self, name: str) -> ParameterValue:
        request = GetParameters.Request(names=[name])
        return self._partner.call(GetParameters, f"{NAME}/get_parameters", request).values[0]


@pytest.fixture
def setter(partner: Any) -> Iterator[Setter]:
    return Setter(partner)


def test_settings_change_while_the_vehicle_is_tracked(
    start_node: Any, partner: Any, setter: Setter
) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    out, initial = partner.speak(topics.ODOMETRY), partner.speak(topics.INITIAL_POSE)
    poses, statuses = partner.hear(topics.POSE), partner.hear(topics.STATUS)
    predicted = partner.hear(topics.PREDICTED)
    steps = itertools.count()

    def drive_on() -> None:
        i = next(steps)
        out.publish(odometry(0.1 * i, 100.0 + 0.05 * i))

    def until(ready: Any) -> bool:
        return partner.until(lambda: drive_on() or ready())

    drive_on()
    initial.publish(pose(-100.0, -160.0))
    tracking = LocalizerStatus.TRACKING
    assert until(lambda: len(poses) >= 5 and statuses[-1].state == tracking), node.text
    assert setter.one("filter.update_distance", 0.5).successful, node.text
    node.wait_for(r"\[settings\] settings changed: filter.update_distance = 0.5")
    heard = len(poses)
    assert until(lambda: len(poses) >= heard + 8), node.text
    stamps = [m.header.stamp.sec + 1e-9 * m.header.stamp.nanosec for m in poses[heard + 2 :]]
    assert max(b - a for a, b in itertools.pairwise(stamps)) < 0.4  # at 2 m/s; it was 1.5 s
    assert {status.state for status in statuses[-8:]} == {tracking}
    assert statuses[-1].travelled_m > 12.0  # since the initial pose: the belief was kept
    # of the node itself
    assert predicted
    assert setter.one("node.odometry_rate", 0.0).successful
    before = len(predicted)
    heard = len(poses)
    assert until(lambda: len(poses) >= heard + 4), node.text
    assert len(predicted) <= before + 1  # one may have been on its way
    # what was set while the node was inactive counts when it is active again
    assert change(partner, Transition.TRANSITION_DEACTIVATE)
    assert setter.one("filter.update_distance", 5.0).successful
    assert change(partner, Transition.TRANSITION_ACTIVATE)
    node.wait_for("filter.update_distance = 5.0")
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text


def test_what_cannot_be_set_is_refused_in_one_line_and_changes_nothing(
    start_node: Any, partner: Any, setter: Setter
) -> None:
    node = start_node(depth__enabled="false", camera__enabled="false")
    node.wait_for(ACTIVE)
    refused = {
        "fixed while the node is configured; cleanup first": setter.one("frames.map", "site"),
        "out of range": setter.one("filter.update_distance", -1.0),
        "filter.particles_min exceeds filter.particles_max; lower it": setter.together(
            filter__particles_min=3000, filter__particles_max=2000, filter__kld_bin=2.0
        ),
        "runtime.seed is fixed": setter.together(filter__kld_bin=2.0, runtime__seed=4),
    }
    for words, result in refused.items():
        assert not result.successful
        assert words in result.reason
        assert "\n" not in result.reason
    assert setter.get("filter.kld_bin").double_value == 1.5
    # to the value that it has, as who loads a whole file does
    assert setter.one("frames.map", "map").successful
    # together they go, and after each other they would not
    assert not setter.one("filter.particles_min", 4500).successful
    together = {"filter__particles_min": 4500, "filter__particles_max": 5000}
    assert setter.together(**together).successful
    assert setter.get("filter.particles_min").integer_value == 4500
    node.wait_for("filter.particles_max = 5000")
    request = DescribeParameters.Request(names=["filter.update_distance", "frames.map"])
    answer = partner.call(DescribeParameters, f"{NAME}/describe_parameters", request)
    live, fixed = (item.additional_constraints for item in answer.descriptors)
    assert live == "may be set while the node runs"
    assert fixed.startswith("read when the node is configured")
    assert node.end() == 0, node.text
    assert "Traceback" not in node.text


@pytest.mark.skipif(
    not hasattr(Node, "add_pre_set_parameters_callback"), reason="Humble's rclpy refuses by itself"
)
def test_an_unknown_name_is_answered_with_the_one_that_is_near(
    start_node: Any, setter: Setter
) -> None:
    node = start_node(node__map="nowhere.osm")
    node.wait_for("the node waits")
    text = "unknown parameter filter.update_distnce; did you mean filter.update_distance?"
    for answer in (
        setter.one("filter.update_distnce", 2.0),
        setter.together(filter__update_distnce=2.0, filter__update_distance=2.0),
    ):
        assert not answer.successful
        assert answer.reason == text
    assert setter.one("filter.update_distance", 2.0).successful
    assert "undeclared" in setter.one("elsewhere.odd", 2.0).reason  # another's section
