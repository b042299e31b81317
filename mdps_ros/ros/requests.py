"""Services that turn a request into an event of the session, save a belief or load one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Empty

from mdps_ros.ros import convert, services
from mdps_ros.ros.installed import installed
from mdps_ros.runtime.events import Event, GlobalStartEvent, RestoreEvent, UpdateNowEvent
from mdps_ros.runtime.inputs import messages
from mdps_ros.runtime.keeping.archive import Archive
from mdps_ros.runtime.keeping.belief_file import BeliefFileError
from mdps_ros.runtime.watching.trail import Trail
from mdps_ros.srv import GetTrajectory, LoadState, SaveState

NO_NAV2 = (
    "nav2_msgs is not installed, so the service set_initial_pose is not offered; the topic "
    "initialpose does the same"
)

AT_ONCE = 2000
"""Poses in one answer: more would keep odometry and images waiting while it is made."""
NO_POSES = "no pose was estimated in that time; zero for begin and end asks for all there are"


def nav2_set_initial_pose() -> Any | None:
    """The type of nav2's service, None where nav2_msgs is not installed."""
    return installed("nav2_msgs.srv", "SetInitialPose")


class Requests:
    """Services of a configured node.

    Args:
        node: owner of the services.
        offer: takes an event now, or at the next activation.
        initial_pose: takes a geometry_msgs/PoseWithCovarianceStamped.
        archive: writes and reads beliefs.
        trail: the way of the vehicle.
        frame: of the map.
    """

    def __init__(
        self,
        node: LifecycleNode,
        offer: Callable[[Event], None],
        initial_pose: Callable[[Any], None],
        archive: Archive,
        trail: Trail,
        frame: str,
    ) -> None:
        self._node = node
        self._offer = offer
        self._initial_pose = initial_pose
        self._archive = archive
        self._trail = trail
        self._frame = frame
        self._services = [
            node.create_service(Empty, services.REINITIALIZE.name, self._reinitialize),
            node.create_service(Empty, services.UPDATE_NOW.name, self._update_now),
            node.create_service(SaveState, services.SAVE.name, self._save),
            node.create_service(LoadState, services.LOAD.name, self._load),
            node.create_service(GetTrajectory, services.TRAJECTORY.name, self._trajectory),
        ]
        kind = nav2_set_initial_pose()
        if kind is None:
            node.get_logger().info(NO_NAV2)
        else:
            self._services.append(node.create_service(kind, services.SET_POSE.name, self._set_pose))

    def destroy(self) -> None:
        """Give the services back."""
        for service in self._services:
            self._node.destroy_service(service)

    def _reinitialize(self, request: Any, response: Any) -> Any:
        self._offer(GlobalStartEvent())
        return response

    def _update_now(self, request: Any, response: Any) -> Any:
        self._offer(UpdateNowEvent())
        return response

    def _set_pose(self, request: Any, response: Any) -> Any:
        self._initial_pose(request.pose)
        return response

    def _trajectory(self, request: Any, response: Any) -> Any:
        begin_ns, end_ns = (messages.time_ns(t) for t in (request.begin, request.end))
        found = self._trail.between(begin_ns, end_ns, request.smoothed)
        poses = found[:AT_ONCE]
        response.frame_id, response.map_id = self._frame, self._archive.map_id
        response.success = bool(poses)
        response.poses = [convert.trail_pose(pose) for pose in poses]
        response.message = f"{len(poses)} poses" if poses else NO_POSES
        if poses and request.smoothed and not self._trail.smoothing:
            response.message += " of the filter: smoother.enabled is off"
        if len(found) > len(poses):
            rest = len(found) - len(poses)
            response.message += f"; {rest} more: ask again from the stamp of the last one on"
        return response

    def _save(self, request: Any, response: Any) -> Any:
        response.map_id = self._archive.map_id
        try:
            path, response.bytes = self._archive.save(request.path)
        except BeliefFileError as error:
            response.message = str(error)
            return response
        response.success, response.path = True, str(path)
        response.message = f"saved the belief to {path}"
        return response

    def _load(self, request: Any, response: Any) -> Any:
        response.map_id = self._archive.map_id
        try:
            path, saved = self._archive.load(request.path)
        except BeliefFileError as error:
            response.message = str(error)
            return response
        self._offer(RestoreEvent(saved=saved))
        response.success, response.path = True, str(path)
        response.message = f"going on with the belief of {path}"
        return response
