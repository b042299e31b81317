"""A bag as a drive: session events in order, and the truth placed on the map. No ROS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.data import bag_writer
from mdps_ros.data.bag import Bag, open_bag
from mdps_ros.data.errors import BagError
from mdps_ros.evaluation.run import Track
from mdps_ros.maps import GeoAnchor, Map
from mdps_ros.notes import Note
from mdps_ros.runtime.events import Event
from mdps_ros.runtime.inputs import messages
from mdps_ros.runtime.inputs.image_inputs import Inputs

ODOMETRY_TYPE = "nav_msgs/msg/Odometry"
IMAGE_TYPE = "sensor_msgs/msg/Image"
CAMERA_INFO_TYPE = "sensor_msgs/msg/CameraInfo"
IMAGE_TOPICS = (bag_writer.COLOUR_TOPIC, bag_writer.DEPTH_TOPIC)
TRUTH_TYPES = (ODOMETRY_TYPE, "geometry_msgs/msg/PoseStamped")


class DriveTopics(NamedTuple):
    """Names in the bag; None where it has no such topic."""

    odometry: str
    image: str | None
    camera_info: str | None
    truth: str | None


def choose_topics(bag: Bag, odometry: str | None = None, image: str | None = None) -> DriveTopics:
    """Find odometry, image, its intrinsics and the truth among a bag's topics.

    What is not named is the topic with a usual name (colour before depth), or else the only one
    of its type. The intrinsics are `camera_info` beside the image.

    Args:
        bag: the recording.
        odometry: name of the odometry, None to find it.
        image: name of the image, depth or colour, None to find it.

    Raises:
        BagError: a topic is missing or of another type, or there is no unique one to find.
    """
    truth = bag_writer.TRUTH_TOPIC if bag_writer.TRUTH_TOPIC in bag.topics else None
    found = odometry or _only(bag, ODOMETRY_TYPE, (bag_writer.ODOMETRY_TOPIC,), {truth})
    if found is None:
        raise BagError(f"{bag.path} has no {ODOMETRY_TYPE}, only {_listed(bag)}")
    image = image or _only(bag, IMAGE_TYPE, IMAGE_TOPICS, set())
    info = None if image is None else f"{image.rpartition('/')[0]}/camera_info"
    wanted = (
        (found, ODOMETRY_TYPE, "odometry"),
        (image, IMAGE_TYPE, "an image"),
        (info, CAMERA_INFO_TYPE, "the camera_info beside an image"),
    )
    for name, kind, what in wanted:
        if name is None:
            continue
        if name not in bag.topics:
            raise BagError(f"{bag.path} has no topic {name}, only {_listed(bag)}")
        if bag.topics[name] != kind:
            here = ", ".join(sorted(n for n, its in bag.topics.items() if its == kind))
            text = f"{name} is {bag.topics[name]}; {what} is {kind}, here: {here or 'none'}"
            raise BagError(text)
    return DriveTopics(found, image, info, truth)


def _only(bag: Bag, kind: str, usual: tuple[str, ...], others: set[str | None]) -> str | None:
    """The first usual topic there is, or the only one of a type; None when there is none.

    Raises:
        BagError: there are several.
    """
    for name in usual:
        if name in bag.topics:
            return name
    names = [name for name, its in bag.topics.items() if its == kind and name not in others]
    if len(names) > 1:
        what = kind.rpartition("/")[2].lower()
        raise BagError(
            f"{bag.path} has {len(names)} topics of type {kind}; choose one with "
            f"--{what}-topic: {', '.join(sorted(names))}"
        )
    return names[0] if names else None


def _listed(bag: Bag) -> str:
    return ", ".join(sorted(bag.topics)) or "nothing"


class BagDrive:
    """The messages of a bag as session events.

    Attributes:
        topics: which topics are read.
        length_s: time from the first to the last message.
        start_ns: log time of the first message.
    """

    def __init__(self, bag: Bag, topics: DriveTopics, base_frame: str) -> None:
        """Read what is latched.

        Args:
            bag: the recording.
            topics: which of its topics to read.
            base_frame: frame of the vehicle, root of the camera's place.
        """
        self.topics = topics
        self.start_ns = bag.start_ns
        self.length_s = max((bag.end_ns - bag.start_ns) * 1e-9, 1e-9)
        self._bag = bag
        self._base = base_frame
        self._parents = _static_tree(bag)

    def events(self, with_images: bool = True) -> Iterator[tuple[int, Event | Note]]:
        """Yield (log time ns, event) in log order; a Note is a message that cannot be used."""
        inputs = Inputs(self.T_base)
        wanted = [self.topics.odometry]
        if with_images and self.topics.image is not None and self.topics.camera_info is not None:
            # As with latched intrinsics: the first ones hold from the beginning.
            for _, _, first in self._bag.messages([self.topics.camera_info]):
                inputs.camera_info(first)
                break
            wanted += [self.topics.camera_info, self.topics.image]
        for topic, stamp_ns, message in self._bag.messages(wanted):
            if topic == self.topics.odometry:
                yield stamp_ns, messages.odometry_event(message)
            elif topic == self.topics.image:
                yield stamp_ns, inputs.image(message)
            else:
                for note in inputs.camera_info(message):
                    yield stamp_ns, note

    def truth(self, map: Map) -> Track | None:
        """True poses in the frame of a map; None when the bag has none.

        Truth whose frame is anchored elsewhere on Earth is moved; without an anchor on both
        sides it is taken to be in the map's frame already.

        Raises:
            BagError: the truth has an unknown type.
        """
        if self.topics.truth is None:
            return None
        if self._bag.topics[self.topics.truth] not in TRUTH_TYPES:
            raise BagError(f"{self.topics.truth} must be one of {', '.join(TRUTH_TYPES)}")
        stamps, poses = [], []
        for _, _, message in self._bag.messages([self.topics.truth]):
            pose = _planar(message)
            if pose is not None:
                stamps.append(messages.stamp_ns(message.header))
                poses.append(pose)
        if not poses:
            return None
        anchor = self._anchor()
        placed = np.array(poses)
        if anchor is not None and map.anchor is not None:
            placed = move_to_anchor(placed, anchor, map.anchor)
        return Track(np.array(stamps, np.int64), placed)

    def _anchor(self) -> GeoAnchor | None:
        if bag_writer.ANCHOR_TOPIC not in self._bag.topics:
            return None
        for _, _, fix in self._bag.messages([bag_writer.ANCHOR_TOPIC]):
            return GeoAnchor(fix.latitude, fix.longitude)
        return None

    @property
    def frames(self) -> tuple[str, ...]:
        """All frames of /tf_static."""
        parents = {parent for parent, _ in self._parents.values()}
        return tuple(sorted(parents | self._parents.keys()))

    def T_base(self, frame: str) -> NDArray[np.float64] | None:
        """(4, 4) base <- frame through /tf_static; None when they are not connected."""
        T_base_frame = np.eye(4)
        seen: set[str] = set()
        while frame != self._base:
            if frame not in self._parents or frame in seen:
                return None
            seen.add(frame)
            frame, step = self._parents[frame]
            T_base_frame = step @ T_base_frame
        return T_base_frame


def open_drive(
    path: Path, base_frame: str, odometry: str | None = None, image: str | None = None
) -> BagDrive:
    """Open a bag as a drive; see `choose_topics` for the names.

    Raises:
        BagError: it cannot be read, or has no odometry.
    """
    bag = open_bag(path)
    return BagDrive(bag, choose_topics(bag, odometry, image), base_frame)


def move_to_anchor(
    poses: NDArray[np.float64], old: GeoAnchor, new: GeoAnchor
) -> NDArray[np.float64]:
    """(T, 3) poses of one anchored frame in another; yaw follows the turn of the meridians."""
    if old == new:
        return poses
    ahead = poses[:, :2] + np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], axis=1)
    here, there = (new.to_map(*old.to_geodetic(points).T) for points in (poses[:, :2], ahead))
    step = there - here
    return np.column_stack([here, np.arctan2(step[:, 1], step[:, 0])])


def _planar(message: Any) -> NDArray[np.float64] | None:
    """(3,) pose of an Odometry or a PoseStamped; None when it is not finite."""
    holder = message if hasattr(message.pose, "pose") else _Nested(message.header, message)
    event = messages.odometry_event(holder)
    return None if isinstance(event, Note) else event.T_odom_base


class _Nested(NamedTuple):
    """Gives a PoseStamped the shape of an Odometry."""

    header: Any
    pose: Any


def _static_tree(bag: Bag) -> dict[str, tuple[str, NDArray[np.float64]]]:
    """Child frame -> (parent frame, (4, 4) parent <- child) of /tf_static."""
    tree: dict[str, tuple[str, NDArray[np.float64]]] = {}
    if bag_writer.STATIC_TF_TOPIC not in bag.topics:
        return tree
    for _, _, message in bag.messages([bag_writer.STATIC_TF_TOPIC]):
        for item in message.transforms:
            matrix = messages.transform_matrix(item.transform)
            if matrix is not None:
                tree[item.child_frame_id] = (item.header.frame_id, matrix)
    return tree
