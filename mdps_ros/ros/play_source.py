"""A bag as the player needs it: serialized messages in time order, and the truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader
from rosbags.interfaces import Connection

from mdps_ros.data import bag_writer
from mdps_ros.data.bag import open_bag
from mdps_ros.data.errors import BagError
from mdps_ros.data.ros_messages import TYPESTORE
from mdps_ros.notes import Note
from mdps_ros.runtime.inputs.messages import odometry_event

NAMES = {
    bag_writer.STATIC_TF_TOPIC: "/tf_static",
    bag_writer.ODOMETRY_TOPIC: "odom",
    bag_writer.DEPTH_INFO_TOPIC: "camera_info",
    bag_writer.DEPTH_TOPIC: "image",
    bag_writer.COLOUR_INFO_TOPIC: "camera_info",
    bag_writer.COLOUR_TOPIC: "image",
    "/camera_info": "camera_info",
    "/image": "image",
}
"""Topic of a bag -> topic of the node."""


class StoredDrive:
    """The messages of a bag that a node takes.

    Args:
        path: rosbag2 folder or .mcap file.

    Attributes:
        names: the node's topics that the bag has.
        given: topic of the bag -> topic of the node.
        start_ns: time of the first message.
        length_s: time from the first to the last message.

    Raises:
        BagError: the bag cannot be read, or has no odometry.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bag = open_bag(path)
        self.given = {name: NAMES[name] for name in sorted(self._bag.topics) if name in NAMES}
        self.names = set(self.given.values())
        if "odom" not in self.names:
            raise BagError(f"{path} has no /odom, only {', '.join(sorted(self._bag.topics))}")
        self.start_ns = self._bag.start_ns
        self.length_s = (self._bag.end_ns - self._bag.start_ns) * 1e-9

    def messages(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield topic, time (ns) and bytes of every message, in time order."""
        with self._reader() as reader:
            for connection, stamp_ns, data in reader.messages(_taken(reader)):
                yield NAMES[connection.topic], stamp_ns, bytes(data)

    def first(self, name: str) -> Iterator[bytes]:
        """Yield the first message of each publisher of one of the node's topics."""
        with self._reader() as reader:
            for connection in _taken(reader):
                if NAMES[connection.topic] == name:
                    yield bytes(next(reader.messages([connection]))[2])

    def true_start(self) -> NDArray[np.float64]:
        """(3,) x m, y m, yaw rad of the first /ground_truth.

        Raises:
            BagError: the bag has none.
        """
        for _, _, message in self._bag.messages([bag_writer.TRUTH_TOPIC]):
            event = odometry_event(message)
            if not isinstance(event, Note):
                return event.T_odom_base
        raise BagError(f"{self._path} has no usable {bag_writer.TRUTH_TOPIC}")

    def truth(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(T,) stamps ns and (T, 2) x m, y m of /ground_truth.

        Raises:
            BagError: the bag has none.
        """
        stamps, places = [], []
        for _, stamp_ns, message in self._bag.messages([bag_writer.TRUTH_TOPIC]):
            position = message.pose.pose.position
            stamps.append(stamp_ns)
            places.append((position.x, position.y))
        return np.array(stamps, dtype=np.int64), np.array(places, dtype=np.float64)

    def _reader(self) -> AnyReader:
        return AnyReader([self._path], default_typestore=TYPESTORE)


def _taken(reader: AnyReader) -> list[Connection]:
    return [connection for connection in reader.connections if connection.topic in NAMES]
