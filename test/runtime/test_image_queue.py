from __future__ import annotations

import numpy as np

from mdps_ros.notes import Code, Note
from mdps_ros.runtime.events import ColourImageEvent, DepthImageEvent
from mdps_ros.runtime.inputs.image_queue import ImageQueue
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer
from test.runtime.town import CAMERA, MOUNT


def depth(stamp_ns: int) -> DepthImageEvent:
    pixels = np.ones((1, 1), np.float32)
    return DepthImageEvent(stamp_ns=stamp_ns, depth=pixels, camera=CAMERA, T_base_camera=MOUNT)


def colour(stamp_ns: int) -> ColourImageEvent:
    pixels = np.zeros((1, 1, 3), np.uint8)
    return ColourImageEvent(stamp_ns=stamp_ns, rgb=pixels, camera=CAMERA, T_base_camera=MOUNT)


def odometry(*stamps_ns: int) -> OdometryBuffer:
    made = OdometryBuffer(10.0)
    for stamp in stamps_ns:
        made.add(stamp, np.array([stamp * 1e-3, 0.0, 0.0]))
    return made


def stamps(queue: ImageQueue, buffer: OdometryBuffer) -> list[int]:
    taken = queue.take(buffer)
    return [item[1].stamp_ns for item in taken if not isinstance(item, Note)]


def test_images_come_out_by_their_stamps_once_odometry_covers_them() -> None:
    queue = ImageQueue(10)
    for image in (depth(30), colour(20), depth(50)):
        assert queue.put(image) == []
    assert stamps(queue, odometry()) == []
    assert stamps(queue, odometry(10, 40)) == [20, 30]
    assert stamps(queue, odometry(10, 60)) == [50]
    assert queue.newest_ns == 50


def test_late_images_come_out_too_and_repeated_ones_are_known() -> None:
    queue = ImageQueue(10)
    assert queue.put(depth(30)) == []
    assert stamps(queue, odometry(0, 40)) == [30]
    assert queue.put(depth(20)) == []
    assert queue.newest_ns == 30
    assert stamps(queue, odometry(0, 40)) == [20]
    (note,) = queue.put(depth(20))
    assert "another image with its stamp came before" in note.text


def test_each_kind_of_image_has_its_own_stamps() -> None:
    queue = ImageQueue(10)
    assert queue.put(depth(30)) == []
    assert queue.put(colour(30)) == []
    (note,) = queue.put(depth(30))
    assert note.code is Code.IMAGE_DROPPED
    assert stamps(queue, odometry(0, 40)) == [30, 30]


def test_what_cannot_be_used_comes_back_as_a_note() -> None:
    queue = ImageQueue(2)
    notes = [note for stamp in (10, 20, 30) for note in queue.put(depth(stamp))]
    assert ["no odometry" in note.text for note in notes] == [True]
    old, new = list(queue.take(odometry(25, 40)))
    assert isinstance(old, Note)
    assert "older than the odometry" in old.text
    assert not isinstance(new, Note)
    queue.clear()
    assert queue.newest_ns is None
    assert queue.put(depth(5)) == []
