"""Where to look for a vehicle that is lost: near where it was last known, then everywhere."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdps_ros.settings import RecoverySettings


class Region(NamedTuple):
    """A circle on the map: centre (2,) m and radius m."""

    centre: NDArray[np.float64]
    radius: float


class Recovery:
    """Remembers the last trusted pose, and what became of the search for a lost vehicle.

    Args:
        settings: how far around that pose to look.

    Attributes:
        nearby: the search around that pose is under way.
        pending: the vehicle was trusted once, lost since, and not found again.
    """

    def __init__(self, settings: RecoverySettings) -> None:
        self.nearby = self.pending = False
        self._settings = settings
        self._trusted: tuple[NDArray[np.float64], float] | None = None

    def adopt(self, settings: RecoverySettings) -> None:
        """Search by other settings from now on."""
        self._settings = settings

    def forget(self) -> None:
        """There is another belief, which has nothing to do with the one before."""
        self._trusted = None
        self.nearby = self.pending = False

    def trust(self, T_map_base: NDArray[np.float64], odometer: float) -> None:
        """The vehicle is known to be there.

        Args:
            T_map_base: (3,) x m, y m, yaw rad.
            odometer: m travelled.
        """
        self._trusted = T_map_base[:2], odometer
        self.nearby = self.pending = False

    def lost(self, odometer: float) -> Region | None:
        """Where to look next; None for everywhere: nothing is known, or it was not found there.

        Args:
            odometer: m travelled.
        """
        trusted, self._trusted = self._trusted, None
        self.pending |= trusted is not None
        self.nearby = trusted is not None and self._settings.radius > 0.0
        if trusted is None or not self.nearby:
            return None
        centre, then = trusted
        return Region(centre, self._settings.radius + odometer - then)
