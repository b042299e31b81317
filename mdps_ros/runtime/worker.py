"""One thread that feeds the session, behind a bounded queue that never drops silently."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import ColourImageEvent, DepthImageEvent, Event, OdometryEvent

ODOMETRY_MAX = 20_000
"""Odometry samples that may wait: 200 s at 100 Hz. Far beyond, the worker hangs."""


class Worker:
    """Hands events to `handle`, one at a time, in the order in which they came.

    Args:
        handle: called in the worker's thread.
        failed: called in the worker's thread when `handle` raised; the worker then ends.
        images_max: images that may wait; beyond, the oldest waiting image is dropped.
    """

    def __init__(
        self,
        handle: Callable[[Event], None],
        failed: Callable[[Exception], None],
        images_max: int,
    ) -> None:
        self._handle = handle
        self._failed = failed
        self._limits = {
            DepthImageEvent: images_max,
            ColourImageEvent: images_max,
            OdometryEvent: ODOMETRY_MAX,
        }
        self._queue: deque[Event] = deque()
        self._counts = dict.fromkeys(self._limits, 0)
        self._wake = threading.Condition()
        self._running = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work on what has been put and what will be."""
        self._running = True
        self._thread = threading.Thread(target=self._run, name="mdps_session", daemon=True)
        self._thread.start()

    def stop(self) -> tuple[Event, ...]:
        """End after the event in hand.

        Returns:
            What still waited; it is forgotten here.
        """
        with self._wake:
            self._running = False
            left = tuple(self._queue)
            self._queue.clear()
            self._counts = dict.fromkeys(self._limits, 0)
            self._wake.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        self._thread = None
        return left

    def put(self, event: Event) -> Note | None:
        """Queue an event.

        Returns:
            A note when something older of the same kind had to go for it.
        """
        note = None
        with self._wake:
            kind = type(event)
            if kind in self._counts:
                if self._counts[kind] >= self._limits[kind]:
                    note = self._drop_oldest(kind)
                self._counts[kind] += 1
            self._queue.append(event)
            self._wake.notify()
        return note

    def withdraw(self, event: Event) -> bool:
        """Take an event back; False where it does not wait: it is in hand, or was never put."""
        with self._wake:
            for index, waiting in enumerate(self._queue):
                if waiting is event:
                    self._take(index)
                    return True
        return False

    def _take(self, index: int) -> Event:
        """What waits at that place, which then waits no more."""
        event = self._queue[index]
        del self._queue[index]
        if type(event) in self._counts:
            self._counts[type(event)] -= 1
        return event

    def _drop_oldest(self, kind: type[Event]) -> Note:
        self._take(next(i for i, event in enumerate(self._queue) if type(event) is kind))
        limit = float(self._limits[kind])
        if kind is not OdometryEvent:
            text = "images come faster than they can be used; the oldest waiting one was dropped"
            return Note(Code.IMAGE_DROPPED, Severity.WARN, text, {"waiting": limit})
        text = "odometry comes faster than it can be used; the oldest waiting sample was dropped"
        return Note(Code.ODOMETRY_GAP, Severity.ERROR, text, {"waiting": limit})

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._queue or not self._running)
                if not self._running:
                    return
                event = self._take(0)
            try:
                self._handle(event)
            except Exception as error:  # the edge: nothing above this thread would see it
                self._failed(error)
                return
