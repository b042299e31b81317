"""Results of other threads, for callbacks that wait for them while the executor goes on."""

from __future__ import annotations

from collections.abc import Generator
from typing import Generic, TypeVar

from rclpy.node import Node
from rclpy.task import Future

T = TypeVar("T")


class Later(Generic[T]):
    """A result that a callback awaits, in a callback group that lets others run.

    Args:
        node: whose executor runs the callback.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._future: Future[T] = Future(executor=node.executor)

    def give(self, result: T) -> None:
        """Hand the result over, from whatever thread; the executor wakes up for it."""
        self._future.set_result(result)
        if self._node.executor is not None:
            self._node.executor.wake()

    def __await__(self) -> Generator[None, None, T]:
        result: T = yield from self._future.__await__()
        return result
