"""Plays a drive to a running node again and again, and times its answers.

    python -m mdps_ros.ros.play_load DRIVE --rate 10 --seconds 600 --out latency.json

Images come at the given rate, whatever that of the drive was: the drive is played as much faster.
Stamps are those of this machine's clock. Where the drive is over the vehicle is said to be at its
start again (`initialpose`), and the odometry goes on. Exit code 1: the node did not answer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from geometry_msgs.msg import PoseWithCovarianceStamped
from nav_msgs.msg import Odometry
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.utilities import remove_ros_args

from mdps_ros.notes import Note
from mdps_ros.ros import topics
from mdps_ros.ros.convert import full_covariance, header, planar_pose
from mdps_ros.ros.play_bag import TF_STATIC, Player, PlayError
from mdps_ros.ros.play_source import StoredDrive
from mdps_ros.ros.spinning import spinning
from mdps_ros.runtime.frames import between, compose
from mdps_ros.runtime.inputs.messages import odometry_event, stamp_ns

START_S = 120.0
"""Time that the node gets to load its map and become active."""
SETTLE_S = 5.0
"""Silence after the last image that ends the wait for answers."""
PAUSE_S = 0.1
"""Between two rounds, in the drive's time."""
START_SD = (1.0, 1.0, 0.05)
"""m, m, rad: of the start that the node is told."""
START = "start"
"""Stands among the topics where a round begins."""
LITTLE_ENDIAN = 1


class Stopwatch:
    """When images went out and when poses of their stamps came back.

    Attributes:
        sent_ns: by the image's stamp.
        latency_s: of each pose that answers an image, in the order in which they came.
        smoothed: trajectories of the smoother.
        counts: frames used and dropped, as the node tells them.
    """

    def __init__(self, player: Player) -> None:
        """Listen to a node.

        Args:
            player: whose thread takes the answers.
        """
        self.sent_ns: dict[int, int] = {}
        self.latency_s: list[float] = []
        self.smoothed = 0
        self.counts = (0, 0)
        for topic, take in (
            (topics.POSE, self._pose),
            (topics.STATUS, self._status),
            (topics.SMOOTHED, self._smoothed),
        ):
            player.create_subscription(topic.type, topic.name, take, topic.qos())

    def _pose(self, msg: Any) -> None:
        sent_ns = self.sent_ns.get(stamp_ns(msg.header))
        if sent_ns is not None:
            self.latency_s.append((time.monotonic_ns() - sent_ns) * 1e-9)

    def _status(self, msg: Any) -> None:
        self.counts = (msg.frames_used, msg.frames_dropped)

    def _smoothed(self, msg: Any) -> None:
        del msg
        self.smoothed += 1


class Loop:
    """The messages of a drive, to be played again and again.

    Args:
        drive: what is played; it must know the truth, for the starts.
        rate_hz: of images.

    Raises:
        ValueError: it has fewer than two images.
    """

    def __init__(self, drive: StoredDrive, rate_hz: float) -> None:
        self._messages = [item for item in drive.messages() if item[0] != TF_STATIC.name]
        stamps = [stamp for name, stamp, _ in self._messages if name == topics.IMAGE.name]
        if len(stamps) < 2:
            raise ValueError("the drive has no images to play; simulate one with a camera")
        self._speed = rate_hz * float(np.median(np.diff(stamps))) * 1e-9
        self._start_ns = drive.start_ns
        self._length_ns = round((drive.length_s + PAUSE_S) * 1e9 / self._speed)
        self._true_start = drive.true_start()

    def play(self, player: Player, watch: Stopwatch, seconds: float) -> None:
        """Play for a time.

        Args:
            player: what publishes; its node is active.
            watch: told of every image.
            seconds: how long.

        Raises:
            PlayError: the node takes no starts.
        """
        starts = player.create_publisher(PoseWithCovarianceStamped, topics.INITIAL_POSE.name, 10)
        until = time.monotonic() + START_S
        while not starts.get_subscription_count():  # a start that is lost is a search of the map
            if time.monotonic() > until:
                raise PlayError(f"nobody takes {topics.INITIAL_POSE.name}; see the node's log")
            time.sleep(0.05)
        wall_ns, begun_ns = time.time_ns(), time.monotonic_ns()
        T_odom_loop = T_odom_base = np.zeros(3)
        T_drive_start: NDArray[np.float64] | None = None
        for name, due_ns, data in self._due(round(seconds * 1e9)):
            time.sleep(max(0.0, (begun_ns + due_ns - time.monotonic_ns()) * 1e-9))
            now_ns = wall_ns + due_ns
            if name == START:
                T_odom_loop, T_drive_start = T_odom_base, None
                starts.publish(self._told(now_ns))
            elif name == topics.ODOMETRY.name:
                msg = deserialize_message(data, Odometry)
                T_drive_base = _planar(msg)
                T_drive_start = T_drive_base if T_drive_start is None else T_drive_start
                T_odom_base = compose(T_odom_loop, between(T_drive_start, T_drive_base))
                msg.header.stamp, msg.pose.pose = header(now_ns, "").stamp, planar_pose(T_odom_base)
                player.send(name, serialize_message(msg))
            else:
                if name == topics.IMAGE.name:
                    watch.sent_ns[now_ns] = time.monotonic_ns()
                player.send(name, stamped(data, now_ns))

    def _due(self, end_ns: int) -> Iterator[tuple[str, int, bytes]]:
        """Topic, ns since the start of playing, and bytes of every message; START at each round."""
        for number in itertools.count():
            begin_ns = number * self._length_ns
            if begin_ns > end_ns:
                return
            yield START, begin_ns, b""
            for name, stamp, data in self._messages:
                due_ns = begin_ns + round((stamp - self._start_ns) / self._speed)
                if due_ns > end_ns:
                    return
                yield name, due_ns, data

    def _told(self, now_ns: int) -> PoseWithCovarianceStamped:
        """The true start, as somebody knows it well."""
        made = PoseWithCovarianceStamped(header=header(now_ns, "map"))
        made.pose.pose = planar_pose(self._true_start)
        made.pose.covariance = full_covariance(np.diag(np.square(START_SD)))
        return made


def stamped(data: bytes, now_ns: int) -> bytes:
    """A serialized message that begins with a header, with another stamp.

    Raises:
        ValueError: it is of a machine with another byte order.
    """
    if data[1] != LITTLE_ENDIAN:
        raise ValueError("the bag's messages are big-endian; make the drive on this machine")
    changed = bytearray(data)
    struct.pack_into("<iI", changed, 4, *divmod(now_ns, 1_000_000_000))
    return bytes(changed)


def _planar(msg: Odometry) -> NDArray[np.float64]:
    event = odometry_event(msg)
    if isinstance(event, Note):
        raise ValueError(event.text)
    return event.T_odom_base


def run(options: argparse.Namespace, argv: list[str]) -> dict[str, Any]:
    """Play and listen; what the command writes.

    Raises:
        PlayError: the node is not there, or answered nothing.
    """
    drive = StoredDrive(options.bag)
    loop = Loop(drive, options.rate)
    with spinning(lambda: Player(drive.names, lambda _: None), argv) as player:
        watch = Stopwatch(player)
        player.wait_for_node(reliable=False, silence_s=START_S)
        for name in (TF_STATIC.name, topics.CAMERA_INFO.name):  # needed before the first image
            for data in drive.first(name):
                player.send(name, data)
        time.sleep(0.5)
        before = watch.counts
        loop.play(player, watch, options.seconds)
        player.wait_for_answers(0, SETTLE_S)
        if not watch.latency_s:
            raise PlayError("the node answered no image; see its log")
        used, dropped = (now - then for now, then in zip(watch.counts, before, strict=True))
        return {
            "seconds": options.seconds,
            "images": player.images,
            "used": used,
            "dropped": dropped,
            "lost": player.images - used - dropped,
            "smoothed": watch.smoothed,
            "latency_ms": [round(1e3 * latency, 3) for latency in watch.latency_s],
        }


def main(args: list[str] | None = None) -> int:
    """Play a drive for a time; returns the exit code."""
    argv = sys.argv if args is None else ["play_load", *args]
    parser = argparse.ArgumentParser("play_load", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bag", type=Path, help="rosbag2 folder or .mcap file of a drive")
    parser.add_argument("--rate", type=float, default=10.0, help="images per second")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to play")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    options = parser.parse_args(remove_ros_args(argv)[1:])
    try:
        options.out.write_text(json.dumps(run(options, argv)) + "\n", encoding="utf-8")
    except (PlayError, ValueError, OSError) as error:
        print(f"play_load: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
