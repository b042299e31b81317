"""The service that restarts the filter around a pose and says what became of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.lifecycle import LifecycleNode

from mdps_ros.notes import Note
from mdps_ros.ros import convert, services
from mdps_ros.ros.later import Later
from mdps_ros.ros.map_changes import NOT_CONFIGURED
from mdps_ros.runtime.recovery.asked_start import AskedStart, Begun
from mdps_ros.srv import SetPose

if TYPE_CHECKING:
    from mdps_ros.ros.pipeline import Pipeline

INACTIVE = "kept until the node is activated"
WAITING = "kept until odometry comes"


class Starting:
    """Answers `~/set_pose`; as long as the node lives, as an answer may be due after a clean-up.

    Args:
        node: owner of the service.
        pipeline: the node's; None while it is not configured.
    """

    def __init__(self, node: LifecycleNode, pipeline: Callable[[], Pipeline | None]) -> None:
        self._node = node
        self._pipeline = pipeline
        # a group of its own: the executor goes on with other callbacks while it waits
        group = ReentrantCallbackGroup()
        node.create_service(SetPose, services.PLACE.name, self._place, callback_group=group)

    async def _place(self, request: Any, response: Any) -> Any:
        pipeline = self._pipeline()
        if pipeline is None:
            return _refused(response, NOT_CONFIGURED)
        event = pipeline.intake.guess(request.pose)
        if isinstance(event, Note):
            return _refused(response, event.text)
        event = dataclasses.replace(event, told=not request.relocalize)
        later: Later[Begun | str] = Later(self._node)
        if not pipeline.request(event, AskedStart(event, later.give)):
            return _kept(response, INACTIVE)
        answer = await later
        if isinstance(answer, str):
            return _refused(response, answer)
        if not answer.text:
            return _kept(response, WAITING)
        response.success, response.code = True, SetPose.Response.BEGUN
        response.message = answer.text
        if answer.estimate is not None:
            frame = pipeline.settings.frames.map
            response.start = convert.pose_message(answer.estimate, frame)
        return response


def _refused(response: Any, message: str) -> Any:
    response.code, response.message = SetPose.Response.REFUSED, message
    return response


def _kept(response: Any, message: str) -> Any:
    response.success, response.code, response.message = True, SetPose.Response.KEPT, message
    return response
