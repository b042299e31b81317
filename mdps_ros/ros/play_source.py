"""A bag as the player needs it: serialized messages in time order, and the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import Stores, get_typestore

TRUTH = "ground_truth"


class StoredDrive:
    """The messages of some topics of a bag.

    Args:
        path: rosbag2 folder or .mcap file.
        names: topic in the bag, without leading slash -> name to give it.

    Attributes:
        names: given names of the topics that the bag has.
        start_ns: time of the first message.
        length_s: time from the first to the last message.
        truth_ns: (T,) int64, stamps of /ground_truth, rising; empty where the bag has none.
        truth: (T, 2) float64 x m, y m at these stamps.

    Raises:
        ValueError: no readable bag, or no odometry in it.
    """

    def __init__(self, path: Path, names: Mapping[str, str]) -> None:
        self._path = path
        self._names = names
        with self._open() as reader:
            present = {c.topic.strip("/") for c in reader.connections}
            self.names = {given for stored, given in names.items() if stored in present}
            if "odom" not in self.names:
                raise ValueError(f"{path} has no topic odom, only {', '.join(sorted(present))}")
            self.start_ns = reader.start_time
            self.length_s = reader.duration * 1e-9
            stamps, places = [], []
            true = _connections(reader, {TRUTH})  # none would mean all topics to the reader
            for connection, _, data in reader.messages(true) if true else ():
                msg: Any = reader.deserialize(data, connection.msgtype)
                pose = getattr(msg.pose, "pose", msg.pose)
                stamps.append(msg.header.stamp.sec * 1_000_000_000 + msg.header.stamp.nanosec)
                places.append((pose.position.x, pose.position.y))
        self.truth_ns = np.array(stamps, dtype=np.int64)
        self.truth: NDArray[np.float64] = np.array(places, dtype=np.float64).reshape(-1, 2)

    def messages(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield given name, time (ns) and bytes of every message, in time order."""
        with self._open() as reader:
            wanted = _connections(reader, set(self._names))
            for connection, stamp_ns, data in reader.messages(wanted):
                yield self._names[connection.topic.strip("/")], stamp_ns, bytes(data)

    def first(self, name: str) -> Iterator[bytes]:
        """Yield the first message of each publisher of one topic, by given name."""
        wanted = {stored for stored, given in self._names.items() if given == name}
        with self._open() as reader:
            for connection in _connections(reader, wanted):
                for _, _, data in reader.messages([connection]):
                    yield bytes(data)
                    break

    def error(self, stamp_ns: int, x: float, y: float) -> float | None:
        """Metres between a place and the truth at a stamp; None without truth then."""
        if not len(self.truth_ns) or not self.truth_ns[0] <= stamp_ns <= self.truth_ns[-1]:
            return None
        since = (self.truth_ns - self.truth_ns[0]).astype(np.float64)
        at = float(stamp_ns - self.truth_ns[0])
        true_x, true_y = (float(np.interp(at, since, column)) for column in self.truth.T)
        return float(np.hypot(x - true_x, y - true_y))

    def _open(self) -> AnyReader:
        if not self._path.exists():
            raise ValueError(f"no bag at {self._path}; check the path")
        try:
            return AnyReader([self._path], default_typestore=get_typestore(Stores.ROS2_HUMBLE))
        except AnyReaderError as error:
            raise ValueError(f"{self._path} is no readable bag: {error}") from error


def _connections(reader: AnyReader, stored: set[str]) -> list[Any]:
    return [c for c in reader.connections if c.topic.strip("/") in stored]
