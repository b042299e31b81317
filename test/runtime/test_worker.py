from __future__ import annotations

import threading

import numpy as np
import pytest

from mdps_ros.notes import Code
from mdps_ros.runtime.events import DepthImageEvent, Event, OdometryEvent, PinholeCamera
from mdps_ros.runtime.worker import Worker


def odometry(stamp_ns: int) -> OdometryEvent:
    return OdometryEvent(stamp_ns=stamp_ns, T_odom_base=np.zeros(3))


def image(stamp_ns: int) -> DepthImageEvent:
    camera = PinholeCamera(width=1, height=1, fx=1.0, fy=1.0, cx=0.0, cy=0.0)
    depth = np.ones((1, 1), np.float32)
    return DepthImageEvent(stamp_ns=stamp_ns, depth=depth, camera=camera, T_base_camera=np.eye(4))


class Sink:
    """Collects what it is handed, in its own time."""

    def __init__(self, wanted: int) -> None:
        self.events: list[Event] = []
        self.errors: list[Exception] = []
        self.full = threading.Event()
        self.wanted = wanted

    def take(self, event: Event) -> None:
        self.events.append(event)
        if len(self.events) >= self.wanted:
            self.full.set()

    def fail(self, error: Exception) -> None:
        self.errors.append(error)
        self.full.set()


def stamps(sink: Sink, kind: type) -> list[int]:
    return [e.stamp_ns for e in sink.events if isinstance(e, kind)]


def test_events_are_handled_in_the_order_of_arrival() -> None:
    sink = Sink(200)
    worker = Worker(sink.take, sink.fail, images_max=1000)
    worker.start()
    for i in range(100):
        assert worker.put(odometry(i)) is None
        assert worker.put(image(i)) is None
    assert sink.full.wait(5.0)
    worker.stop()
    assert [e.stamp_ns for e in sink.events] == [i // 2 for i in range(200)]


def test_too_many_images_cost_the_oldest_image_and_no_odometry() -> None:
    sink = Sink(8)
    worker = Worker(sink.take, sink.fail, images_max=3)
    notes = []
    for i in range(5):  # not started: everything has to wait
        notes += [worker.put(odometry(i)), worker.put(image(i))]
    dropped = [note for note in notes if note is not None]
    assert [note.code for note in dropped] == [Code.IMAGE_DROPPED] * 2
    worker.start()
    assert sink.full.wait(5.0)
    worker.stop()
    assert stamps(sink, DepthImageEvent) == [2, 3, 4]
    assert stamps(sink, OdometryEvent) == [0, 1, 2, 3, 4]


def test_room_comes_back_as_images_are_handled() -> None:
    sink = Sink(1)
    worker = Worker(sink.take, sink.fail, images_max=1)
    worker.start()
    for i in range(20):
        sink.full.clear()
        assert worker.put(image(i)) is None
        assert sink.full.wait(5.0)
    worker.stop()


def test_an_error_is_handed_on_and_ends_the_work() -> None:
    sink = Sink(1)

    def handle(event: Event) -> None:
        raise ValueError("broken")

    worker = Worker(handle, sink.fail, images_max=3)
    worker.start()
    worker.put(odometry(0))
    assert sink.full.wait(5.0)
    worker.stop()
    with pytest.raises(ValueError, match="broken"):
        raise sink.errors[0]


def test_a_stopped_worker_starts_again_without_the_old_events() -> None:
    sink = Sink(1)
    worker = Worker(sink.take, sink.fail, images_max=3)
    worker.put(odometry(1))
    worker.stop()
    worker.start()
    worker.put(odometry(2))
    assert sink.full.wait(5.0)
    worker.stop()
    assert stamps(sink, OdometryEvent) == [2]


def test_an_event_that_waits_can_be_taken_back_and_one_in_hand_cannot() -> None:
    begun, go = threading.Event(), threading.Event()
    handled: list[Event] = []

    def slow(event: Event) -> None:
        handled.append(event)
        begun.set()
        assert go.wait(5.0)

    worker = Worker(slow, lambda error: None, images_max=1)
    in_hand, waiting, last = image(0), image(1), odometry(2)
    worker.put(in_hand)
    worker.start()
    assert begun.wait(5.0)
    worker.put(waiting)
    worker.put(last)
    assert not worker.withdraw(in_hand)
    assert worker.withdraw(waiting)
    assert not worker.withdraw(waiting)
    assert worker.put(image(3)) is None  # there is room again
    threading.Timer(0.2, go.set).start()
    left = worker.stop()
    assert handled == [in_hand]
    assert [event.stamp_ns for event in left if isinstance(event, OdometryEvent)] == [2]
    assert len(left) == 2
