"""The node's services: each turns a request into an event of the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.lifecycle import LifecycleNode
from std_srvs.srv import Empty

from mdps_ros.runtime.events import Event, GlobalStartEvent, RestoreEvent, UpdateNowEvent
from mdps_ros.runtime.keeping.archive import Archive
from mdps_ros.runtime.keeping.belief_file import BeliefFileError
from mdps_ros.srv import LoadState, SaveState

NO_NAV2 = (
    "nav2_msgs is not installed, so the service set_initial_pose is not offered; the topic "
    "initialpose does the same"
)


@dataclass(frozen=True, slots=True)
class Service:
    """One service. Names are relative to the node's namespace, `~` is the node's own name.

    Attributes:
        name: service name.
        type_name: as `ros2 service` prints it.
        meaning: one sentence for people.
    """

    name: str
    type_name: str
    meaning: str


# fmt: off
REINITIALIZE = Service("reinitialize_global_localization", "std_srvs/srv/Empty",
    "Forget the pose and start over the whole map.")
UPDATE_NOW = Service("request_nomotion_update", "std_srvs/srv/Empty",
    "Use the next image or odometry although the vehicle has not moved.")
SET_POSE = Service("set_initial_pose", "nav2_msgs/srv/SetInitialPose",
    "As the topic `initialpose`; offered where nav2_msgs is installed.")
SAVE = Service("~/save_state", "mdps_ros/srv/SaveState",
    "Write the whole belief to a file (`node.state_file` where the request names none).")
LOAD_MAP = Service("~/load_map", "mdps_ros/srv/LoadMap",
    "Go on on another map, loaded beside the work; a tracked vehicle stays so where it is on it.")
LOAD = Service("~/load_state", "mdps_ros/srv/LoadState",
    "Go on with a belief that was saved on the same map.")
ALIGN = Service("~/align", "mdps_ros/srv/AlignPose",
    "Where the vehicle is within a region, by what was seen last, and whether that is reliable; "
    "the belief stays as it is, unless `apply` is set and the answer is reliable.")
YABLOC_ALIGN = Service("~/yabloc_align_srv",
    "autoware_internal_localization_msgs/srv/PoseWithCovarianceStamped",
    "The same as Autoware's pose initializer asks for it; offered where the type, or that of "
    "tier4_localization_msgs, is installed.")
TRIGGER = Service("~/yabloc_trigger_srv", "std_srvs/srv/SetBool",
    "Hold poses, predicted and smoothed ones included, and transform back (false), or publish "
    "them (true); the filter goes on.")
# fmt: on

SERVICES: tuple[Service, ...] = (
    REINITIALIZE, UPDATE_NOW, SET_POSE, SAVE, LOAD, LOAD_MAP, ALIGN, YABLOC_ALIGN, TRIGGER
)  # fmt: skip
"""The whole table."""


def markdown() -> str:
    """The table as Markdown, for the README (a test keeps the two equal)."""
    lines = ["| Service | Type | Meaning |", "|---|---|---|"]
    lines += [f"| `{s.name}` | `{s.type_name}` | {s.meaning} |" for s in SERVICES]
    return "\n".join(lines) + "\n"


def nav2_set_initial_pose() -> Any | None:
    """The type of nav2's service, None where nav2_msgs is not installed."""
    try:
        from nav2_msgs.srv import SetInitialPose
    except ImportError:
        return None
    return SetInitialPose


class Requests:
    """Services of a configured node.

    Args:
        node: owner of the services.
        offer: takes an event now, or at the next activation.
        initial_pose: takes a geometry_msgs/PoseWithCovarianceStamped.
        archive: writes and reads beliefs.
    """

    def __init__(
        self,
        node: LifecycleNode,
        offer: Callable[[Event], None],
        initial_pose: Callable[[Any], None],
        archive: Archive,
    ) -> None:
        self._node = node
        self._offer = offer
        self._initial_pose = initial_pose
        self._archive = archive
        self._services = [
            node.create_service(Empty, REINITIALIZE.name, self._reinitialize),
            node.create_service(Empty, UPDATE_NOW.name, self._update_now),
            node.create_service(SaveState, SAVE.name, self._save),
            node.create_service(LoadState, LOAD.name, self._load),
        ]
        kind = nav2_set_initial_pose()
        if kind is None:
            node.get_logger().info(NO_NAV2)
        else:
            self._services.append(node.create_service(kind, SET_POSE.name, self._set_pose))

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
