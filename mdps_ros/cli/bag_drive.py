"""A bag as a drive: session events in order, and the truth placed on the map. No ROS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.cli.bag_topics import ODOMETRY_TYPE, TF_TOPIC, DriveTopics, choose_topics
from mdps_ros.data import bag_writer
from mdps_ros.data.bag import Bag, open_bag
from mdps_ros.data.errors import BagError
from mdps_ros.evaluation.run import Track
from mdps_ros.maps import GeoAnchor, Map
from mdps_ros.notes import Note
from mdps_ros.runtime.events import Event, OdometryEvent
from mdps_ros.runtime.inputs import messages
from mdps_ros.runtime.inputs.image_inputs import Inputs
from mdps_ros.runtime.inputs.transform_odometry import TransformOdometry
from mdps_ros.runtime.inputs.twist import TwistOdometry
from mdps_ros.settings import Settings

TRUTH_TYPES = (ODOMETRY_TYPE, "geometry_msgs/msg/PoseStamped")

STILL = 1e-4  # m, and of a rotation matrix: what moves by less stands still


class BagDrive:
    """The messages of a bag as session events.

    A camera's place is read from /tf_static, and from joints that stand still on all of /tf.

    Attributes:
        topics: which topics are read.
        length_s: time from the first to the last message.
        start_ns: log time of the first message.
    """

    def __init__(self, bag: Bag, topics: DriveTopics, settings: Settings) -> None:
        """Read what is latched.

        Args:
            bag: the recording.
            topics: which of its topics to read.
            settings: frames, what is odometry, and whether images come without distortion.
        """
        self.topics = topics
        self.start_ns = bag.start_ns
        self.length_s = max((bag.end_ns - bag.start_ns) * 1e-9, 1e-9)
        self._bag = bag
        self._settings = settings
        self._base = settings.frames.base
        self._static = _static_tree(bag)

    def events(
        self, with_images: bool = True, anchor: GeoAnchor | None = None
    ) -> Iterator[tuple[int, Event | Note]]:
        """Yield (log time ns, event) in log order; a Note is a message that cannot be used.

        Args:
            with_images: whether to read images.
            anchor: where on Earth the map lies, for fixes.
        """
        inputs = Inputs(self.T_base, self._settings.node.rectified)
        odometry = self.odometry()
        wanted = [name for name in (self.topics.odometry, self.topics.fix) if name is not None]
        if with_images and self.topics.image is not None and self.topics.camera_info is not None:
            # As with latched intrinsics: the first ones hold from the beginning.
            for _, _, first in self._bag.messages([self.topics.camera_info]):
                inputs.camera_info(first)
                break
            wanted += [self.topics.camera_info, self.topics.image]
        for topic, stamp_ns, message in self._bag.messages(wanted):
            if topic == self.topics.odometry:
                for event in odometry(message):
                    yield stamp_ns, event
            elif topic == self.topics.image:
                raw = hasattr(message, "encoding")
                yield stamp_ns, (inputs.image if raw else inputs.compressed)(message)
            elif topic == self.topics.fix:
                usual_sd = self._settings.place.fix_sd
                yield stamp_ns, messages.fix_event(message, anchor, usual_sd)
            else:
                for note in inputs.camera_info(message):
                    yield stamp_ns, note

    def odometry(self) -> Callable[[Any], Iterator[OdometryEvent | Note]]:
        """What makes events of the odometry's messages."""
        source = self._settings.node.odometry_source
        twist, tree = TwistOdometry(), dict(self._static)
        transforms = TransformOdometry(
            self._settings.frames.odom,
            self._base,
            lambda: {child: parent for child, (parent, _) in tree.items()},
            lambda frame: _placed(tree, self._base, frame),
        )

        def of_pose(msg: Any) -> Iterator[OdometryEvent | Note]:
            yield messages.odometry_event(msg)

        def of_twist(msg: Any) -> Iterator[OdometryEvent | Note]:
            yield twist.event(msg.header, msg.twist.twist)

        def of_transforms(msg: Any) -> Iterator[OdometryEvent | Note]:
            tree.update(_edges(msg))
            for event, _ in transforms.events(msg.transforms):
                yield event

        return {"pose": of_pose, "tf": of_transforms}.get(source, of_twist)

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
        """All frames that the transforms name."""
        parents = {parent for parent, _ in self._static.values()}
        return tuple(sorted(parents | self._static.keys() | self._joints.frames))

    def T_base(self, frame: str) -> NDArray[np.float64] | None:
        """(4, 4) base <- frame through what stands still; None when that does not tie them."""
        name = messages.frame_name(frame)
        placed = _placed(self._static, name, self._base)
        if placed is not None:  # else all of /tf is read, once
            return placed
        return _placed(self._still, name, self._base)

    @cached_property
    def _joints(self) -> Joints:
        return _joints(self._bag)

    @cached_property
    def _still(self) -> Tree:
        return self._joints.still | self._static


def open_drive(
    path: Path,
    settings: Settings,
    odometry: str | None = None,
    image: str | None = None,
    fix: str | None = None,
) -> BagDrive:
    """Open a bag as a drive; see `choose_topics` for the names.

    Raises:
        BagError: it cannot be read, or has no odometry.
    """
    bag = open_bag(path)
    source = settings.node.odometry_source
    return BagDrive(bag, choose_topics(bag, odometry, image, source=source, fix=fix), settings)


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


Tree = dict[str, tuple[str, NDArray[np.float64]]]
"""Child frame -> (parent frame, (4, 4) parent <- child)."""


class Joints(NamedTuple):
    """What the transforms of /tf tie together.

    Attributes:
        still: those that were seen more than once and never moved.
        frames: that any of them names.
    """

    still: Tree
    frames: frozenset[str]


def _static_tree(bag: Bag) -> Tree:
    """All of /tf_static."""
    tree: Tree = {}
    if bag_writer.STATIC_TF_TOPIC in bag.topics:
        for _, _, message in bag.messages([bag_writer.STATIC_TF_TOPIC]):
            tree.update(_edges(message))
    return tree


def _joints(bag: Bag) -> Joints:
    """All of /tf: a joint that rests at first may still move later."""
    first: Tree = {}
    again, moving, frames = set[str](), set[str](), set[str]()
    for _, _, message in bag.messages([TF_TOPIC] if TF_TOPIC in bag.topics else []):
        for child, (parent, matrix) in _edges(message).items():
            if child in first:
                again.add(child)
            known, at = first.setdefault(child, (parent, matrix))
            if known != parent or not np.allclose(at, matrix, rtol=0.0, atol=STILL):
                moving.add(child)
            frames |= {child, parent}
    still = {child: first[child] for child in again - moving}
    return Joints(still, frozenset(frames))


def _edges(message: Any) -> Tree:
    """The transforms of a message that can be used."""
    found: Tree = {}
    for item in message.transforms:
        matrix = messages.transform_matrix(item.transform)
        if matrix is not None:
            child, parent = item.child_frame_id, item.header.frame_id
            found[messages.frame_name(child)] = (messages.frame_name(parent), matrix)
    return found


def _placed(tree: Tree, frame: str, root: str) -> NDArray[np.float64] | None:
    """(4, 4) root <- frame, from a frame up to one above it; None when they are not connected."""
    T_root_frame = np.eye(4)
    seen: set[str] = set()
    while frame != root:
        if frame not in tree or frame in seen:
            return None
        seen.add(frame)
        frame, step = tree[frame]
        T_root_frame = step @ T_root_frame
    return T_root_frame
