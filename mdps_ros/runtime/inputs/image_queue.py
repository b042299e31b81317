"""Images that wait for odometry, in the order of their stamps."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from operator import attrgetter

from mdps_ros.notes import Code, Note, Severity
from mdps_ros.runtime.events import ImageEvent
from mdps_ros.runtime.inputs.odometry_buffer import OdometryBuffer, OdometrySample


class ImageQueue:
    """Holds images until odometry covers their stamps; never drops one silently.

    Args:
        most: images that may wait; beyond, the oldest is dropped.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._images: list[ImageEvent] = []
        self._newest_ns: dict[type[ImageEvent], int] = {}

    @property
    def newest_ns(self) -> int | None:
        """Stamp of the newest image of any kind that came; None before the first."""
        return max(self._newest_ns.values(), default=None)

    def put(self, image: ImageEvent) -> list[Note]:
        """Queue an image; a note where it, or an older one, had to go."""
        newest = self._newest_ns.get(type(image))
        if newest is not None and image.stamp_ns <= newest:
            return [_dropped("its stamp is not newer than the last image", image.stamp_ns)]
        self._newest_ns[type(image)] = image.stamp_ns
        insort(self._images, image, key=attrgetter("stamp_ns"))
        if len(self._images) <= self._most:
            return []
        old = self._images.pop(0)
        return [_dropped("no odometry came for it; check the odometry topic", old.stamp_ns)]

    def take(
        self, odometry: OdometryBuffer, used_ns: int | None
    ) -> Iterator[tuple[OdometrySample, ImageEvent] | Note]:
        """Take out the images that odometry covers, each with the odometry at its stamp.

        Args:
            odometry: what came so far.
            used_ns: stamp of what was used last; older images are dropped with a note.
        """
        while self._images:
            image = self._images[0]
            newest, oldest = odometry.newest, odometry.oldest_ns
            if newest is None or oldest is None or image.stamp_ns > newest.stamp_ns:
                return
            self._images.pop(0)
            sample = odometry.at(image.stamp_ns)
            if sample is None or (used_ns is not None and sample.stamp_ns < used_ns):
                yield _dropped("it is older than what was used", image.stamp_ns)
            else:
                used_ns = sample.stamp_ns
                yield sample, image

    def clear(self) -> None:
        """Forget everything, as where time goes back."""
        self._images.clear()
        self._newest_ns.clear()


def _dropped(why: str, stamp_ns: int) -> Note:
    data = {"stamp_s": stamp_ns * 1e-9}
    return Note(Code.IMAGE_DROPPED, Severity.WARN, f"image dropped: {why}", data)
