"""The newest updates of a session, for those who go over them again."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from mdps_ros.runtime.cameras import Look
from mdps_ros.runtime.inputs.odometry_buffer import OdometrySample

UPDATES = 16
"""At most so many are kept: looks hold what an image showed."""
REACH_M = 80.0
"""Odometry drifts; what is farther back along the way is forgotten."""


class Seen(NamedTuple):
    """One update.

    Attributes:
        now: odometry.
        look: what an image said; None without one.
        share: how much of an independent look it was, between places.
    """

    now: OdometrySample
    look: Look | None
    share: float


class Recent:
    """Remembers updates along one odometry."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=UPDATES)

    def add(self, seen: Seen) -> None:
        """There was another update."""
        self._seen.append(seen)
        while seen.now.travelled - self._seen[0].now.travelled > REACH_M:
            self._seen.popleft()

    def forget(self) -> None:
        """There is another odometry, or another map."""
        self._seen.clear()

    @property
    def updates(self) -> tuple[Seen, ...]:
        """Those that are remembered, the oldest first; a value."""
        return tuple(self._seen)
