"""How much of its window a smoother can afford: less while it falls behind."""

from __future__ import annotations

from dataclasses import dataclass

STEPS = 3  # halvings of the window, at most
SPARED = 1  # walks that may be left out before each that is done, without more ado
LATE = 2  # late walks, one after another, before the window is halved
CALM = 10  # walks in time, one after another, before it grows again


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How smoothing goes.

    Attributes:
        seconds: that the newest walk took, the time included in which it stood back.
        frames: that it went over.
        part: of the lag that is smoothed now.
        left_out: revisions that were left out so far.
    """

    seconds: float
    frames: int
    part: float
    left_out: int


@dataclass(frozen=True, slots=True)
class Pace:
    """The state of the rule; every walk that is done takes it one step on.

    First walks are left out: that costs no accuracy, as the next one goes over the same frames.
    Only where more than every second one would have to go, again and again, the window is halved.

    Attributes:
        step: halvings of the window.
        late: walks, one after another, before which too many were left out.
        in_time: walks, one after another, before which none was left out.
        left_out: walks that were left out so far.
    """

    step: int = 0
    late: int = 0
    in_time: int = 0
    left_out: int = 0

    @property
    def part(self) -> float:
        """Part of the lag that is smoothed, 1 or less."""
        return 0.5**self.step

    def after_walk(self, left_out: int) -> Pace:
        """The rule after one more walk.

        Args:
            left_out: walks that had to be left out since the one before.
        """
        late = self.late + 1 if left_out > SPARED else 0
        in_time = 0 if left_out else self.in_time + 1
        step = self.step
        if late >= LATE and step < STEPS:
            step, late = step + 1, 0
        elif in_time >= CALM and step:
            step, in_time = step - 1, 0
        return Pace(step, late, in_time, self.left_out + left_out)
