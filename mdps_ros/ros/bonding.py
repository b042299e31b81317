"""The bond by which nav2's lifecycle manager knows that the node lives."""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile

from mdps_ros.ros import topics
from mdps_ros.runtime.bond import SILENCE_S, Bond, Phase

HEARD_DEPTH = 100
"""All bonds of a system meet on one topic."""
NO_BOND = (
    "the package bond is not installed, so no bond is offered; nav2's lifecycle manager needs "
    "bond_timeout: 0.0 then"
)


class Bonding:
    """Heartbeats between activate and deactivate, in a thread of their own.

    As nav2's nodes do it, the id is the node's name; each activation is another instance.

    Args:
        node: owner of publisher and subscription.
        kind: the class bond/msg/Status.
        period_s: between two heartbeats.
    """

    def __init__(self, node: LifecycleNode, kind: Any, period_s: float) -> None:
        self._node = node
        self._kind = kind
        self._period_s = period_s
        # not one of the lifecycle: the farewell comes after the publishers' deactivation
        self._publisher = node.create_publisher(kind, topics.BOND.name, topics.BOND.qos())
        self._subscription = node.create_subscription(
            kind, topics.BOND.name, self._heard, QoSProfile(depth=HEARD_DEPTH)
        )
        self._bond: Bond | None = None
        self._instance = ""
        self._wake = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin another bond."""
        self._end()
        with self._wake:
            self._instance = str(uuid.uuid4())
            self._bond = Bond(self._period_s, time.monotonic())
        self._thread = threading.Thread(target=self._run, name="mdps_bond", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say farewell; the thread sees to it that it is heard. Safe to repeat."""
        with self._wake:
            if self._bond is not None:
                self._bond.part(time.monotonic())
                self._say()
                self._wake.notify()

    def destroy(self) -> None:
        """Say farewell and give publisher and subscription back."""
        self.stop()
        self._end()
        self._node.destroy_subscription(self._subscription)
        self._node.destroy_publisher(self._publisher)

    def _end(self) -> None:
        with self._wake:
            self._bond = None
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._bond is None or not self._node.context.ok():
                    return
                self._say()
                wait_s = self._bond.wait_s(time.monotonic())
                if wait_s is None:
                    return
                self._wake.wait(wait_s)

    def _heard(self, msg: Any) -> None:
        if msg.id != self._node.get_name() or msg.instance_id == self._instance:
            return
        with self._wake:
            if self._bond is None:
                return
            before = self._bond.phase
            if self._bond.hear(bool(msg.active), time.monotonic()):
                self._publish(active=False)
                self._instance = str(uuid.uuid4())
            if before is Phase.WAITING and self._bond.phase is Phase.FORMED:
                self._node.get_logger().info("bond formed: a lifecycle manager watches the node")

    def _say(self) -> None:
        """Publish what is due; the lock is held."""
        assert self._bond is not None
        before = self._bond.phase
        active = self._bond.say(time.monotonic())
        if active is not None:
            self._publish(active)
        if before is Phase.FORMED and self._bond.phase is Phase.WAITING:
            self._node.get_logger().warning(
                f"the lifecycle manager was not heard for {SILENCE_S:.0f} s; the node goes on, "
                "and waits for it"
            )

    def _publish(self, active: bool) -> None:
        message = self._kind(id=self._node.get_name(), instance_id=self._instance, active=active)
        message.header.stamp = self._node.get_clock().now().to_msg()
        message.heartbeat_period, message.heartbeat_timeout = self._period_s, SILENCE_S
        try:
            self._publisher.publish(message)
        except Exception:
            if self._node.context.ok():  # else a signal took the context away meanwhile
                raise


def make_bonding(node: LifecycleNode, period_s: float) -> Bonding | None:
    """A bond, unless it is switched off or its messages are not installed."""
    if period_s <= 0.0:
        return None
    if topics.BOND.type is None:
        node.get_logger().info(NO_BOND)
        return None
    return Bonding(node, topics.BOND.type, period_s)
