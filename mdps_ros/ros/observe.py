"""Watches a running graph for a few seconds and writes an `Observation` as JSON, for `mdps doctor`.

    python -m mdps_ros.ros.observe seen.json --seconds 5

Topics are those of the localization node, where one runs; else those with the usual names, or the
only ones of their types.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import tf2_ros
from geometry_msgs.msg import TwistWithCovarianceStamped
from nav_msgs.msg import Odometry
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, NavSatFix
from tf2_msgs.msg import TFMessage

from mdps_ros.msg import LocalizerStatus
from mdps_ros.ros import topics
from mdps_ros.ros.observe_node import STATUS, find_node, until
from mdps_ros.ros.spinning import spinning
from mdps_ros.ros.transforms import parents, placement
from mdps_ros.runtime.checkup.choosing import OWN, Choice, Graph, choose
from mdps_ros.runtime.checkup.observation import ROLES, NodeSeen, Observation, Offer, Pace, Unfed
from mdps_ros.runtime.checkup.observing import Collector
from mdps_ros.runtime.inputs import messages
from mdps_ros.runtime.inputs.transform_odometry import TransformOdometry

CLASSES = {
    f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}": kind
    for kind in (
        Odometry, TwistWithCovarianceStamped, Image, CompressedImage, CameraInfo, NavSatFix,
        TFMessage,
    )
}  # fmt: skip
DISCOVERY_S = 10.0
"""Time that an odometry gets to be found."""
REST_S = 2.0
"""Time that the rest of the graph then gets."""
AGAIN_S = 3.0
"""Time that a publisher gets to be found whose topic the node already listens to."""
DEPTH = 2000
TF = "/tf"
FIXED = ("tf", "tf_static")
"""Roles whose topics have one name everywhere."""


class Observer(Node):
    """Finds the topics, then listens to them.

    Args:
        named: role -> topic that the user named.
        odom: frame of odometry that comes from TF, where no node says so; "" for none.
    """

    def __init__(self, named: dict[str, str], odom: str = "") -> None:
        super().__init__("mdps_doctor")
        self._named = named
        self._odom = odom
        self._collector = Collector()
        self._frames: set[str] = set()
        self._lock = threading.Lock()
        self._buffer = tf2_ros.Buffer()
        self._listener = tf2_ros.TransformListener(self._buffer, self)
        self._topics: dict[str, str] = {}
        self._unfed: dict[str, Unfed] = {}
        self._clock_ahead_ns: list[int] = []
        self._moving: TransformOdometry | None = None
        self._pace: Pace | None = None
        self.problems: list[str] = []

    def sees_odometry(self) -> bool:
        """Whether somebody publishes odometry of some kind."""
        wanted = {*ROLES["odom"].types, *ROLES["twist"].types}
        if self._odom:
            return bool(self.count_publishers(TF))
        return any(
            wanted & set(kinds) and self.count_publishers(name)
            for name, kinds in self.get_topic_names_and_types()
        )

    def choices(self, node: NodeSeen | None) -> dict[str, Choice]:
        """The topic of every role, as the graph is now."""
        offered = {
            name: kinds
            for name, kinds in self.get_topic_names_and_types()
            if self.count_publishers(name)
        }
        outputs = {self.resolve_topic_name(name) for name in OWN}
        listened: dict[str, list[str]] = {}
        if node is not None:
            space, _, name = node.name.rpartition("/")
            listened = dict(self.get_subscriber_names_and_types_by_node(name, space or "/"))
            answers = self.get_publisher_names_and_types_by_node(name, space or "/")
            outputs |= {topic for topic, _ in answers}
        graph = Graph(offered, listened, outputs)
        passed_over = ("odom", "twist") if self._by_transforms(node) else ()
        return {
            role: choose(graph, role, self._named.get(role), self.resolve_topic_name(role))
            for role in ROLES
            if role not in (*FIXED, *passed_over)
        }

    def _by_transforms(self, node: NodeSeen | None) -> bool:
        """Whether odometry comes from TF."""
        known = {} if node is None else node.parameters
        return bool(known.get("node.odometry_source", "tf" if self._odom else "") == "tf")

    def find_topics(self, node: NodeSeen | None, base: str) -> None:
        """Choose a topic for every role, and listen to it.

        Args:
            node: the localization node, where one runs.
            base: frame of the vehicle.
        """
        until(lambda: all(c.unfed is None for c in self.choices(node).values()), AGAIN_S)
        self._hear_clock()
        if node is not None:
            self._hear_status(node)
        choices = self.choices(node) | {"tf_static": Choice("/tf_static")}
        if self._by_transforms(node):
            choices["tf"] = Choice(TF)
            self._moving = TransformOdometry(
                self._odom if node is None else node.parameters.get("frames.odom", self._odom),
                base,
                partial(parents, self._buffer),
                lambda frame: placement(self._buffer, frame, base),
            )
        self.problems += [choice.problem for choice in choices.values() if choice.problem]
        self._unfed = {role: choice.unfed for role, choice in choices.items() if choice.unfed}
        kinds = dict(self.get_topic_names_and_types())
        for role, choice in choices.items():
            if choice.topic is not None and self.count_publishers(choice.topic):
                self._topics[role] = choice.topic
                self._listen(role, choice.topic, kinds[choice.topic])

    def _hear_status(self, node: NodeSeen) -> None:
        """How the node keeps up."""

        def take(msg: LocalizerStatus) -> None:
            with self._lock:
                self._pace = Pace(msg.frames_used, msg.frames_dropped, msg.behind_s)

        space, _, name = node.name.rpartition("/")
        for topic, kinds in self.get_publisher_names_and_types_by_node(name, space or "/"):
            if STATUS in kinds:
                self.create_subscription(LocalizerStatus, topic, take, topics.STATUS.qos())

    def _hear_clock(self) -> None:
        """Compare /clock, where somebody publishes it, with ours."""

        def take(msg: Clock) -> None:
            ahead = Time.from_msg(msg.clock).nanoseconds - self.get_clock().now().nanoseconds
            with self._lock:
                self._clock_ahead_ns.append(ahead)

        quality = QoSProfile(depth=DEPTH, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.create_subscription(Clock, "/clock", take, quality)

    def _listen(self, role: str, name: str, kinds: list[str]) -> None:
        """Subscribe in the way that the publishers offer, if the type is one of ours."""
        kind = next((CLASSES[kind] for kind in kinds if kind in ROLES[role].types), None)
        if kind is None:
            return
        offers = self._offers(name)
        reliable = bool(offers) and all(offer.reliable for offer in offers)
        latched = bool(offers) and all(offer.latched for offer in offers)
        policy, durable = ReliabilityPolicy, DurabilityPolicy
        qos = QoSProfile(
            depth=DEPTH,
            reliability=policy.RELIABLE if reliable else policy.BEST_EFFORT,
            durability=durable.TRANSIENT_LOCAL if latched else durable.VOLATILE,
        )
        self.create_subscription(kind, name, self._take_of(role), qos)

    def _take_of(self, role: str) -> Callable[[Any], None]:
        def frames(msg: Any) -> None:
            with self._lock:
                for item in msg.transforms:
                    named = (item.header.frame_id, item.child_frame_id)
                    self._frames |= {messages.frame_name(frame) for frame in named}

        def moves(msg: Any) -> None:
            now = self.get_clock().now().nanoseconds
            for event, _ in self._moving.events(msg.transforms) if self._moving else ():
                with self._lock:
                    self._collector.moved(role, now, event)

        def take(msg: Any) -> None:
            with self._lock:
                self._collector.saw(role, self.get_clock().now().nanoseconds, msg)

        return {"tf": moves, "tf_static": frames}.get(role, take)

    def _offers(self, name: str) -> tuple[Offer, ...]:
        return tuple(
            Offer(
                info.qos_profile.reliability == ReliabilityPolicy.RELIABLE,
                info.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL,
            )
            for info in self.get_publishers_info_by_topic(name)
        )

    def report(self, source: str, base: str, node: NodeSeen | None) -> Observation:
        """What was seen until now."""
        types = dict(self.get_topic_names_and_types())
        with self._lock:
            seen = self._collector
            return Observation(
                source=source,
                live=True,
                topics={
                    role: seen.topic(role, name, tuple(types.get(name, ())), self._offers(name))
                    for role, name in self._topics.items()
                },
                problems=tuple(self.problems),
                unfed=self._unfed,
                clock_ahead_s=median_s(self._clock_ahead_ns),
                node=None if node is None else node._replace(pace=self._pace),
                camera=seen.camera,
                image=seen.image,
                base=base,
                T_base_camera=self._mount(base, seen.frame("image")),
                frames=tuple(sorted(self._frames)),
                travelled_m=seen.travelled_m,
                fastest_mps=seen.fastest_mps,
                fixes=tuple(seen.fixes),
            )

    def _mount(self, base: str, frame: str) -> tuple[float, ...] | None:
        matrix = placement(self._buffer, base, frame) if frame else None
        return None if matrix is None else tuple(matrix.ravel().tolist())


def median_s(times_ns: list[int]) -> float | None:
    """Median of times, s; None of none."""
    return statistics.median(times_ns) * 1e-9 if times_ns else None


def observe(observer: Observer, seconds: float, base: str) -> Observation:
    """Find node and topics, then listen for some time."""
    until(observer.sees_odometry, DISCOVERY_S)
    until(lambda: False, REST_S)
    node = find_node(observer)
    frame = base if node is None else node.parameters.get("frames.base", base)
    observer.find_topics(node, frame)
    until(lambda: False, seconds)
    return observer.report("the running graph", frame, node)


def parse(args: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser("observe")
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--seconds", type=float, default=5.0, help="to listen")
    parser.add_argument("--base", default="base_link", help="frame of the vehicle, without a node")
    parser.add_argument("--odom-frame", default="", help="of odometry that comes from TF")
    for role in ROLES.keys() - {*FIXED}:
        parser.add_argument(f"--{role}", help=f"topic of the {role}")
    return parser.parse_args(args)


def main(args: list[str] | None = None) -> int:
    """Observe once; returns the exit code."""
    argv = sys.argv if args is None else ["observe", *args]
    options = parse(remove_ros_args(argv)[1:])
    named = {role: name for role in ROLES if (name := getattr(options, role, None))}
    try:
        with spinning(lambda: Observer(named, options.odom_frame), argv) as observer:
            seen = observe(observer, options.seconds, options.base)
        options.out.write_text(seen.to_json(), encoding="utf-8")
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
