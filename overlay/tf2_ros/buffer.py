"""Stand-in for tf2_ros.buffer: the tree with waiting."""

from __future__ import annotations

import time as wall
from typing import Any

from rclpy.clock import Clock
from rclpy.duration import Duration
from rclpy.task import Future

from tf2_ros.buffer_core import BufferCore, nanoseconds

POLL_S = 0.01


class Buffer(BufferCore):
    """A transform tree that can wait for data.

    Args:
        cache_time: how much past to keep, 10 s when None.
        node: gives the clock.
    """

    def __init__(self, cache_time: Any = None, node: Any = None) -> None:
        super().__init__(cache_time)
        self.clock = Clock() if node is None else node.get_clock()
        self._waiting: list[tuple[tuple[str, str, Any], Any]] = []

    def lookup_transform(
        self, target_frame: str, source_frame: str, time: Any, timeout: Any = None
    ) -> Any:
        """T_target_source as TransformStamped, waiting for it up to the timeout.

        Another thread must spin the listener's node meanwhile.

        Raises:
            TransformException: one of its subclasses says why there is none.
        """
        self.can_transform(target_frame, source_frame, time, timeout)
        return self.lookup_transform_core(target_frame, source_frame, time)

    def can_transform(
        self,
        target_frame: str,
        source_frame: str,
        time: Any,
        timeout: Any = None,
        return_debug_tuple: bool = False,
    ) -> Any:
        """Whether the transform is there, or comes within the timeout.

        Returns:
            A bool, or with return_debug_tuple the bool and the reason.
        """
        limit = Duration() if timeout is None else timeout
        end = wall.monotonic() + nanoseconds(limit) * 1e-9
        answer = self.can_transform_core(target_frame, source_frame, time)
        while not answer[0] and wall.monotonic() < end:
            wall.sleep(POLL_S)
            answer = self.can_transform_core(target_frame, source_frame, time)
        return answer if return_debug_tuple else answer[0]

    def wait_for_transform_async(self, target_frame: str, source_frame: str, time: Any) -> Any:
        """A future that is done, with result True, as soon as the transform is there."""
        future = Future()
        with self._lock:
            self._waiting.append(((target_frame, source_frame, time), future))
        self._answer_waiting()
        return future

    def _add(self, transform: Any, static: bool) -> None:
        super()._add(transform, static)
        self._answer_waiting()

    def _answer_waiting(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for request, future in waiting:
                if future.done() or future.cancelled():
                    continue
                if self.can_transform_core(*request)[0]:
                    future.set_result(True)
                else:
                    self._waiting.append((request, future))
