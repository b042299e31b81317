"""A node that is served in a thread of its own while the main thread does something with it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

Served = TypeVar("Served", bound=Node)


@contextmanager
def spinning(make: Callable[[], Served], argv: list[str]) -> Iterator[Served]:
    """A node whose callbacks run in a thread for the length of the block; in the main thread.

    Ctrl-C and SIGTERM end the block by a KeyboardInterrupt, and then the thread. rclpy's own
    handler would take the context away from under the calls of both, which now and then crashes.

    Args:
        make: makes the node, once there is a context.
        argv: of the process, for its ROS arguments.
    """
    rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    _on_signals(signal.default_int_handler)
    node, executor = make(), SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin, daemon=True)
    thread.start()
    try:
        yield node
    finally:
        # Ctrl-C under `ros2 launch` comes twice, and may not cut the clean-up short
        _on_signals(signal.SIG_IGN)
        executor.shutdown()
        thread.join()
        node.destroy_node()
        rclpy.try_shutdown()


def _on_signals(handler: Callable[..., object] | signal.Handlers) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)
