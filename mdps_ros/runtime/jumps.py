"""Tells when the claimed pose jumped: map -> odom changed by more than the motion explains."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from mdps_ros.notes import Code, Note
from mdps_ros.runtime.frames import between, compose, inverse
from mdps_ros.runtime.outputs import Output, PoseEstimate, TransformEstimate
from mdps_ros.settings import EstimateSettings


class Cause(Enum):
    """Why a pose jumped; names equal the constants of JumpEvent.msg."""

    STARTED = "started"
    INITIAL_POSE = "initial pose"
    LOST = "lost"
    SWITCHED = "switched"
    TIME_JUMP = "time jump"
    RESTORED = "restored"
    MAP_CHANGED = "map changed"


CAUSES = {
    Code.STARTED: Cause.STARTED,
    Code.INITIAL_POSE: Cause.INITIAL_POSE,
    Code.LOST: Cause.LOST,
    Code.STAMP_REGRESSION: Cause.TIME_JUMP,
    Code.RESTORED: Cause.RESTORED,
    Code.MAP_CHANGED: Cause.MAP_CHANGED,
}
"""Notes after which there is another belief."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoseJump:
    """One jump.

    Attributes:
        stamp_ns: time of the frame after the jump.
        cause: why.
        before: (3,) float64 m, m, rad: where the vehicle would be now had nothing jumped; None
            when no pose was claimed before on this map.
        after: (3,) float64 m, m, rad: where it is claimed to be.
        count: jumps so far, this one included.
    """

    stamp_ns: int
    cause: Cause
    before: NDArray[np.float64] | None
    after: NDArray[np.float64]
    count: int


class JumpWatch:
    """Compares every claim with the one before, moved on by odometry.

    Args:
        settings: reach of a hypothesis; a change within it is a correction, no jump.
    """

    def __init__(self, settings: EstimateSettings) -> None:
        self._settings = settings
        self._cause: Cause | None = Cause.STARTED  # of the belief that nothing was claimed of yet
        self._pose: PoseEstimate | None = None
        self._T_map_odom: NDArray[np.float64] | None = None
        self._count = 0

    def adopt(self, settings: EstimateSettings) -> None:
        """Judge by another reach from now on."""
        self._settings = settings

    def see(self, output: Output) -> PoseJump | None:
        """Take what a session says, in its order; a jump is told with the claim that makes it."""
        if isinstance(output, Note):
            self._cause = CAUSES.get(output.code, self._cause)
            if output.code is Code.MAP_CHANGED:  # what was claimed before is of another frame
                self._T_map_odom = None
        elif isinstance(output, PoseEstimate):
            self._pose = output
        elif isinstance(output, TransformEstimate) and self._pose is not None:
            return self._claim(output, self._pose.T_map_base)
        return None

    def _claim(
        self, estimate: TransformEstimate, T_map_base: NDArray[np.float64]
    ) -> PoseJump | None:
        old, self._T_map_odom = self._T_map_odom, estimate.T_map_odom
        cause, self._cause = self._cause, None
        before = None
        if old is not None:
            T_odom_base = compose(inverse(estimate.T_map_odom), T_map_base)
            before = compose(old, T_odom_base)
            if cause is None and not self._far(between(before, T_map_base)):
                return None
        self._count += 1
        return PoseJump(
            stamp_ns=estimate.stamp_ns,
            cause=cause or Cause.SWITCHED,
            before=before,
            after=T_map_base,
            count=self._count,
        )

    def _far(self, step: NDArray[np.float64]) -> bool:
        reach, turn = self._settings.mode_radius, self._settings.mode_yaw
        return bool(np.hypot(step[0], step[1]) > reach or abs(step[2]) > turn)
