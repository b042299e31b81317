"""What was seen of a ROS graph or a bag before anybody judges it: plain values, no ROS import."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np


class Role(NamedTuple):
    """What a topic is for.

    Attributes:
        types: message types that will do; the first one is the usual one.
        setting: item of `NodeSettings` that makes our subscription reliable; "" where none does.
    """

    types: tuple[str, ...]
    setting: str


ROLES: Mapping[str, Role] = {
    "odom": Role(("nav_msgs/msg/Odometry",), "odometry_reliable"),
    "twist": Role(("geometry_msgs/msg/TwistWithCovarianceStamped",), "odometry_reliable"),
    "image": Role(("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"), "image_reliable"),
    "camera_info": Role(("sensor_msgs/msg/CameraInfo",), "image_reliable"),
    "fix": Role(("sensor_msgs/msg/NavSatFix",), "image_reliable"),
    "tf": Role(("tf2_msgs/msg/TFMessage",), ""),
    "tf_static": Role(("tf2_msgs/msg/TFMessage",), ""),
}
"""The node's inputs, by the names of its topics table (mdps_ros/ros/topics.py)."""


class Offer(NamedTuple):
    """Quality of service of one publisher."""

    reliable: bool
    latched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSeen:
    """One topic and what came on it, M messages.

    Attributes:
        name: with its leading slash.
        types: message types that its publishers say.
        offers: one per publisher; empty where nobody knows, as in a bag.
        stamps_ns: (M,) of the headers; 0 where a header has none.
        arrivals_ns: (M,) when they came, or when the bag says that they did.
        frame: `frame_id` of the newest.
        unusable: messages that the session would refuse.
    """

    name: str
    types: tuple[str, ...]
    offers: tuple[Offer, ...] = ()
    stamps_ns: tuple[int, ...] = ()
    arrivals_ns: tuple[int, ...] = ()
    frame: str = ""
    unusable: int = 0


class Unfed(NamedTuple):
    """An input of a running node that nobody publishes, and topics of its type that are there."""

    topic: str
    instead: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraSeen:
    """The newest camera_info; attributes as in sensor_msgs/CameraInfo, numbers as tuples."""

    width: int
    height: int
    distortion_model: str
    d: tuple[float, ...]
    k: tuple[float, ...]
    p: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSeen:
    """The newest image: pixels, encoding (the format of a compressed one) and size in bytes."""

    width: int
    height: int
    encoding: str
    size_bytes: int


class PlaceSeen(NamedTuple):
    """Where the vehicle is said to be: by whom, m in the map frame, m to the nearest road."""

    name: str
    x: float
    y: float
    road_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSeen:
    """The map, or why there is none.

    Attributes:
        error: why it cannot be used; "" where it can.
        name: for people.
        bounds: min x, min y, max x, max y, m.
        road_m: m of drivable road; 0 in an occupancy map.
        occupancy: whether it is a nav2 map, which has no roads.
        on_earth: whether its place on Earth is known.
        places: where the vehicle is said to be.
    """

    error: str = ""
    name: str = ""
    bounds: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    road_m: float = 0.0
    occupancy: bool = False
    on_earth: bool = False
    places: tuple[PlaceSeen, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineSeen:
    """Where the filter would run.

    Attributes:
        torch: version; "" where it cannot be imported.
        cuda: name of the GPU; "" where there is none.
        weights: file of the camera's network.
        weights_sha256: of the file, hex; "" where it cannot be read.
        weights_error: why the network cannot be made of it; "" where it can.
        transport: Fast DDS profile file that the environment names; "" where it names none.
        segment_bytes: shared-memory segment that the profile sets; 0 where it sets none.
    """

    torch: str = ""
    cuda: str = ""
    weights: str = ""
    weights_sha256: str = ""
    weights_error: str = ""
    transport: str = ""
    segment_bytes: int = 0


class Pace(NamedTuple):
    """What a node's status said last: frames used and dropped, and s behind the odometry."""

    used: int
    dropped: int
    behind_s: float


class NodeSeen(NamedTuple):
    """A running localization node.

    Attributes:
        name: with its namespace.
        state: of its life cycle.
        parameters: all of them.
        pace: None where it published no status.
    """

    name: str
    state: str
    parameters: Mapping[str, Any]
    pace: Pace | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """All that was seen.

    Attributes:
        source: the bag's path, or what was watched, for people.
        live: whether it is a running graph.
        topics: by role; a role that no topic plays is absent.
        problems: topics that could not be told apart or found, in words with the remedy.
        unfed: by role, inputs of our node that nobody publishes.
        clock_ahead_s: /clock minus the machine's clock; None where nobody publishes /clock.
        node: our node; None where none runs, and in a bag.
        camera: None without camera_info.
        image: None without images.
        base: frame of the vehicle.
        T_base_camera: (16,) base <- optical frame, row-major; None where TF does not tie them.
        frames: all frames that TF knows.
        travelled_m: by the odometry.
        fastest_mps: between two odometry samples.
        fixes: (latitude, longitude) in degrees, the first and the last that a receiver gave.
        poses: name -> (x m, y m) where others placed the vehicle on the map.
        map: None where nobody named one.
        machine: this one.
    """

    source: str
    live: bool
    topics: Mapping[str, TopicSeen] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    unfed: Mapping[str, Unfed] = field(default_factory=dict)
    clock_ahead_s: float | None = None
    node: NodeSeen | None = None
    camera: CameraSeen | None = None
    image: ImageSeen | None = None
    base: str = "base_link"
    T_base_camera: tuple[float, ...] | None = None
    frames: tuple[str, ...] = ()
    travelled_m: float = 0.0
    fastest_mps: float = 0.0
    fixes: tuple[tuple[float, float], ...] = ()
    poses: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    map: MapSeen | None = None
    machine: MachineSeen = MachineSeen()

    def to_json(self) -> str:
        """As text, for `from_json` in another process; map and machine stay behind."""
        content = asdict(self)
        del content["map"], content["machine"]
        return json.dumps(content)


def from_json(text: str) -> Observation:
    """The observation that `Observation.to_json` wrote."""
    content = json.loads(text)
    content["topics"] = {role: _topic(item) for role, item in content["topics"].items()}
    content["unfed"] = {
        role: Unfed(topic, tuple(instead)) for role, (topic, instead) in content["unfed"].items()
    }
    if content["node"]:
        node = NodeSeen(*content["node"])
        content["node"] = node._replace(pace=node.pace and Pace(*node.pace))
    for name, kind in (("camera", CameraSeen), ("image", ImageSeen)):
        if content[name] is not None:
            content[name] = kind(**{key: _frozen(value) for key, value in content[name].items()})
    for name in ("problems", "T_base_camera", "frames", "fixes"):
        content[name] = _frozen(content[name])
    content["poses"] = {name: tuple(xy) for name, xy in content["poses"].items()}
    return Observation(**content)


def _topic(item: dict[str, Any]) -> TopicSeen:
    fields = {key: _frozen(value) for key, value in item.items()}
    fields["offers"] = tuple(Offer(*offer) for offer in fields["offers"])
    return TopicSeen(**fields)


def _frozen(value: Any) -> Any:
    """Lists as tuples, however deep."""
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


def mount_matrix(observation: Observation) -> np.ndarray | None:
    """(4, 4) base <- optical frame; None where it is unknown."""
    T = observation.T_base_camera
    return None if T is None else np.array(T, dtype=np.float64).reshape(4, 4)
