"""Read rosbag2 recordings (mcap or sqlite3), lazily and without ROS."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.rosbag2 import ReaderError
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError

from mdps_ros.data.errors import BagError
from mdps_ros.data.ros_messages import TYPESTORE

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

# What a damaged file makes the reader raise: besides its own errors, those of a parser that runs
# into the end of the file or into nonsense.
_DAMAGE = (
    AnyReaderError,
    ReaderError,
    SerdeError,
    TypesysError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AssertionError,
    RuntimeError,
    EOFError,
    struct.error,
    zstd.ZstdError,
)


class BagMessage(NamedTuple):
    """One message of a bag.

    Attributes:
        topic: name with its leading slash.
        stamp_ns: time at which it was recorded (log time), ns.
        message: message object; fields as in ROS, arrays as numpy arrays.
    """

    topic: str
    stamp_ns: int
    message: Any


@dataclass(frozen=True, slots=True)
class Bag:
    """A recording that could be opened.

    Attributes:
        path: rosbag2 folder, or .mcap or .db3 file.
        topics: name -> message type, e.g. "/odom" -> "nav_msgs/msg/Odometry".
        counts: name -> number of messages.
        start_ns: log time of the first message, ns.
        end_ns: log time of the last message, ns.
    """

    path: Path
    topics: dict[str, str]
    counts: dict[str, int]
    start_ns: int
    end_ns: int

    def messages(self, topics: Iterable[str] | None = None) -> Iterator[BagMessage]:
        """Read the messages in log order; of those with equal times, in the order of writing.

        Args:
            topics: names to read; None reads all.

        Yields:
            The messages, one at a time; the bag is never held in memory.

        Raises:
            BagError: a wanted topic is not in the bag, or the file is damaged.
        """
        wanted = set(self.topics if topics is None else topics)
        missing = sorted(wanted - self.topics.keys())
        if missing:
            raise BagError(
                f"{self.path} has no topic {', '.join(missing)}; it has "
                f"{', '.join(sorted(self.topics)) or 'none'}"
            )
        if not wanted:
            return
        with _opened(self.path) as reader:
            connections = [c for c in reader.connections if c.topic in wanted]
            stored = reader.messages(connections)
            while True:
                try:
                    connection, stamp_ns, data = next(stored)
                    message = reader.deserialize(data, connection.msgtype)
                except StopIteration:
                    return
                except _DAMAGE as error:
                    raise BagError(
                        f"{self.path} is damaged after what was read ({_said(error)}); "
                        "copy it again or repair it with `mcap recover`"
                    ) from error
                yield BagMessage(connection.topic, stamp_ns, message)


def open_bag(path: str | Path) -> Bag:
    """Open a recording and list what is in it.

    Args:
        path: rosbag2 folder, or a single .mcap or .db3 file.

    Returns:
        The bag; messages are read by iterating over `Bag.messages()`.

    Raises:
        BagError: there is nothing, it is no bag, or it is damaged.
    """
    path = Path(path)
    with _opened(path) as reader:
        topics = {c.topic: c.msgtype for c in reader.connections}
        counts = dict.fromkeys(topics, 0)
        for connection in reader.connections:
            counts[connection.topic] += connection.msgcount
        return Bag(path, topics, counts, reader.start_time, max(reader.end_time - 1, 0))


@contextmanager
def _opened(path: Path) -> Iterator[AnyReader]:
    """A reader that is open inside the with statement."""
    if not path.exists():
        raise BagError(f"no bag at {path}; check the path")
    files = [path] if path.is_file() else sorted(path.iterdir())
    if not any(file.suffix in (".mcap", ".db3", ".zstd") for file in files):
        raise BagError(
            f"{path} is no rosbag2 recording; name the folder with metadata.yaml or an .mcap file"
        )
    if path.is_dir() and not (path / "metadata.yaml").exists():
        raise BagError(
            f"{path} has no metadata.yaml, its recording was cut off; "
            "run `ros2 bag reindex` on it or name its .mcap file"
        )
    try:
        reader = AnyReader([path], default_typestore=TYPESTORE)
        reader.open()
    except _DAMAGE as error:
        raise BagError(
            f"{path} cannot be read ({_said(error)}); it is damaged or was cut off: "
            "record or copy it again, or repair it with `mcap recover`"
        ) from error
    try:
        yield reader
    finally:
        reader.close()


def _said(error: Exception) -> str:
    """The error in one line."""
    return " ".join(str(error).split()) or type(error).__name__
