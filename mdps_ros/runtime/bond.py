"""One side of a bond between two processes, without messages and without a clock.

The protocol is that of ROS' bond package: both sides say `active` once per period; whoever goes
says so until the other side has said the same. Two things differ from its C++ side, which gives up
for good: a partner that was not heard for too long, or has gone, is waited for again.
"""

from __future__ import annotations

from enum import Enum

SILENCE_S = 4.0
"""Whoever is not heard for so long is taken to be gone (bond's DEFAULT_HEARTBEAT_TIMEOUT)."""
PARTING_PERIOD_S = 0.05
"""Between two farewells (DEAD_PUBLISH_PERIOD)."""
PARTING_S = 2.0
"""After which a farewell need not be answered any more (DEFAULT_DISCONNECT_TIMEOUT)."""


class Phase(Enum):
    """How a bond stands."""

    WAITING = "waiting"  # nobody is there yet
    FORMED = "formed"
    PARTING = "parting"  # we go, and wait for the partner to say the same
    OVER = "over"


class Bond:
    """When to say what; times are seconds of any clock that does not go back.

    Args:
        period_s: between two heartbeats.
        now_s: the first one is due at once.

    Attributes:
        phase: how the bond stands.
    """

    def __init__(self, period_s: float, now_s: float) -> None:
        self.phase = Phase.WAITING
        self._period_s = period_s
        self._due_s = now_s
        self._heard_s = now_s
        self._end_s = now_s

    def wait_s(self, now_s: float) -> float | None:
        """Time until something is due; None where nothing will be."""
        return None if self.phase is Phase.OVER else max(self._due_s - now_s, 0.0)

    def say(self, now_s: float) -> bool | None:
        """What is to be said now: True for active, False for a farewell, None for nothing."""
        if self.phase is Phase.FORMED and now_s - self._heard_s > SILENCE_S:
            self.phase = Phase.WAITING
        if self.phase is Phase.OVER or now_s < self._due_s:
            return None
        if self.phase is not Phase.PARTING:
            self._due_s = now_s + self._period_s
            return True
        self._due_s = now_s + PARTING_PERIOD_S
        if now_s >= self._end_s:
            self.phase = Phase.OVER
        return False

    def hear(self, active: bool, now_s: float) -> bool:
        """The partner said something.

        Returns:
            Whether a farewell is to be answered by one, after which another bond begins.
        """
        if self.phase is Phase.PARTING:
            if not active:
                self.phase = Phase.OVER
        elif self.phase is not Phase.OVER:
            if active:
                self.phase, self._heard_s = Phase.FORMED, now_s
            elif self.phase is Phase.FORMED:
                self.phase = Phase.WAITING
                return True
            # else it is of a partner that was there before us
        return False

    def part(self, now_s: float) -> None:
        """We go; nobody who never came has to answer."""
        if self.phase in (Phase.WAITING, Phase.FORMED):
            self._end_s = now_s + (PARTING_S if self.phase is Phase.FORMED else 0.0)
            self.phase, self._due_s = Phase.PARTING, now_s
