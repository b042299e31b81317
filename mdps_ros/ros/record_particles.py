"""Records few, thinned particle clouds of a running node, for the picture of a report.

    python -m mdps_ros.ros.record_particles particles.jsonl

Writes one JSON line per kept cloud (which are kept, and in what form: see
runtime/watching/snapshots.py) until it is ended by SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import IO, Any

import numpy as np
import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.utilities import remove_ros_args
from sensor_msgs_py import point_cloud2

from mdps_ros.ros import topics
from mdps_ros.runtime.inputs.messages import stamp_ns
from mdps_ros.runtime.outputs import ParticleSnapshot
from mdps_ros.runtime.watching.snapshots import SnapshotPicker, row_of_snapshot


class ParticleRecorder(Node):
    """Listens to `particle_cloud` and writes what is due.

    Args:
        file: open text file.
    """

    def __init__(self, file: IO[str]) -> None:
        super().__init__("mdps_record_particles")
        self._file = file
        self._picker = SnapshotPicker()
        topic = topics.PARTICLE_CLOUD
        self.create_subscription(topic.type, topic.name, self._take, topic.qos())

    def _take(self, msg: Any) -> None:
        stamp = stamp_ns(msg.header)
        if not self._picker.due(stamp):
            return
        points = point_cloud2.read_points(msg, ["x", "y", "yaw", "weight"])
        poses = np.stack([points["x"], points["y"], points["yaw"]], axis=1)
        kept = self._picker.offer(
            ParticleSnapshot(stamp_ns=stamp, poses=poses, weights=points["weight"])
        )
        if kept is not None:
            self._file.write(json.dumps(row_of_snapshot(kept)) + "\n")
            self._file.flush()


def main(args: list[str] | None = None) -> int:
    """Record until a signal; returns the exit code."""
    argv = sys.argv if args is None else ["record_particles", *args]
    parser = argparse.ArgumentParser("record_particles")
    parser.add_argument("file", type=Path, help="file to write")
    path: Path = parser.parse_args(remove_ros_args(argv)[1:]).file
    rclpy.init(args=argv)
    with path.open("w", encoding="utf-8") as file:
        node = ParticleRecorder(file)
        try:
            rclpy.spin(node)
        except (KeyboardInterrupt, ExternalShutdownException):
            pass
        except RCLError:
            if rclpy.ok():
                raise
        finally:
            node.destroy_node()
            rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
