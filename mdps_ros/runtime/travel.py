"""How far the vehicle has come since its belief began, since the last update, since each look."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from mdps_ros.runtime.events import ImageEvent
from mdps_ros.runtime.frames import between
from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample
from mdps_ros.runtime.localizer import Motion

Kind = type[ImageEvent] | str
"""Of a look: the images' class, or the measurement's name."""
Looks = Mapping[Kind, tuple[float, ...]]
"""Odometer readings of the looks of each kind."""

REMEMBERED = 100
"""Looks of each kind."""


class Travel:
    """Odometer readings of one belief.

    Attributes:
        last: odometry of the last update, or where the belief began; None before that.
    """

    def __init__(self) -> None:
        self.last: OdometrySample | None = None
        self._start = 0.0
        self._looks: dict[Kind, deque[float]] = {}

    def begin(self, now: OdometrySample, already: float = 0.0) -> None:
        """A belief begins here, `already` m after its own start."""
        self.last, self._start = now, now.travelled - already
        self._looks.clear()

    @property
    def looks(self) -> Looks:
        """Those of this belief that are remembered; a value."""
        return {kind: tuple(readings) for kind, readings in self._looks.items()}

    def resume(self, looks: Looks) -> None:
        """The belief that begins here had these looks before."""
        self._looks = {kind: deque(at, maxlen=REMEMBERED) for kind, at in looks.items()}

    def forget(self) -> None:
        """There is no belief at any known odometry."""
        self.last = None
        self._looks.clear()

    def total(self, now: OdometrySample) -> float:
        """Metres since the belief began."""
        return now.travelled - self._start

    def has_looked(self, kind: Kind) -> bool:
        """Whether this belief had a look of that kind."""
        return kind in self._looks

    def since(self, kind: Kind, now: OdometrySample) -> float:
        """Metres since the last look of a kind, or since the belief began."""
        looks = self._looks.get(kind)
        return now.travelled - (max(looks) if looks else self._start)

    def apart(self, kind: Kind, then: OdometrySample) -> float:
        """Metres from a place on the way to the nearest look of a kind, or to the start."""
        looks = self._looks.get(kind, ())
        return float(min(abs(then.travelled - at) for at in (self._start, *looks)))

    def around(self, kind: Kind, then: OdometrySample) -> tuple[float, float | None]:
        """Odometer readings of the looks of a kind beside a place on the way.

        Returns:
            Of the last one up to there, or of the start; of the first one beyond, if any.
        """
        looks, here = self._looks.get(kind, ()), then.travelled
        before = max((at for at in looks if at <= here), default=self._start)
        return before, min((at for at in looks if at > here), default=None)

    def looked(self, kind: Kind, now: OdometrySample) -> None:
        """A look of that kind was used here."""
        self._looks.setdefault(kind, deque(maxlen=REMEMBERED)).append(now.travelled)

    def step(self, now: OdometrySample) -> Motion:
        """The motion since the last update; none before the first."""
        if self.last is None:
            return Motion(np.zeros(3), 0.0, 0.0)
        increment = between(self.last.T_odom_base, now.T_odom_base)
        seconds = (now.stamp_ns - self.last.stamp_ns) * 1e-9
        return Motion(increment, now.travelled - self.last.travelled, seconds)
