"""The node's services and its action, in one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """One service or action; the name is relative to the namespace, `~` is the node's own name.

    Attributes:
        name: service name.
        type_name: as `ros2 service` or `ros2 action` prints it.
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
PLACE = Service("~/set_pose", "mdps_ros/srv/SetPose",
    "As the topic `initialpose`, with an answer; or search around a mere guess (`relocalize`).")
TRAJECTORY = Service("~/get_trajectory", "mdps_ros/srv/GetTrajectory",
    "The way of the vehicle between two times, as the filter or as the smoother sees it.")
SAVE = Service("~/save_state", "mdps_ros/srv/SaveState",
    "Write the whole belief to a file (`node.state_file` where the request names none).")
LOAD_MAP = Service("~/load_map", "mdps_ros/srv/LoadMap",
    "Go on on another map, loaded beside the work; a tracked vehicle stays so where it is on it.")
NAV2_LOAD_MAP = Service("~/nav2_load_map", "nav2_msgs/srv/LoadMap",
    "The same as nav2's map server is asked for it, with its result codes; offered where nav2_msgs "
    "is installed.")
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
GLOBAL_LOCALIZE = Service("~/global_localize", "mdps_ros/action/GlobalLocalize",
    "Action: find the vehicle anew, on the whole map, in a polygon or around a guess; tells how "
    "the search stands, and at the end honestly whether it succeeded.")
# fmt: on

SERVICES: tuple[Service, ...] = (
    REINITIALIZE, UPDATE_NOW, SET_POSE, PLACE, TRAJECTORY, SAVE, LOAD, LOAD_MAP, NAV2_LOAD_MAP,
    ALIGN, YABLOC_ALIGN, TRIGGER, GLOBAL_LOCALIZE,
)  # fmt: skip
"""The whole table."""


def markdown() -> str:
    """The table as Markdown, for the README (a test keeps the two equal)."""
    lines = ["| Service | Type | Meaning |", "|---|---|---|"]
    lines += [f"| `{s.name}` | `{s.type_name}` | {s.meaning} |" for s in SERVICES]
    return "\n".join(lines) + "\n"
