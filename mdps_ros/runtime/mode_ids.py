"""Numbers that stay with a hypothesis from one message to the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdps_ros.runtime.outputs import Mode
from mdps_ros.settings import EstimateSettings


class ModeIds:
    """Gives each mode the number of the nearest mode of the frame before, or a new one.

    Between two updates a vehicle moves far less than the radius of a mode, so the nearest mode
    is the same one. Heavier modes choose first.

    Args:
        settings: radius and yaw distance within which two modes count as the same.
    """

    def __init__(self, settings: EstimateSettings) -> None:
        self.adopt(settings)
        self._known: list[tuple[int, NDArray[np.float64]]] = []
        self._next = 0

    def adopt(self, settings: EstimateSettings) -> None:
        """Go by another reach from now on; numbers stay."""
        self._reach = np.array([settings.mode_radius, settings.mode_yaw])

    def assign(self, modes: tuple[Mode, ...]) -> list[int]:
        """One number per mode, in the order given."""
        free = dict(self._known)
        self._known = []
        for mode in modes:
            distances = {number: self._distance(mode, pose) for number, pose in free.items()}
            number = min(distances, key=distances.__getitem__, default=self._next)
            if distances.get(number, np.inf) > 1.0:
                number, self._next = self._next, self._next + 1
            free.pop(number, None)
            self._known.append((number, mode.T_map_base))
        return [number for number, _ in self._known]

    def _distance(self, mode: Mode, pose: NDArray[np.float64]) -> float:
        """Distance in units of a mode's reach; 1 is the border."""
        dx, dy, dyaw = mode.T_map_base - pose
        turn = abs((dyaw + np.pi) % (2 * np.pi) - np.pi)
        return float(max(np.hypot(dx, dy) / self._reach[0], turn / self._reach[1]))
