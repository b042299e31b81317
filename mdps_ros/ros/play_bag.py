"""Plays a bag to a running node over DDS and records what it answers.

    ros2 run mdps_ros play_bag DRIVE --rate 2 --record answers.jsonl

Waits until the node takes messages, keeps the time between messages (divided by the rate) and
at the end waits until the node has answered the last image. With --lossless it never runs ahead
of the node by more than a few images, so that nothing is dropped however slow the node is.
Messages pass through as the bytes that the bag holds, and go out as odom, image, camera_info and
/tf_static whatever the bag calls them; -r image:=/other, after --ros-args, renames one. Exit code
1: the node did not answer.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.qos import ReliabilityPolicy
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock
from tf2_msgs.msg import TFMessage

from mdps_ros.ros import topics
from mdps_ros.ros.play_source import StoredDrive
from mdps_ros.ros.play_view import PlayView
from mdps_ros.ros.spinning import spinning
from mdps_ros.runtime.watching.record import LiveRecord, Row

AHEAD_MAX = 4
"""Images that a lossless player sends before it waits for the node."""
UNHEARD_S = 5.0
"""Play so long before saying that nobody listens."""
PATIENCE_S = 3.0
"""After which it says that it waits for the node."""
ANSWERS_MAX = 1000
"""Answers that may wait to be recorded."""

TF_STATIC = topics.Topic("/tf_static", TFMessage, 100, "Places of the sensors.", latched=True)
PLAYED = {t.name: t for t in (TF_STATIC, topics.CAMERA_INFO, topics.ODOMETRY, topics.IMAGE)}


class PlayError(Exception):
    """Playing cannot go on; the text is one line and names the remedy."""


class Player(Node):
    """Publishes messages and follows the node's answers.

    Args:
        names: which of PLAYED to publish.
        answered: called, in the executor's thread, with each complete answer.

    Attributes:
        images: images sent.
        answers: complete answers received.
    """

    def __init__(self, names: set[str], answered: Callable[[Row], None]) -> None:
        super().__init__("mdps_play_bag")
        self.images = 0
        self.answers = 0
        self._out = {
            name: self.create_publisher(PLAYED[name].type, name, PLAYED[name].qos(True))
            for name in sorted(names)
        }
        self._clock = self.create_publisher(Clock, "/clock", 10)
        self._answered = answered
        self._news = threading.Condition()
        self._heard_at = time.monotonic()
        self._frames: int | None = None  # that the node has used or dropped, ever
        self._frames_before = 0  # of these, before we played
        rows = LiveRecord()
        self._follow(topics.POSE, rows.pose)
        self._follow(topics.HYPOTHESES, rows.hypotheses)
        self._follow(topics.STATUS, rows.status)

    def _follow(self, topic: topics.Topic, join: Callable[[Any], Row | None]) -> None:
        def take(msg: Any) -> None:
            row = join(msg)
            if row is not None:
                self._answered(row)
            with self._news:
                self.answers += row is not None
                if topic is topics.STATUS:
                    self._frames = msg.frames_used + msg.frames_dropped
                self._heard_at = time.monotonic()
                self._news.notify_all()

        # Deeper than the node's own: a recorder wants every answer, not the newest. Only the
        # status is wanted from before our time: it says that the node is active.
        latched = topic is topics.STATUS
        qos = dataclasses.replace(topic, depth=ANSWERS_MAX, latched=latched).qos()
        self.create_subscription(topic.type, topic.name, take, qos)

    def unheard(self) -> list[str]:
        """Full names of what is published as odometry or image, and nobody subscribes to."""
        return [
            self.resolve_topic_name(name)
            for name in (topics.ODOMETRY.name, topics.IMAGE.name)
            if name in self._out and not self._out[name].get_subscription_count()
        ]

    def send(self, name: str, data: bytes) -> None:
        """Publish one serialized message."""
        self._out[name].publish(data)
        self.images += name == topics.IMAGE.name

    def send_clock(self, stamp_ns: int) -> None:
        """Publish simulated time."""
        msg = Clock()
        msg.clock.sec, msg.clock.nanosec = divmod(stamp_ns, 1_000_000_000)
        self._clock.publish(msg)

    def wait_for_node(self, reliable: bool, silence_s: float) -> None:
        """Return once a node is active and takes our topics.

        Raises:
            PlayError: there is none, or it takes images best effort against `reliable`.
        """
        played = [self._out[name] for name in self._out if name != TF_STATIC.name]

        def ready() -> bool:
            matched = all(publisher.get_subscription_count() for publisher in played)
            return matched and self._frames is not None

        if not self._wait(ready, min(PATIENCE_S, silence_s)):
            say(f"waiting up to {silence_s:g} s for an active localization node")
        if not self._wait(ready, silence_s):
            unheard = " and ".join(self.unheard())
            if unheard and self._frames is not None:
                raise PlayError(
                    f"a localization node runs, but nobody listens to {unheard}; see its topics "
                    "by `mdps doctor`, start it with image_topic:= or odom_topic:="
                )
            raise PlayError(
                f"no active localization node in {silence_s:g} s; start one, `ros2 launch mdps_ros "
                "localization.launch.py map:=...`, in this ROS_DOMAIN_ID"
            )
        infos = self.get_subscriptions_info_by_topic(self.resolve_topic_name(topics.IMAGE.name))
        kinds = {info.qos_profile.reliability for info in infos}
        if reliable and ReliabilityPolicy.BEST_EFFORT in kinds:
            raise PlayError("the node takes images best effort; start it with image_reliable:=true")
        self._frames_before = self._frames or 0

    def wait_for_answers(self, unanswered: int, silence_s: float) -> bool:
        """Wait until at most so many images are unanswered; false after a silence."""

        def ready() -> bool:
            return self.images - ((self._frames or 0) - self._frames_before) <= unanswered

        return self._wait(ready, silence_s)

    def wait_for_silence(self, silence_s: float) -> None:
        """Wait until nothing is heard any more: the end of a drive without images."""
        self._wait(lambda: False, silence_s)

    def _wait(self, ready: Callable[[], bool], silence_s: float) -> bool:
        with self._news:
            self._heard_at = time.monotonic()
            while not ready():
                if time.monotonic() - self._heard_at > silence_s or not self.context.ok():
                    return False
                self._news.wait(0.05)
        return True


def say(text: str) -> None:
    """A line for people."""
    print(f"play_bag: {text}", file=sys.stderr, flush=True)


def play(player: Player, drive: StoredDrive, options: argparse.Namespace, view: PlayView) -> None:
    """Play the whole bag; see the module's text.

    Raises:
        PlayError: the node is not there, fell silent, or gave no estimate.
    """
    pairs = (f"{old} as {player.resolve_topic_name(new)}" for old, new in drive.given.items())
    say(f"publishes {', '.join(pairs)}")
    player.wait_for_node(options.reliable or options.lossless, options.timeout)
    for name in (TF_STATIC.name, topics.CAMERA_INFO.name):  # needed before the first image
        for data in drive.first(name):
            player.send(name, data)
    time.sleep(0.5)
    start, warned = time.monotonic(), False
    for name, stamp_ns, data in drive.messages():
        since_s = (stamp_ns - drive.start_ns) * 1e-9
        if options.rate > 0.0:
            time.sleep(max(0.0, start + since_s / options.rate - time.monotonic()))
        if options.lossless and not player.wait_for_answers(AHEAD_MAX, options.timeout):
            raise PlayError(f"the node fell silent for {options.timeout:g} s; see its log")
        if options.clock:
            player.send_clock(stamp_ns)
        player.send(name, data)
        view.time(since_s)
        if not warned and time.monotonic() - start > UNHEARD_S and player.unheard():
            warned = True
            say(f"warning: nobody listens to {' and '.join(player.unheard())} any more")
    if not player.images:
        player.wait_for_silence(options.settle)
    elif not player.wait_for_answers(0, options.settle) and options.lossless:
        raise PlayError(f"the last images were not answered in {options.settle:g} s; see its log")
    if not player.answers:
        raise PlayError("the node gave no estimate; see its log")


def parse(args: list[str]) -> argparse.Namespace:
    """The command line."""
    first, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser("play_bag", description=first, epilog=rest)
    add = parser.add_argument
    add("bag", type=Path, help="rosbag2 folder or .mcap file of a drive")
    add("--rate", type=float, default=1.0, help="times real time; 0 is as fast as possible")
    add("--record", type=Path, help="write one JSON line per answer to this file")
    add("--reliable", action="store_true", help="refuse a node that takes images best effort")
    add("--lossless", action="store_true", help="reliable, and wait for a slow node")
    add("--clock", action="store_true", help="publish /clock")
    add("--progress", action="store_true", help="show progress")
    add("--truth", action="store_true", help="show the error; /ground_truth is in the map frame")
    add("--timeout", type=float, default=60.0, help="s to wait for the node")
    add("--settle", type=float, default=5.0, help="s of silence that end the wait for answers")
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> int:
    """Play a bag; returns the exit code."""
    argv = sys.argv if args is None else ["play_bag", *args]
    options = parse(remove_ros_args(argv)[1:])
    try:
        drive = StoredDrive(options.bag)
        with PlayView(drive, options.progress, options.truth, options.record) as view:
            return _run(drive, options, view, argv)
    except (PlayError, ValueError, OSError) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        return 0


def _run(drive: StoredDrive, options: argparse.Namespace, view: PlayView, argv: list[str]) -> int:
    with spinning(lambda: Player(drive.names, view.answer), argv) as player:
        play(player, drive, options, view)
    return 0


if __name__ == "__main__":
    sys.exit(main())
