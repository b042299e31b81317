"""Images that wait for odometry, in the order of their stamps."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterator
from operator import attrgetter

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import ImageEvent
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer, OdometrySample

REMEMBERED = 256
"""Stamps of each kind by which repeated images are known."""


class ImageQueue:
    """Holds images until odometry covers their stamps; never drops one silently.

    Args:
        most: images that may wait; beyond, the oldest is dropped.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._images: list[ImageEvent] = []
        self._came: dict[type[ImageEvent], deque[int]] = {}

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest image of any kind that came; None before the first."""
        return max((max(stamps) for stamps in self._came.values()), default=None)

    def put(self, image: ImageEvent) -> list[Note]:
        """Queue an image; a note where it, or an older one, had to go."""
        came = self._came.setdefault(type(image), deque(maxlen=REMEMBERED))
        if image.stamp_ns in came:
            return [too_late(image, "another image with its stamp came before")]
        came.append(image.stamp_ns)
        insort(self._images, image, key=attrgetter("stamp_ns"))
        if len(self._images) <= self._most:
            return []
        old = self._images.pop(0)
        return [too_late(old, "no odometry came for it; check the odometry topic")]

    def take(self, odometry: OdometryBuffer) -> Iterator[tuple[OdometrySample, ImageEvent] | Note]:
        """Take out the images that odometry covers, each with the odometry at its stamp.

        Args:
            odometry: what came so far; images that are older are dropped with a note.
        """
        while self._images:
            image = self._images[0]
            newest, oldest = odometry.newest, odometry.oldest_ns
            if newest is None or oldest is None or image.stamp_ns > newest.stamp_ns:
                return
            self._images.pop(0)
            sample = odometry.at(image.stamp_ns)
            if sample is None:
                yield too_late(image, "it is older than the odometry that is kept")
            else:
                yield sample, image

    def clear(self) -> None:
        """Forget everything, as where time goes back."""
        self._images.clear()
        self._came.clear()


def too_late(image: ImageEvent, why: str) -> Note:
    """An image was dropped, and why."""
    data = {"stamp_s": image.stamp_ns * 1e-9}
    return Note(Code.IMAGE_DROPPED, Severity.WARN, f"image dropped: {why}", data)
