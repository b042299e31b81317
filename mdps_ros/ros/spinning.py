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

ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def spinning(make: Callable[[], Served], argv: list[str]) -> Iterator[Served]:
    """A node whose callbacks run in a thread for the length of the block; in the main thread.

    Ctrl-C and SIGTERM end the block by a KeyboardInterrupt, and then the thread. rclpy's own
    handler would take the context away from under the calls of both, which now and then crashes.

    Args:
        make: makes the node, once there is a context.
        argv: of the process, for its ROS arguments.
    """
    before = {number: signal.getsignal(number) for number in ENDING}
    rclpy.init(args=argv, signal_handler_options=SignalHandlerOptions.NO)
    executor = SingleThreadedExecutor()
    thread = threading.Thread(target=executor.spin, daemon=True)
    node, ended = None, False
    try:
        _on_signals(signal.default_int_handler)
        node = make()
        executor.add_node(node)
        thread.start()
        yield node
    except KeyboardInterrupt:
        ended = True
        raise
    finally:
        # Ctrl-C under `ros2 launch` comes twice, and may not cut the clean-up short
        _on_signals(signal.SIG_IGN)
        executor.shutdown()
        if thread.ident is not None:
            thread.join()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()
        if not ended:
            for number, handler in before.items():
                signal.signal(number, handler)


def _on_signals(handler: Callable[..., object] | signal.Handlers) -> None:
    for number in ENDING:
        signal.signal(number, handler)
