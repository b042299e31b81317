"""Overlays beside the filter: a thread that draws the newest image, when somebody wants it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mdps_ros.maps import Map
from mdps_ros.runtime.events import DepthImageEvent, ImageEvent
from mdps_ros.runtime.outputs import PoseEstimate
from mdps_ros.runtime.watching.aside import Aside
from mdps_ros.runtime.watching.overlay import Scene, draw_overlay

PERIOD_S = 0.5
"""Least time between two overlays."""
KEPT = 8
"""Images that wait for their estimate."""
DEPTH_WHITE_M = 30.0
"""Depth that is drawn white."""

Picture = NDArray[np.uint8]


def picture_of(image: ImageEvent) -> Picture:
    """(H, W, 3) of a colour or a depth image; no depth is black."""
    if not isinstance(image, DepthImageEvent):
        return image.rgb
    grey = np.nan_to_num(image.depth, nan=0.0) * (255.0 / DEPTH_WHITE_M)
    return np.repeat(np.clip(grey, 0.0, 255.0).astype(np.uint8)[..., None], 3, axis=2)


def overlay_of(image: ImageEvent, estimate: PoseEstimate, scene: Scene) -> Picture:
    """An image with the map drawn in at an estimate, (H, W, 3)."""
    mass = estimate.modes[0].mass if estimate.modes else 0.0
    return draw_overlay(
        picture_of(image),
        image.camera,
        image.T_base_camera,
        estimate.T_map_base,
        scene,
        f"{estimate.state.name} {100.0 * mass:.0f} %",
    )


class OverlayPainter:
    """Joins images with their estimates and draws some of them in a thread of its own.

    Nothing waits for it: an estimate that comes while it draws is passed over.

    Args:
        map: what is drawn.
        wanted: whether somebody looks; asked in the caller's thread.
        deliver: takes stamp ns and picture, in the painter's thread.
        failed: takes an exception, in the painter's thread; nothing is drawn any more then.
    """

    def __init__(
        self,
        map: Map,
        wanted: Callable[[], bool],
        deliver: Callable[[int, Picture], None],
        failed: Callable[[Exception], object],
    ) -> None:
        self._map = map
        self._scene: Scene | None = None  # made by the thread that draws, when it first does
        self._wanted = wanted
        self._deliver = deliver
        self._images: OrderedDict[int, ImageEvent] = OrderedDict()
        self._aside = Aside("overlay", failed, PERIOD_S)

    def start(self) -> None:
        """Begin to work."""
        self._aside.start()

    def stop(self) -> None:
        """Finish what is being drawn and stop; safe to repeat."""
        self._aside.stop()
        self._images.clear()

    def saw(self, image: ImageEvent) -> None:
        """An image came; it is kept until its estimate does."""
        if not self._wanted():
            self._images.clear()
            return
        self._images[image.stamp_ns] = image
        while len(self._images) > KEPT:
            self._images.popitem(last=False)

    def estimated(self, estimate: PoseEstimate) -> None:
        """An estimate was made; draw its image, if it has one and there is time."""
        image = self._images.pop(estimate.stamp_ns, None)
        if image is not None:
            self._aside.offer(lambda: self._draw(image, estimate))

    def _draw(self, image: ImageEvent, estimate: PoseEstimate) -> None:
        self._scene = self._scene or Scene(self._map)
        self._deliver(image.stamp_ns, overlay_of(image, estimate, self._scene))
