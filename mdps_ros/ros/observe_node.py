"""Finds the localization node of a running graph, and asks for its state and parameters."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import rclpy
from lifecycle_msgs.srv import GetState
from rcl_interfaces.srv import GetParameters
from rclpy.node import Node, NodeNameNonExistentError
from rclpy.parameter import parameter_value_to_python

from mdps_ros.ros.services import LOAD_MAP
from mdps_ros.runtime.checkup.observation import NodeSeen
from mdps_ros.settings import Settings, describe

STATUS = "mdps_ros/msg/LocalizerStatus"
UNKNOWN = "_NODE_NAME_UNKNOWN_"
"""What rcl calls a node of which only the topics have been discovered."""
NODE_S = 4.0
"""Time that the node gets to be in sight."""
ANSWER_S = 5.0
"""Time that a service of the node gets to answer."""


def until(ready: Callable[[], Any], seconds: float) -> None:
    """Wait until something holds, or so long."""
    end = time.monotonic() + seconds
    while not ready() and time.monotonic() < end and rclpy.ok():
        time.sleep(0.05)


def node_name(observer: Node) -> str | None:
    """Full name of the localization node; None while it is not known.

    It publishes a LocalizerStatus; while it is unconfigured it offers services alone.
    """
    for name, kinds in observer.get_topic_names_and_types():
        for info in observer.get_publishers_info_by_topic(name) if STATUS in kinds else ():
            if info.node_name != UNKNOWN:
                return f"{info.node_namespace.rstrip('/')}/{info.node_name}"
    for name, space in observer.get_node_names_and_namespaces():
        try:
            offered = observer.get_service_names_and_types_by_node(name, space)
        except NodeNameNonExistentError:  # it has just left
            continue
        if any(LOAD_MAP.type_name in kinds for _, kinds in offered):
            return f"{space.rstrip('/')}/{name}"
    return None


def find_node(observer: Node) -> NodeSeen | None:
    """The localization node, with its state and parameters.

    A busy machine knows of a topic before it knows who publishes it, so one look may miss it.
    """
    until(lambda: node_name(observer), NODE_S)
    full = node_name(observer)
    if full is None:
        return None
    return NodeSeen(full, _state_of(observer, full), _parameters_of(observer, full))


def _state_of(observer: Node, node: str) -> str:
    answer = _call(observer, GetState, f"{node}/get_state", GetState.Request())
    return "" if answer is None else str(answer.current_state.label)


def _parameters_of(observer: Node, node: str) -> dict[str, Any]:
    names = [name for name, _, _ in describe(Settings())]
    request = GetParameters.Request(names=names)
    answer = _call(observer, GetParameters, f"{node}/get_parameters", request)
    if answer is None:
        return {}
    values = (parameter_value_to_python(value) for value in answer.values)
    return {n: v for n, v in zip(names, values, strict=False) if v is not None}


def _call(observer: Node, kind: Any, name: str, request: Any) -> Any:
    """The answer of a service; None when none comes in time."""
    client = observer.create_client(kind, name)
    try:
        if not client.wait_for_service(ANSWER_S):
            return None
        future = client.call_async(request)
        until(future.done, ANSWER_S)
        return future.result() if future.done() else None
    finally:
        observer.destroy_client(client)
