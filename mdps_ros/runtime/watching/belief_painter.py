"""Pictures of the belief beside the filter: drawn when somebody wants them, and no faster."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mdps_ros.maps import Map
from mdps_ros.maps.render import ATTRIBUTION
from mdps_ros.runtime.outputs import State
from mdps_ros.runtime.watching.aside import Aside
from mdps_ros.runtime.watching.belief_picture import draw_belief
from mdps_ros.runtime.watching.map_window import Backdrops
from mdps_ros.runtime.watching.sights import Sight

PERIOD_S = 0.5
"""Least time between two pictures."""
PIXELS = 640
WAY_POSES = 100
"""Claimed poses that are kept for the way."""

Picture = NDArray[np.uint8]


def credit_of(map: Map) -> str:
    """Whom a picture of a map has to name; nobody for an occupancy map."""
    return "" if map.anchor is None else ATTRIBUTION


class BeliefPainter:
    """Draws some beliefs on their map in a thread of its own; nothing waits for it.

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
        self._backdrops = Backdrops(map, PIXELS)
        self._credit = credit_of(map)
        self._wanted = wanted
        self._deliver = deliver
        self._way: deque[NDArray[np.float64]] = deque(maxlen=WAY_POSES)
        self._aside = Aside("belief picture", failed, PERIOD_S)

    def start(self) -> None:
        """Begin to work."""
        self._aside.start()

    def stop(self) -> None:
        """Finish what is being drawn and stop; safe to repeat."""
        self._aside.stop()

    def saw(self, sight: Sight) -> None:
        """There is another belief; draw it if somebody looks and there is time."""
        if sight.estimate.state is State.TRACKING:
            self._way.append(sight.estimate.T_map_base[:2])
        else:
            self._way.clear()
        if self._aside.free() and self._wanted():
            way = np.array(self._way).reshape(-1, 2)
            self._aside.offer(lambda: self._draw(sight, way))

    def _draw(self, sight: Sight, way: NDArray[np.float64]) -> None:
        backdrop = self._backdrops.behind(sight)
        picture = draw_belief(backdrop, sight, way, credit=self._credit)
        self._deliver(sight.estimate.stamp_ns, picture)
